"""S4Former: a mean teacher with three ingredients made for vision transformers.

PatchShuffle permutes blocks of the student's input and restores the feature grid before the head; PASA pulls
the attention of unsure patches toward unsure patches; NCR matches the teacher's distribution over the classes
that a pixel is *not*.

Source: the released code of Hu, Jiang, Schiele, CVPR 2024, "Training Vision Transformers for Semi-Supervised
Semantic Segmentation": every loss, gradient, averaged weight and batch-norm
statistic of one step is equal, with ``as_released=True``, to the tolerances of ``tests/golden/test_step.py``.
**We differ** by default: the teacher's logits take part in CutMix, as its labels do (released: NCR compares
different pixels inside the box); padding teaches nothing; each image draws its own CutMix decision; and the
teacher starts as an exact copy of the student, head included. See ``docs/methods/s4former.md``.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from s4former.config.errors import UserError
from s4former.methods.base import TeacherConfig, TeacherMethod
from s4former.ops.attention import adaptive_bias, unconfidence
from s4former.ops.losses import cross_entropy, negative_class_ranking
from s4former.ops.mixing import cutmix_masks, mix
from s4former.ops.pseudo import confident_share
from s4former.ops.shuffle import Shuffle, blocks_for, restore_blocks, sample_shuffle, shuffle_blocks
from s4former.types import (
    Batch,
    DrawKey,
    Features,
    Images,
    Logits,
    Mask,
    Segmenter,
    StepOutput,
    UnlabeledBatch,
)


class S4FormerConfig(TeacherConfig):
    """PatchShuffle, PASA and NCR on a mean teacher with CutMix; the defaults are the published ones."""

    name: Literal["s4former"] = "s4former"
    """The method: this file's name."""

    cutmix_probability: float = Field(0.5, ge=0, le=1)
    """Probability that a strong view gets a box of the next one, labels included."""

    cutmix_per: Literal["image", "batch"] = "image"
    """Whether each image or the whole batch decides about CutMix."""

    patch_shuffle: bool = True
    """Permute blocks of the mixed strong view and restore the feature grid before the head."""

    shuffle_probability: float = Field(0.5, ge=0, le=1)
    """Probability that an image is shuffled."""

    shuffle_block: int = Field(8, ge=1)
    """Side of a block in patches: 8 patches of 16 pixels are blocks of 128 pixels."""

    pasa: bool = True
    """Add a student pass on the strong view with patch-adaptive self-attention."""

    pasa_weight: float = Field(5.0, ge=0)
    """Attention score that a patch without any confident pixel gains as a key."""

    pasa_toward: Literal["unconfident", "confident"] = "unconfident"
    """Which keys gain: those that the teacher is unsure of (authors' ViT) or sure of (authors' MiT)."""

    pasa_adaptive: bool = True
    """Leave the queries of the more confident half of the patches alone."""

    pasa_pass: Literal["own", "mixed"] = "own"
    """``own``: a student pass for PASA, as published. ``mixed``: bias the mixed pass and save that one."""

    ncr: bool = True
    """Match the teacher's distribution over the classes other than the pseudo-label."""

    ncr_weight: float = Field(0.5, ge=0)
    """Weight of the ranking loss among the unlabeled losses."""

    ncr_mode: Literal["l2", "kl"] = "l2"
    """Distance between the two distributions."""

    mix_teacher_logits: bool = True
    """Let the teacher's logits take part in CutMix, so that NCR compares the same pixels."""

    as_released: bool = False
    """Repeat the released step, quirks included: teacher logits not mixed, padding takes part in
    pseudo-labels, one CutMix decision a batch."""

    def build(self, student: Segmenter) -> S4Former:
        """Return the method that trains ``student``."""
        return S4Former(self, student)


class S4Former(TeacherMethod):
    """A student, the moving average of its weights, and S4Former's three parts."""

    config: S4FormerConfig

    def check(self, crop: tuple[int, int]) -> None:
        """Refuse crops that are no whole blocks of PatchShuffle."""
        try:
            if self.config.patch_shuffle:
                blocks_for(*crop, self.student.patch_size, self.config.shuffle_block)
        except ValueError as error:
            raise UserError(f"data.crop_size={list(crop)}: {error}") from None

    def forward(self, batch: Batch) -> StepOutput:
        """Draw this step's CutMix boxes and permutations, and return its loss."""
        unlabeled, key = batch.unlabeled, batch.key
        if unlabeled is None or self.too_early(key.step):
            supervised = self.labeled_loss(batch.labeled)
            return StepOutput(supervised, {"loss/supervised": supervised.detach()})
        return self.step(batch, self.draw_mask(unlabeled, key), self.draw_shuffle(unlabeled, key))

    def step(self, batch: Batch, keep: Mask, shuffle: Shuffle | None) -> StepOutput:
        """Return the loss for given draws: the whole training step.

        Args:
            batch: Labeled and unlabeled images; ``batch.unlabeled`` is not None.
            keep: CutMix masks, True where an image keeps its own pixels.
            shuffle: Block permutations of the mixed strong view, or None for no shuffling.
        """
        config, unlabeled = self.config, batch.unlabeled
        assert unlabeled is not None
        (strong,) = unlabeled.strong
        valid = torch.ones_like(unlabeled.valid) if config.as_released else unlabeled.valid

        supervised = self.labeled_loss(batch.labeled)
        weights = self.class_weights
        pseudo = self.teach(unlabeled.weak, valid)
        losses = {}

        sure = pseudo.confident | ~valid  # padding pulls no attention
        if config.pasa and config.pasa_pass == "own":
            attention = unconfidence(sure, self.student.patch_size)
            logits = self.see(strong, bias=self.attention_bias(attention))
            losses["pasa"] = 0.5 * cross_entropy(logits, pseudo.labels, config.unlabeled_divisor, weights)

        labels = mix(pseudo.labels, keep)
        bias = None
        if config.pasa and config.pasa_pass == "mixed":
            attention = unconfidence(mix(sure, keep), self.student.patch_size)
            bias = self.attention_bias(shuffled(attention, shuffle))
        logits = self.see(mix(strong, keep), shuffle, bias)
        # Two student passes share the weight of one, so switching PASA on or off keeps the sum.
        share = 0.5 if "pasa" in losses else 1.0
        losses["mixed"] = share * cross_entropy(logits, labels, config.unlabeled_divisor, weights)

        if config.ncr:
            aligned = config.mix_teacher_logits and not config.as_released
            target = mix(pseudo.logits, keep) if aligned else pseudo.logits
            ranking = negative_class_ranking(
                logits, target, labels, config.ncr_mode, config.unlabeled_divisor
            )
            losses["ncr"] = config.ncr_weight * ranking

        weight = self.unlabeled_weight(batch.key.step)
        scalars = {f"loss/{name}": weight * loss.detach() for name, loss in losses.items()}
        scalars |= {
            "loss/supervised": supervised.detach(),
            "pseudo/confident": confident_share(pseudo, valid),
        }
        return StepOutput(supervised + weight * sum(losses.values()), scalars)

    def see(
        self, images: Images, shuffle: Shuffle | None = None, bias: Float[Tensor, "b n n"] | None = None
    ) -> Logits:
        """Pass images through the student, shuffled on the way in and restored before the head."""
        size = (images.shape[-2], images.shape[-1])
        if shuffle is None:
            return self.student.decode(self.student.encode(images, bias), size)
        features: Features = self.student.encode(shuffle_blocks(images, shuffle), bias)
        return self.student.decode(tuple(restore_blocks(grid, shuffle) for grid in features), size)

    def attention_bias(self, attention: Float[Tensor, "b gh gw"]) -> Float[Tensor, "b n n"]:
        """Turn the share of unsure pixels in each patch into the bias of attention scores."""
        return adaptive_bias(
            attention,
            weight=self.config.pasa_weight,
            num_prefix_tokens=self.student.num_prefix_tokens,
            toward=self.config.pasa_toward,
            silence_confident=self.config.pasa_adaptive,
        )

    def draw_mask(self, unlabeled: UnlabeledBatch, key: DrawKey) -> Mask:
        """Draw the CutMix masks of a step."""
        per_batch = self.config.cutmix_per == "batch" or self.config.as_released
        count, height, width = unlabeled.valid.shape
        probability = self.config.cutmix_probability
        keep = cutmix_masks(key, "cutmix", count, height, width, probability, per_batch)
        return keep.to(unlabeled.valid.device)

    def draw_shuffle(self, unlabeled: UnlabeledBatch, key: DrawKey) -> Shuffle | None:
        """Draw the block permutations of a step."""
        if not self.config.patch_shuffle:
            return None
        count, height, width = unlabeled.valid.shape
        rows, cols = blocks_for(height, width, self.student.patch_size, self.config.shuffle_block)
        return sample_shuffle(key, "patch_shuffle", count, rows, cols, self.config.shuffle_probability)


def shuffled(attention: Float[Tensor, "b gh gw"], shuffle: Shuffle | None) -> Float[Tensor, "b gh gw"]:
    """Move patch values to where PatchShuffle moves their patches."""
    return attention if shuffle is None else shuffle_blocks(attention[:, None], shuffle)[:, 0]
