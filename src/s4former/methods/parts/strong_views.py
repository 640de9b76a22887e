"""Strong views of unlabeled images: what methods share that learn pseudo-labels from weak to strong."""

from __future__ import annotations

from collections.abc import Mapping

from jaxtyping import Float
from torch import Tensor, nn

from s4former.methods.configs.parts import StrongViewsConfig
from s4former.methods.parts.confident_pixels import ConfidentPixels
from s4former.methods.parts.cutmix import CutMix
from s4former.methods.parts.perturbation import perturbed
from s4former.methods.parts.pseudo_labels import view_of
from s4former.methods.parts.view import View
from s4former.methods.parts.vit_parts import unlabeled_losses, vit_perturbations
from s4former.ops.pseudo import share_of
from s4former.types import DrawKey, Images, PseudoLabels, Segmenter, UnlabeledBatch


class StrongViews(nn.Module):
    """Mixes the strong views of a whole batch, each with boxes of its own, and learns them perturbed."""

    def __init__(self, config: StrongViewsConfig, student: Segmenter) -> None:
        super().__init__()
        self.config = config
        self.confident_pixels = ConfidentPixels(config, student.num_classes)
        self.cutmix = CutMix(config, config.unlabeled_normalize_by)
        self.perturbations = vit_perturbations(config, student)

    def forward(
        self,
        unlabeled: UnlabeledBatch,
        pseudo: PseudoLabels,
        key: DrawKey,
        unmixed: Mapping[str, Images] | None = None,
    ) -> tuple[dict[str, View], dict[str, Tensor]]:
        """Return views by name, and scalars to log of what they were made of.

        Args:
            unlabeled: The batch. Of one strong view the name is ``strong``, of several ``strong_1``, ...
            pseudo: What is learned on them.
            key: Seed and step of the draws.
            unmixed: Other images of the same geometry by name: views that are not mixed.
        """
        config, confident = self.config, self.confident_pixels(pseudo)
        strong = unlabeled.strong[: len(config.views.strong)]
        names = [f"strong{_suffix(number, len(strong))}" for number in range(len(strong))]
        given = dict(zip(names, strong, strict=True)) | dict(unmixed or {})
        views = {
            name: view_of(images, pseudo, confident, config, key, with_logits=config.ranks, number=number)
            for number, (name, images) in enumerate(given.items())
        }
        views |= {name: self.cutmix(views[name]) for name in names}
        return views, {"pseudo/confident": share_of(confident, pseudo.valid)}

    def losses(
        self, student: Segmenter, views: Mapping[str, View], class_weights: Float[Tensor, " k"] | None
    ) -> dict[str, Float[Tensor, ""]]:
        """Return the losses of a student's passes over the strong views among ``views``, by name."""
        losses, strong = {}, [view for name, view in views.items() if name.startswith("strong")]
        for view in strong:
            logits = perturbed(student, view, self.perturbations)
            for name, loss in unlabeled_losses(self.config, logits, view, class_weights).items():
                losses[f"{name}{_suffix(view.number, len(strong))}"] = loss / len(strong)
        return losses


def _suffix(number: int, count: int) -> str:
    return f"_{number + 1}" if count > 1 else ""
