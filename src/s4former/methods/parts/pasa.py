"""PASA, patch-adaptive self-attention: unsure patches look at unsure patches."""

from __future__ import annotations

from s4former.methods.configs.parts import PASAConfig
from s4former.methods.parts.perturbation import Perturbation
from s4former.methods.parts.view import View
from s4former.ops.attention import adaptive_bias, uncertain_share
from s4former.types import FactoredBias


class PASA(Perturbation):
    """Adds to attention scores by how unsure the teacher is of each patch.

    Source:
        S4Former, PASA; see `ops.attention.adaptive_bias`.
    """

    def __init__(self, config: PASAConfig, patch_size: int, num_prefix_tokens: int) -> None:
        super().__init__()
        self.config, self.patch_size, self.num_prefix_tokens = config, patch_size, num_prefix_tokens

    def bias(self, view: View) -> FactoredBias:
        """Return the bias of a view, wherever its patches were moved."""
        return adaptive_bias(
            uncertain_share(view.uncertain, self.patch_size),
            weight=self.config.pasa_weight,
            num_prefix_tokens=self.num_prefix_tokens,
            bias_keys=self.config.pasa_bias_keys,
            uncertain_queries_only=self.config.pasa_uncertain_queries_only,
        )
