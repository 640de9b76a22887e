"""Words for tensors: what a batch is, what a step returns, what a network can be asked.

Axes in shapes: ``b`` images, ``c`` channels, ``k`` classes, ``h w`` pixels, ``n`` tokens of one image,
``d`` feature width, ``gh gw`` patch grid.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from jaxtyping import Bool, Float, Integer
from torch import Tensor, device, nn

from s4former.types.attention import FactoredBias
from s4former.types.plain import DrawKey

Images = Float[Tensor, "b c h w"]  # channels (mostly RGB) in [0, 1]; the segmenter normalizes
Labels = Integer[Tensor, "b h w"]  # class index or IGNORE; one byte each until a loss reads them
Logits = Float[Tensor, "b k h w"]
Mask = Bool[Tensor, "b h w"]
AttentionBias = Float[Tensor, "b n n"] | FactoredBias  # [query, key]
Features = tuple[
    Tensor, ...
]  # one "b d gh gw" grid per block or stage that a head sees; they may differ in stride


@dataclass(frozen=True)
class LabeledBatch:
    """Images whose masks are known; ``valid`` is False on padding (where the label is IGNORE as well)."""

    images: Images
    labels: Labels
    valid: Mask


@dataclass(frozen=True)
class Context:
    """What lies around crops, for a network that is to label them and to see more than they show.

    Attributes:
        images: A window of each image, without padding; their sizes differ.
        places: Where each crop lies in its window, in pixels of the window: the row and the column of the
            crop's first corner, and the rows and columns from one pixel of the crop to the next. Columns
            count backwards where the crop is mirrored.
    """

    images: tuple[Float[Tensor, "1 c _ _"], ...]
    places: Float[Tensor, "b 4"]


@dataclass(frozen=True)
class UnlabeledBatch:
    """Views of the same crops: geometry is shared, so pixel (y, x) shows the same place in each view.

    Of a part of a batch there is no ``context``: pseudo-labels are given to the whole one.
    """

    weak: Images
    strong: tuple[Images, ...]
    valid: Mask
    context: Context | None = None


@dataclass(frozen=True)
class Batch:
    """All that one training step sees; ``unlabeled`` is None where a method asks for none or none exist."""

    labeled: LabeledBatch
    unlabeled: UnlabeledBatch | None
    key: DrawKey

    def to(self, target: device) -> Batch:
        """Return the same batch on another device; nobody waits for a copy that starts from pinned memory."""
        return self._each(lambda tensor: tensor.to(target, non_blocking=True))

    def pin_memory(self) -> Batch:
        """Return the same batch in memory that a GPU reads by itself."""
        return self._each(Tensor.pin_memory)

    def part(self, index: int, count: int) -> Batch:
        """Return part ``index`` of ``count`` equal parts.

        Raises:
            ValueError: If the batch does not divide by ``count``.
        """
        whole = self
        if self.unlabeled:
            whole = replace(self, unlabeled=replace(self.unlabeled, context=None))
        return whole._each(lambda tensor: part_of(tensor, index, count))

    def _each(self, change: Callable[[Tensor], Tensor]) -> Batch:
        labeled, unlabeled = self.labeled, self.unlabeled
        if unlabeled:
            context = unlabeled.context
            unlabeled = UnlabeledBatch(
                change(unlabeled.weak),
                tuple(map(change, unlabeled.strong)),
                change(unlabeled.valid),
                context and Context(tuple(map(change, context.images)), change(context.places)),
            )
        return Batch(
            LabeledBatch(change(labeled.images), change(labeled.labels), change(labeled.valid)),
            unlabeled,
            self.key,
        )


@dataclass(frozen=True)
class PseudoLabels:
    """What a network predicts for unlabeled images; each reason not to learn a pixel stays apart.

    Attributes:
        logits: Its logits, in float32.
        labels: The likeliest class of every pixel, padding included.
        confidence: That class's probability.
        valid: False on padding.
    """

    logits: Logits
    labels: Labels
    confidence: Float[Tensor, "b h w"]
    valid: Mask


@dataclass(frozen=True)
class StepOutput:
    """A loss, and named scalars to log, all still on the device.

    Of a batch that is given in parts, losses and scalars of the parts add up to those of the whole batch.
    """

    loss: Float[Tensor, ""]
    scalars: dict[str, Tensor]


def part_of(value: Tensor, index: int, count: int) -> Tensor:
    """Return part ``index`` of the ``count`` equal parts of a batch.

    Raises:
        ValueError: If the batch does not divide by ``count``.
    """
    if value.shape[0] % count:
        raise ValueError(f"a batch of {value.shape[0]} does not divide into {count} equal parts")
    size = value.shape[0] // count
    return value[index * size : (index + 1) * size]


class Segmenter(nn.Module, ABC):
    """A segmentation network as methods see it: call it, or encode, change something, and decode.

    Attributes:
        num_classes: Number of classes ``k`` of the logits.
        patch_size: Pixels per side of a patch; image sides given to `encode` must divide by it. Where grids
            differ in stride it is the coarsest one's, so that whole patches are whole cells of every grid.
        num_prefix_tokens: Class and register tokens that precede the patches in an attention bias.
    """

    num_classes: int
    patch_size: int
    num_prefix_tokens: int

    @abstractmethod
    def encode(self, images: Images, attention_bias: AttentionBias | None = None) -> Features:
        """Turn images into feature grids; the bias [query, key] of patches is added to attention scores."""

    @abstractmethod
    def decode(self, features: Features, size: tuple[int, int]) -> Logits:
        """Turn feature grids into logits of ``size`` (height, width)."""

    @abstractmethod
    def decode_auxiliary(self, features: Features, size: tuple[int, int]) -> tuple[Logits, ...]:
        """Logits of the auxiliary heads (none: an empty tuple); only the labeled loss asks for them."""

    @abstractmethod
    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Return the trainable parameters: those of ``backbone``, those of ``head``, and ``lora`` if any."""

    def backbone_layers(self) -> list[list[nn.Parameter]]:
        """Return the backbone's parameters by layers, from the input's on; here all as one."""
        return [self.parameter_groups()["backbone"]]

    def units(self) -> list[nn.Module]:
        """Return the modules in which all parameters lie, inner ones first, as blocks before their backbone.

        Processes can keep a share each of a unit's weights, which are whole only while the unit is called,
        and in the backward pass of what it returned, which nobody may change in place. By default there are
        none, and weights stay whole.
        """
        return []

    @abstractmethod
    def drop_auxiliary_heads(self) -> None:
        """Drop what only the labeled loss uses; teachers and deployed networks have none."""

    @abstractmethod
    def for_inference(self) -> tuple[Any, Mapping[str, Tensor]]:
        """Return the config and the tensors of the network without what only training uses."""

    def fit_positions(self, size: tuple[int, int]) -> None:
        """Resize position embeddings, if there are any, to images of a height and width once and for all."""

    @abstractmethod
    def forward(self, images: Images) -> Logits:
        """Logits at image size, for images of any size."""
