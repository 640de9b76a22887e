"""Names of a MiT's tensors in different code bases, and translation into the official ones: ours."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from s4former.config.errors import UserError
from s4former.models.keys import translated

MiTStyle = Literal["official", "mmseg", "hf"]

_WRAPPERS = re.compile(r"^(module\.)?(backbone\.|segformer\.)?")
MIT_TELLTALES: dict[MiTStyle, str] = {
    "official": r"patch_embed1\.proj\.weight",
    "mmseg": r"layers\.0\.0\.projection\.weight",
    # As the files on the hub have it, or as transformers 5 names its own parameters.
    "hf": r"(encoder\.patch_embeddings\.0|stages\.0\.patch_embeddings)\.proj\.weight",
}


def _of_each_stage(*rules: tuple[str, str]) -> list[tuple[str, str]]:
    """Write rules out for the stages: the official names count them from 1 (N), the others from 0 (S)."""

    def numbered(text: str, stage: int) -> str:
        return text.replace("S", str(stage)).replace("N", str(stage + 1))

    return [(numbered(old, stage), numbered(new, stage)) for stage in range(4) for old, new in rules]


# Applied in turn to names without wrappers.
_RULES: dict[MiTStyle, list[tuple[str, str]]] = {
    "official": [],
    "mmseg": [
        *_of_each_stage(
            (r"^layers\.S\.0\.", "patch_embedN."),
            (r"^layers\.S\.1\.", "blockN."),
            (r"^layers\.S\.2\.", "normN."),
        ),
        (r"\.projection\.", ".proj."),
        (r"\.attn\.attn\.out_proj\.", ".attn.proj."),
        (r"\.ffn\.layers\.0\.", ".mlp.fc1."),
        (r"\.ffn\.layers\.1\.", ".mlp.dwconv.dwconv."),
        (r"\.ffn\.layers\.4\.", ".mlp.fc2."),
    ],
    "hf": [
        (r"^encoder\.patch_embeddings\.(\d)\.", r"stages.\1.patch_embeddings."),
        (r"^encoder\.block\.(\d)\.", r"stages.\1.blocks."),
        (r"^encoder\.layer_norm\.(\d)\.", r"stages.\1.layer_norm."),
        *_of_each_stage(
            (r"^stages\.S\.patch_embeddings\.layer_norm\.", "patch_embedN.norm."),
            (r"^stages\.S\.patch_embeddings\.", "patch_embedN."),
            (r"^stages\.S\.blocks\.", "blockN."),
            (r"^stages\.S\.layer_norm\.", "normN."),
        ),
        (r"\.(layer_norm_1|layernorm_before)\.", ".norm1."),
        (r"\.(layer_norm_2|layernorm_after)\.", ".norm2."),
        (r"\.attention\.(self\.sr|sequence_reduction\.sequence_reduction)\.", ".attn.sr."),
        (r"\.attention\.(self|sequence_reduction)\.layer_norm\.", ".attn.norm."),
        (r"\.attention\.(self\.query|q_proj)\.", ".attn.q."),
        (r"\.attention\.(self\.key|k_proj)\.", ".attn.k."),
        (r"\.attention\.(self\.value|v_proj)\.", ".attn.v."),
        (r"\.attention\.(output\.dense|o_proj)\.", ".attn.proj."),
        (r"\.mlp\.dense([12])\.", r".mlp.fc\1."),
    ],
}

# Classifiers and heads, which are no part of an encoder.
_NOT_ENCODER = re.compile(r"^(decode_head|auxiliary_head|head|classifier)\.")

# Names of SegFormer's heads: the authors', those of files on the hub, those of transformers 5, and mmseg's.
_HEAD_TO_OURS = [
    *_of_each_stage((r"^linear_cN\.proj\.", "projections.S.")),
    (r"^(linear_c|linear_projections)\.(\d)\.proj\.", r"projections.\2."),
    (r"^(linear_fuse\.bn|batch_norm)\.", "norm."),
    (r"^linear_fuse\.(conv\.)?", "fuse."),
    (r"^linear_pred\.", "classifier."),
    (r"^convs\.(\d)\.conv\.", r"convs.\1."),
    (r"^convs\.(\d)\.bn\.", r"norms.\1."),
    (r"^fusion_conv\.conv\.", "fuse."),
    (r"^fusion_conv\.bn\.", "norm."),
]


def mit_style(state: Mapping[str, Tensor]) -> MiTStyle | None:
    """Return whose names the tensors of a MiT carry, or None if this is no MiT that we know."""
    names = {_unwrapped(key) for key in state}
    for style, pattern in MIT_TELLTALES.items():
        if any(re.fullmatch(pattern, name) for name in names):
            return style
    return None


def to_mit(state: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
    """Translate the encoder in a checkpoint into the official names, or return None if there is no MiT.

    Read are the authors' ``mit_b*.pth`` and ``segformer.b*.pth``, mmseg's MiT and whole networks with one,
    and ``nvidia/mit-b*`` and ``nvidia/segformer-b*`` of Hugging Face. Separate or packed projections of
    queries, keys and values become the official ``q`` and ``kv``. Heads are dropped; unknown names
    stay, for the caller to complain of.
    """
    style = mit_style(state)
    if style is None:
        return None
    # In a whole network, what lies outside of its backbone is none of ours.
    whole = [key for key in state if re.match(r"(module\.)?backbone\.", key)]
    entries = {_unwrapped(key): state[key] for key in whole or state}
    return _with_joined_projections(
        {
            translated(name, _RULES[style]): value
            for name, value in entries.items()
            if not _NOT_ENCODER.match(name)
        }
    )


def to_segformer(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Translate a whole trained SegFormer into a `ViTSegmenter`'s state.

    Of its authors and of Hugging Face it has the head ``segformer``, of mmseg and the S4Former release
    ``segformer_conv``.

    Raises:
        UserError: If it is not one.
    """
    encoder = to_mit(state)
    heads = {key.partition("decode_head.")[2]: value for key, value in state.items() if "decode_head." in key}
    if any(name.startswith("convs.") for name in heads):
        heads = {name.replace("conv_seg.", "classifier."): value for name, value in heads.items()}
    # A class of mmseg's that the authors' head inherits brings along a classifier that nothing uses.
    own = {
        translated(name, _HEAD_TO_OURS): value
        for name, value in heads.items()
        if not name.startswith("conv_seg.")
    }
    if encoder is None or "fuse.weight" not in own:
        raise UserError(
            "this checkpoint holds no SegFormer: expected patch_embed1.* or encoder.patch_embeddings.* and "
            f"decode_head.linear_fuse.* or decode_head.fusion_conv.*, found {', '.join(list(state)[:4])}, ..."
        )
    parts = {"backbone": encoder, "head": own}
    return {f"{part}.{name}": value for part, entries in parts.items() for name, value in entries.items()}


def _unwrapped(key: str) -> str:
    return _WRAPPERS.sub("", key)


def _with_joined_projections(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Bring queries, keys and values into ``q`` and ``kv``, and 1x1 convolutions into matrices."""
    joined: dict[str, Tensor] = {}
    for name, value in state.items():
        stem, _, last = name.rpartition(".")
        packed = re.fullmatch(r"(.*\.attn)\.attn\.in_proj_(weight|bias)", name)
        if packed:
            query, key, content = value.chunk(3)
            joined[f"{packed[1]}.q.{packed[2]}"] = query
            joined[f"{packed[1]}.kv.{packed[2]}"] = torch.cat([key, content])
        elif stem.endswith(".attn.k") and f"{stem[:-1]}v.{last}" in state:
            joined[f"{stem}v.{last}"] = torch.cat([value, state[f"{stem[:-1]}v.{last}"]])
        elif stem.endswith(".attn.v") and f"{stem[:-1]}k.{last}" in state:
            continue
        elif re.search(r"\.mlp\.fc[12]\.weight$", name) and value.ndim == 4:
            joined[name] = value.flatten(1)
        else:
            joined[name] = value
    return joined
