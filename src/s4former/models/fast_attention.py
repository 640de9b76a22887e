"""Attention of few tokens in bfloat16 on a CPU, as plain products."""

from __future__ import annotations

from timm.layers.attention import Attention
from torch import Tensor

from s4former.models.fast_linear import in_bfloat16_on_cpu

# Up to so many tokens (37 x 37 patches) the scores of all pairs are written out: 24 MB an image in ViT-S.
_FEW_TOKENS = 1400


class FastAttention(Attention):
    """timm's attention, without PyTorch's fused kernel where that is slow.

    In bfloat16 on a CPU the fused kernel takes more than twice as long as two products and a softmax, forward
    and backward together (docs/speed.md).
    """

    def forward(self, x: Tensor, attn_mask: Tensor | None = None, is_causal: bool = False) -> Tensor:
        """Return what attention gathers for each token."""
        # In this order, as a graph for export leaves the number of tokens open.
        self.fused_attn = not (in_bfloat16_on_cpu(x) and x.shape[1] <= _FEW_TOKENS)  # type: ignore[misc]
        gathered: Tensor = super().forward(x, attn_mask, is_causal)
        return gathered
