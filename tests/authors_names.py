"""Our tensors by the names that S4Former's authors gave them, for checkpoints as their code writes them."""

from __future__ import annotations

import re

_RULES = (
    (r"^backbone\.blocks\.", "backbone.layers."),
    (r"\.norm([12])\.", r".ln\1."),
    (r"\.attn\.qkv\.", ".attn.attn.in_proj_"),
    (r"\.attn\.proj\.", ".attn.attn.out_proj."),
    (r"\.mlp\.fc1\.", ".ffn.layers.0.0."),
    (r"\.mlp\.fc2\.", ".ffn.layers.1."),
    (r"^backbone\.patch_embed\.proj\.", "backbone.patch_embed.projection."),
    (r"stages\.(\d+)\.conv\.", r"up_convs.\1.0.conv."),
    (r"stages\.(\d+)\.norm\.", r"up_convs.\1.0.bn."),
    (r"classifier\.", "conv_seg."),
    (r"^auxiliary_heads\.", "auxiliary_head."),
    (r"^head\.", "decode_head."),
)


def to_authors(name: str) -> str:
    """Return the authors' name of a tensor of a SETR network."""
    for ours, theirs in _RULES:
        name = re.sub(ours, theirs, name)
    return name
