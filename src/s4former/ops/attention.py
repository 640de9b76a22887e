"""PASA, patch-adaptive self-attention: an additive attention bias from where a teacher is unsure."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from s4former.types import FactoredBias


def uncertain_share(uncertain: Bool[Tensor, "b h w"], patch: int) -> Float[Tensor, "b gh gw"]:
    """Return the share of uncertain pixels in each patch.

    Raises:
        ValueError: If a side of the mask is not a multiple of the patch.
    """
    height, width = uncertain.shape[-2:]
    if height % patch or width % patch:
        raise ValueError(
            f"sides of the mask of uncertain pixels must be multiples of the patch ({patch}), got "
            f"{height} x {width}"
        )
    return F.avg_pool2d(uncertain.float(), patch)


def adaptive_bias(
    uncertainty: Float[Tensor, "b gh gw"],
    weight: float,
    num_prefix_tokens: int,
    bias_keys: Literal["uncertain", "confident"] = "uncertain",
    uncertain_queries_only: bool = True,
) -> FactoredBias:
    """Build the [query, key] bias that is added to the scaled attention scores before their softmax.

    Every query is pulled toward some patches (keys), but the queries of the more confident half of the
    patches are left alone. Prefix tokens (class, registers) attract no query, and their own queries are
    always pulled.

    Args:
        uncertainty: Share of uncertain pixels per patch, in [0, 1].
        weight: Bias of a key at the far end; the published value is 5.
        num_prefix_tokens: Tokens that come before the patches.
        bias_keys: Which keys get the larger bias: ``weight * uncertainty`` (as released for ViTs) or
            ``weight * (1 - uncertainty)`` (as released for SegFormer).
        uncertain_queries_only: Whether the rows of the floor(N/2) of N patches with the lowest uncertainty
            are 0. It is a choice by rank; of equally confident patches it is the earlier ones, row by row.

    Source:
        S4Former, PASA (golden ``pasa`` ``vit.*``, exact). **We differ:** ties, which the released code
        leaves to chance, follow the rule above.
    """
    unsure = uncertainty.float().flatten(1)
    keys = weight * (unsure if bias_keys == "uncertain" else 1 - unsure)
    queries = torch.ones_like(unsure)
    if uncertain_queries_only:
        silent = unsure.argsort(dim=1, stable=True)[:, : unsure.shape[1] // 2]
        queries = queries.scatter(1, silent, 0)
    queries = F.pad(queries, (num_prefix_tokens, 0), value=1.0)
    return FactoredBias(queries[..., None], F.pad(keys, (num_prefix_tokens, 0))[..., None])
