"""S4Former's three parts together, as switches that any method with pseudo-labels can have."""

from __future__ import annotations

from collections import Counter

from jaxtyping import Float
from torch import Tensor

from s4former.methods.configs.parts import RankingConfig, ViTPartsConfig
from s4former.methods.parts.pasa import PASA
from s4former.methods.parts.patch_shuffle import PatchShuffle
from s4former.methods.parts.perturbation import Perturbation, Perturbations
from s4former.methods.parts.view import View
from s4former.ops.losses import cross_entropy, negative_class_ranking
from s4former.types import Logits, Segmenter


def vit_perturbations(config: ViTPartsConfig, student: Segmenter) -> Perturbations:
    """Return the perturbations that are switched on, in the order in which they act."""
    parts = Perturbations()
    if config.patch_shuffle:
        parts.append(PatchShuffle(config, student.patch_size))
    if config.pasa:
        parts.append(PASA(config, student.patch_size, student.num_prefix_tokens))
    kinds = Counter[type[Perturbation]]()
    for part in (each.build(student) for each in config.perturb):
        part.repetition = kinds[type(part)]
        kinds[type(part)] += 1
        parts.append(part)
    return parts


def unlabeled_losses(
    config: RankingConfig, logits: Logits, view: View, class_weights: Float[Tensor, " k"] | None
) -> dict[str, Float[Tensor, ""]]:
    """Return the cross entropy of a view and, if it is on, the weighted ranking loss of its pseudo-labels."""
    losses = {"consistency": cross_entropy(logits, view.labels, view.pixels, class_weights)}
    if config.ranks:
        assert view.teacher_logits is not None
        ranking = negative_class_ranking(
            logits, view.teacher_logits, view.pseudo_labels, view.pixels, config.ncr_mode
        )
        losses["ncr"] = config.ncr_weight * ranking
    return losses
