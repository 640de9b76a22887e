"""Names of the same tensor in different code bases, and translation into ours (timm's, for backbones)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from torch import Tensor

from s4former.config.errors import UserError

KeyStyle = Literal["timm", "mmcls", "mmseg"]

_ATTENTION_KEYS: dict[KeyStyle, str] = {
    "timm": r"blocks\.\d+\.attn\.qkv\.weight",
    "mmcls": r"layers\.\d+\.attn\.qkv\.weight",
    # mmseg's ViT, and so what the S4Former authors' instructions turn mmcls weights into.
    "mmseg": r"layers\.\d+\.attn\.attn\.in_proj_weight",
}

# Applied in turn; timm's own names come through unchanged, but for the final norm of models that pool first.
_TO_TIMM = [
    (r"^layers\.(\d+)\.", r"blocks.\1."),
    (r"^ln1\.", "norm."),
    (r"^fc_norm\.", "norm."),
    (r"\.ln([12])\.", r".norm\1."),
    (r"\.attn\.attn\.in_proj_", ".attn.qkv."),
    (r"\.attn\.attn\.out_proj\.", ".attn.proj."),
    (r"\.ffn\.layers\.0\.0\.", ".mlp.fc1."),
    (r"\.ffn\.layers\.1\.", ".mlp.fc2."),
    (r"^patch_embed\.projection\.", "patch_embed.proj."),
]

_HEAD_TO_OURS = [
    (r"^up_convs\.(\d+)\.0\.conv\.", r"stages.\1.conv."),
    (r"^up_convs\.(\d+)\.0\.bn\.", r"stages.\1.norm."),
    (r"^conv_seg\.", "classifier."),
]

Network = Literal["student", "teacher"]

_PARTS: dict[Network, list[tuple[str, str]]] = {
    "student": [
        (r"^backbone\.", "backbone."),
        (r"^decode_head\.", "head."),
        (r"^auxiliary_head\.(\d+)\.", r"auxiliary_heads.\1."),
    ],
    "teacher": [(r"^backbone_ema\.", "backbone."), (r"^decode_head_ema\.", "head.")],
}


def backbone_entries(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of the backbone alone, without the prefixes of wrappers.

    A checkpoint with ``backbone.`` keys is of a whole network, and its other keys are none of the backbone's.
    """
    state = {key.removeprefix("module."): value for key, value in state.items()}
    own = {
        key.removeprefix("backbone."): value for key, value in state.items() if key.startswith("backbone.")
    }
    return own or state


def key_style(state: Mapping[str, Tensor]) -> KeyStyle | None:
    """Return whose names the backbone's tensors carry, or None if nobody's that we know."""
    for style, pattern in _ATTENTION_KEYS.items():
        if any(re.fullmatch(pattern, key) for key in state):
            return style
    return None


def to_timm(key: str) -> str:
    """Translate one name of a backbone's tensor into timm's."""
    return _translate(key, _TO_TIMM)


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
            return match.expand(prefix) + _translate(key[match.end() :], rules)
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


def _translate(key: str, rules: list[tuple[str, str]]) -> str:
    for pattern, replacement in rules:
        key = re.sub(pattern, replacement, key)
    return key
