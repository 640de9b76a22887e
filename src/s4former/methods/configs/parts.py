"""The configs of parts; a method has their fields by deriving from them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from s4former.augment import Views
from s4former.config.base import Config
from s4former.methods.configs.perturbation import PerturbationField
from s4former.ops.schedules import ramp


class UnlabeledScheduleConfig(Config):
    """When unlabeled images begin to count, and how their weight rises."""

    unlabeled_weight: float = Field(1.0, ge=0)
    """Weight of all unlabeled losses together."""

    unlabeled_start_step: int = Field(0, ge=0)
    """Steps that learn from the labeled images alone before; they cost what supervised steps cost."""

    unlabeled_ramp_steps: int = Field(0, ge=0)
    """Steps over which that weight then rises linearly from 0."""

    average_losses: bool = False
    """Divide the sum of the labeled loss and the weighted unlabeled ones by the sum of their weights, 1 and
    ``unlabeled_weight``, as UniMatch does: AdamW hardly sees the difference, SGD does."""

    @property
    def least_steps(self) -> int:
        """One more than those that learn from the labeled images alone."""
        return self.unlabeled_start_step + 1

    def without_unlabeled(self, step: int) -> bool:
        """Whether a step learns from labeled images alone: before the start, or where the others weigh 0."""
        return step < self.unlabeled_start_step or self.loss_weights(step)[1] == 0

    def reads_unlabeled(self, step: int) -> bool:
        """Whether a step looks at unlabeled images: one that learns nothing from them does not."""
        return not self.without_unlabeled(step)

    def loss_weights(self, step: int) -> tuple[float, float]:
        """Return the weights of the labeled loss and of the unlabeled ones in a step."""
        weight = self.unlabeled_weight * ramp(step - self.unlabeled_start_step, self.unlabeled_ramp_steps)
        whole = 1 + weight if self.average_losses else 1.0
        return 1 / whole, weight / whole


class PseudoLabelConfig(Config):
    """Which pseudo-labels are learned, and what their losses are divided by."""

    confidence_threshold: float = Field(0.95, ge=0, le=1)
    """A pixel is learned from where the largest class probability is at least this."""

    class_share: float = Field(0.0, ge=0, le=1)
    """Lower the threshold of each class until this share of its pixels is learned, the surest ones; 0: one
    threshold for all classes."""

    unlabeled_normalize_by: Literal["all", "unpadded", "labeled"] = "all"
    """What unlabeled losses are divided by: ``all`` pixels, those that are not padding, or only those with a
    pseudo-label."""


class CutMixConfig(Config):
    """How often images are mixed, and how."""

    cutmix_probability: float = Field(0.5, ge=0, le=1)
    """Probability that a strong view gets a box of another one, labels included."""

    cutmix_per: Literal["image", "batch"] = "image"
    """Whether each image or the whole batch decides about CutMix."""

    cutmix_box: Literal["half", "small"] = "half"
    """``half``: boxes of half of the image, as S4Former has them; ``small``: of 2 to 40 %, as UniMatch."""

    cutmix_partner: Literal["next", "reversed"] = "next"
    """Whose box an image gets: that of the ``next`` image, or of the one at its place in the ``reversed``
    batch, as UniMatch V2."""


class ClassMixConfig(Config):
    """How often classes of labeled images are pasted."""

    class_mix_probability: float = Field(0.0, ge=0, le=1)
    """Probability that half of the classes of a labeled crop are pasted onto a strong view, with labels."""


class EMATeacherConfig(Config):
    """How slowly the teacher follows."""

    ema_decay: float = Field(0.999, ge=0, lt=1)
    """Share of its old self that the teacher keeps in each step."""

    ema_warmup_steps: int = Field(0, ge=0)
    """Steps over which the decay rises from 0 to ``ema_decay``; 0 uses it from the first step."""


class ScheduledTeacherConfig(UnlabeledScheduleConfig, EMATeacherConfig):
    """A teacher whose labels may begin to count after some steps."""

    teacher_starts: Literal["averaged", "copy_at_start"] = "averaged"
    """What the teacher is when unlabeled images begin to count: ``averaged`` over all steps before, or a
    ``copy_at_start`` of the student as it is then, from where it averages anew, warm-up included."""


class PatchShuffleConfig(Config):
    """Whether and how PatchShuffle perturbs the student's pass."""

    patch_shuffle: bool = False
    """Permute blocks of the strong view and restore the feature grid before the head (PatchShuffle)."""

    shuffle_probability: float = Field(0.5, ge=0, le=1)
    """Probability that an image is shuffled."""

    shuffle_block: int = Field(8, ge=1)
    """Side of a block in patches: 8 patches of 16 pixels are blocks of 128 pixels."""


class PASAConfig(Config):
    """Whether and how PASA biases the student's attention."""

    pasa: bool = False
    """Bias attention toward patches that the teacher is unsure of (PASA)."""

    pasa_weight: float = Field(5.0, ge=0)
    """Attention score that a patch without any confident pixel gains as a key."""

    pasa_bias_keys: Literal["uncertain", "confident"] = "uncertain"
    """Which keys gain: those that the teacher is unsure of (authors' ViT) or sure of (authors' MiT)."""

    pasa_uncertain_queries_only: bool = True
    """Leave the queries of the more confident half of the patches alone."""


class RankingConfig(Config):
    """Whether and how the classes that a pixel is *not* are learned from."""

    ncr: bool = False
    """Match the teacher's distribution over the classes other than the pseudo-label (NCR)."""

    ncr_weight: float = Field(0.5, ge=0)
    """Weight of the ranking loss among the unlabeled losses."""

    ncr_mode: Literal["l2", "kl"] = "l2"
    """Distance between the two distributions."""

    @property
    def ranks(self) -> bool:
        """Whether the ranking loss counts, so that somebody has to compute it."""
        return self.ncr and self.ncr_weight > 0


class ViTPartsConfig(PatchShuffleConfig, PASAConfig, RankingConfig):
    """PatchShuffle, PASA and NCR, each a switch, and further perturbations by name."""

    perturb: tuple[PerturbationField, ...] = ()
    """Further perturbations of the student's pass over the (mixed) strong view, in the order in which they
    act: names as ``channel_dropout``, or import paths of files of your own."""


class StrongViewsConfig(UnlabeledScheduleConfig, PseudoLabelConfig, CutMixConfig, ViTPartsConfig):
    """What methods share that learn pseudo-labels on strong views."""

    views: Views = Views()
    """A weak view to label, and the strong views to learn: several share the weight of one."""


class TwoStrongViewsConfig(StrongViewsConfig):
    """The same for UniMatch and its like, which are about several strong views; defaults as published."""

    views: Views = Views.model_validate({"labeled": "identity", "strong": ["jitter", "jitter"]})
    """A weak view to label, and two strong views to learn; a single policy is taken for both."""
    labeled_normalize_by: Literal["all", "labeled"] = "labeled"
    """What the labeled loss is divided by: ``all`` pixels, or only those with a label, as published."""
    unlabeled_normalize_by: Literal["all", "unpadded", "labeled"] = "unpadded"
    """What unlabeled losses are divided by: ``all`` pixels, those that are not padding, as published, or only
    those with a pseudo-label."""
    average_losses: bool = True
    """Divide the sum of the labeled loss and the weighted unlabeled ones by the sum of their weights, 1 and
    ``unlabeled_weight``, as published: AdamW hardly sees the difference, SGD does."""
    cutmix_box: Literal["half", "small"] = "small"
    """``half``: boxes of half of the image, as S4Former has them; ``small``: of 2 to 40 %, as published."""

    @field_validator("views")
    @classmethod
    def _two(cls, views: Views) -> Views:
        """Another method's recipe has one strong view: a pair of it is what was meant."""
        return views if len(views.strong) > 1 else views.model_copy(update={"strong": views.strong * 2})
