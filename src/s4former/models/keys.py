"""Names of the same tensor in different code bases, and translation into ours (timm's, for plain ViTs)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from s4former.config.errors import UserError

KeyStyle = Literal["timm", "dinov2", "jax", "mmcls", "mmseg", "huggingface"]

# What a block's attention is called, behind the names of modules around the backbone.
TELLTALES: dict[KeyStyle, str] = {
    "timm": r"blocks\.\d+\.attn\.qkv\.weight",
    # The official training code stacks blocks in chunks.
    "dinov2": r"blocks\.\d+\.\d+\.attn\.qkv\.weight",
    # The arrays of JAX code, as `load_npz` names them.
    "jax": r"blocks\.\d+\.attn\.q\.weight",
    "mmcls": r"layers\.\d+\.attn\.qkv\.weight",
    # mmseg's ViT, and so what the S4Former authors' instructions turn mmcls weights into.
    "mmseg": r"layers\.\d+\.attn\.attn\.in_proj_weight",
    # As in the files on the hub, or as transformers 5 names its own parameters; ViT, DeiT and DINOv2 alike.
    "huggingface": r"(encoder\.)?layers?\.\d+\.attention\.(attention\.query|q_proj)\.weight",
}

# Applied in turn; timm's own names come through unchanged, but for the final norm of models that pool first.
_TO_TIMM = [
    (r"^blocks\.\d+\.(\d+)\.", r"blocks.\1."),
    (r"^(?:encoder\.)?layers?\.(\d+)\.", r"blocks.\1."),
    (r"^embeddings\.position_embeddings$", "pos_embed"),
    (r"^(embeddings\.)?(register|storage)_tokens$", "reg_token"),
    # A distilled DeiT's second token is to a block what a register is.
    (r"^(embeddings\.distillation_token|dist_token)$", "reg_token"),
    (r"^embeddings\.(?=cls_token|mask_token)", ""),
    (r"^(embeddings\.patch_embeddings|patch_embed)\.projection\.", "patch_embed.proj."),
    (r"^embeddings\.patch_embeddings\.(?=weight|bias)", "patch_embed.proj."),
    (r"^(ln1|fc_norm|layernorm)\.", "norm."),
    (r"\.ln([12])\.", r".norm\1."),
    (r"\.layernorm_before\.", ".norm1."),
    (r"\.layernorm_after\.", ".norm2."),
    (r"\.attn\.attn\.in_proj_", ".attn.qkv."),
    (r"\.attn\.attn\.out_proj\.", ".attn.proj."),
    (r"\.attention\.(?:attention\.(?=query|key|value)|(?=[qkv]_proj))([qkv])\w+\.", r".attn.\1."),
    (r"\.attention\.(output\.dense|o_proj)\.", ".attn.proj."),
    (r"\.(ffn\.layers\.0\.0|intermediate\.dense|mlp\.w12|mlp\.weights_in)\.", ".mlp.fc1."),
    (r"\.(ffn\.layers\.1|output\.dense|mlp\.w3|mlp\.weights_out|mlp\.down_proj)\.", ".mlp.fc2."),
    (r"\.(?:layer_scale|ls)([12])\.lambda1$", r".ls\1.gamma"),
    (r"\.gamma_([12])$", r".ls\1.gamma"),
]

# Parts that timm keeps in one tensor, in its order.
_JOINED = {
    r"\.attn\.q\.(weight|bias)$": (r".attn.qkv.\1", (".attn.q.", ".attn.k.", ".attn.v.")),
    r"\.mlp\.gate_proj\.(weight|bias)$": (r".mlp.fc1.\1", (".mlp.gate_proj.", ".mlp.up_proj.")),
}

_HEAD_TO_OURS = [
    (r"^up_convs\.(\d+)\.0\.conv\.", r"stages.\1.conv."),
    (r"^up_convs\.(\d+)\.0\.bn\.", r"stages.\1.norm."),
    (r"^conv_seg\.", "classifier."),
]

# DPT in UniMatch V2 and Depth Anything, which number levels from 1.
_DPT_TO_OURS = [
    (r"^projects\.", "projections."),
    (r"^resize_layers\.", "resamplers."),
    *((rf"^scratch\.layer{number + 1}_rn\.", f"levels.{number}.") for number in range(4)),
    *((rf"^scratch\.refinenet{number + 1}\.", f"fusions.{number}.") for number in range(4)),
    (r"^scratch\.output_conv\.0\.", "conv."),
    (r"^scratch\.output_conv\.2\.", "classifier."),
    (r"\.out_conv\.", ".out."),
    (r"\.resConfUnit1\.", ".enter."),
    (r"\.resConfUnit2\.", ".refine."),
]
# What is in their files and takes no part in a pass.
_DPT_UNUSED = re.compile(r"^(backbone\.mask_token$|head\.scratch\.refinenet4\.resConfUnit1\.)")

Network = Literal["student", "teacher"]

_PARTS: dict[Network, list[tuple[str, str]]] = {
    "student": [
        (r"^backbone\.", "backbone."),
        (r"^decode_head\.", "head."),
        (r"^auxiliary_head\.(\d+)\.", r"auxiliary_heads.\1."),
    ],
    "teacher": [(r"^backbone_ema\.", "backbone."), (r"^decode_head_ema\.", "head.")],
}


def to_plain_vit(inside: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give the tensors of a plain ViT in any known key style timm's names; unknown names stay."""
    return _with_joined_parts({to_timm(key): value for key, value in inside.items()})


def to_timm(key: str) -> str:
    """Translate one name of a plain ViT's tensor into timm's; separate q, k and v stay separate."""
    return translated(key, _TO_TIMM)


def from_authors(key: str, network: Network = "student") -> str | None:
    """Translate a name in the S4Former authors' checkpoint into the one in `ViTSegmenter`'s state dict.

    Args:
        key: A parameter or buffer, as ``decode_head.conv_seg.weight``.
        network: Whose it should be; the authors keep student and teacher (``*_ema``) in one checkpoint.

    Returns:
        Our name, or None if the tensor belongs to neither backbone nor heads of that network.
    """
    for pattern, prefix in _PARTS[network]:
        match = re.match(pattern, key)
        if match:
            rules = _TO_TIMM if prefix == "backbone." else _HEAD_TO_OURS
            return match.expand(prefix) + translated(key[match.end() :], rules)
    return None


def convert_authors_checkpoint(
    state: Mapping[str, Tensor], network: Network = "student"
) -> dict[str, Tensor]:
    """Translate a SETR checkpoint of the S4Former authors into a `ViTSegmenter` state dict.

    Fused projections have the same layout in both, so tensors stay as they are. The teacher has no auxiliary
    heads: load it into a segmenter after ``drop_auxiliary_heads()``.

    Raises:
        UserError: If the checkpoint holds nothing of that network.
    """
    names = {key: from_authors(key, network) for key in state}
    converted = {name: state[key] for key, name in names.items() if name is not None}
    if not converted:
        wanted = "backbone_ema.*, decode_head_ema.*" if network == "teacher" else "backbone.*, decode_head.*"
        raise UserError(
            f"this checkpoint holds no {network} in the authors' layout: expected keys {wanted}, found "
            f"{', '.join(list(state)[:4])}, ..."
        )
    return converted


def convert_dpt(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Translate a network of UniMatch V2's authors (``backbone.*``, ``head.*``) into a `ViTSegmenter`'s.

    Their backbone carries timm's names. Names that are ours already stay, and what no pass uses is left out.
    """
    return {dpt_name(key): value for key, value in state.items() if not _DPT_UNUSED.match(key)}


def dpt_name(key: str) -> str:
    """Translate one name of a tensor in UniMatch V2's network into ours."""
    inside = key.removeprefix("head.")
    return key if inside == key else "head." + translated(inside, _DPT_TO_OURS)


def _with_joined_parts(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Bring separate queries, keys and values into ``qkv``, and a gate and what it gates into ``fc1``."""
    joined = dict(state)
    for name in state:
        for pattern, (whole, parts) in _JOINED.items():
            match = re.search(pattern, name)
            names = [name.replace(parts[0], part) for part in parts]
            values = [state[part] for part in names if part in state]
            shapes = {(value.shape[1:], value.dtype) for value in values if value.ndim}
            if match and len(values) == len(parts) and len(shapes) == 1:
                joined[name[: match.start()] + match.expand(whole)] = torch.cat(values)
                for part in names:
                    del joined[part]
    return joined


def translated(key: str, rules: list[tuple[str, str]]) -> str:
    """Return a name after all rules, each a pattern and what takes its place, were applied in turn."""
    for pattern, replacement in rules:
        key = re.sub(pattern, replacement, key)
    return key
