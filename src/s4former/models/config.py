"""What a network is, as data."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, PositiveInt, field_validator, model_validator

from s4former.config.base import Config
from s4former.config.validation import Variants
from s4former.models.backbones import BACKBONES, BackboneField
from s4former.models.heads import HEADS, HeadField

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
_MOST_SHOWN = 16
"""Numbers in the example of a message."""


class LoRAConfig(Config):
    """Changes of low rank to the attention of a backbone whose own weights are frozen."""

    rank: int = Field(0, ge=0)
    """Rank of the changes, as 8; 0: there are none, and the backbone's own weights learn."""
    alpha: float = Field(16.0, gt=0)
    """The changes count ``alpha / rank`` times."""


class ModelConfig(Config):
    """A vision transformer, and the heads that make logits of what its blocks or stages say."""

    variants: ClassVar[Variants] = {"backbone": BACKBONES, "head": HEADS}
    """Fields whose class follows their ``name``, for overrides."""

    backbone: BackboneField = Field(default_factory=lambda: BACKBONES.parse("vit_small_patch14_dinov2"))
    """A vision transformer of timm by its name; ``mit_b0`` to ``mit_b5``; ``vit`` or ``mit`` with sizes of
    their own; or the import path of a file of yours."""

    channels: PositiveInt = 3
    """Channels of an image. Pretrained patch embeddings, made for three, are adapted to other numbers."""

    pretrained: str = "none"
    """Where the backbone's weights come from: a file, a run or another folder with weights, ``hub`` (timm's
    own for that name; there are none of a MiT, which takes a file) or ``none``."""

    pretrained_part: str | None = None
    """Of a file with several transformers, the one to take, by the names around it, as ``teacher.backbone``;
    ``.`` is the one whose names begin at the top."""

    strict_weights: bool = True
    """Stop if a weight file lacks a tensor of the backbone or holds one it doesn't know."""

    head: HeadField = Field(default_factory=lambda: HEADS.parse("setr_pup"))
    """What makes logits: ``setr_pup``, ``setr_naive``, ``dpt``, ``linear``, ``segformer`` or
    ``segformer_conv``, or the import path of a file of yours."""

    auxiliary_heads: tuple[HeadField, ...] = ()
    """Further heads, which only the labeled loss sees."""

    frozen_blocks: Annotated[int, Field(ge=0)] | Literal["all"] = 0
    """If above 0, so many first blocks, and what comes before them, keep their weights and build no graph;
    ``all``: the whole backbone does, and heads learn at ``optimizer.probe_lr``."""

    lora: LoRAConfig = LoRAConfig()
    """LoRA (``lora.rank=8``): the backbone's own weights are frozen, and attention learns changes of low rank
    at the rate of heads. They are merged into the weights of the network that is saved."""

    recompute_activations: Literal["none", "heads", "all"] = "none"
    """What is computed again in the backward pass instead of kept: nothing, the heads, or the heads and the
    trained blocks. Less memory for more time, about a fifth for ``all``."""

    mean: tuple[float, ...] = IMAGENET_MEAN
    """Mean of each channel (red, green, blue), in [0, 1], that the backbone was trained with."""

    std: tuple[float, ...] = IMAGENET_STD
    """Standard deviation of each channel that the backbone was trained with."""

    @field_validator("pretrained", mode="before")
    @classmethod
    def _nothing_is_none(cls, value: Any) -> Any:
        """Take ``null``, as YAML and mmsegmentation's users write it, for ``none``."""
        return "none" if value is None else value

    @model_validator(mode="after")
    def _part_of_a_file(self) -> Self:
        if self.pretrained_part is not None and self.pretrained in ("none", "hub"):
            raise ValueError(
                f"pretrained_part chooses among the networks in a file, but pretrained={self.pretrained}; "
                "give pretrained a file, or drop pretrained_part"
            )
        return self

    @model_validator(mode="after")
    def _one_number_a_channel(self) -> Self:
        for field in ("mean", "std"):
            given = getattr(self, field)
            if len(given) != self.channels:
                usual = given or type(self).model_fields[field].default
                number = round(sum(usual) / len(usual), 3)
                shown = [str(number)] * min(self.channels, _MOST_SHOWN)
                like = f"[{','.join(shown)}{',...' if self.channels > len(shown) else ''}]"
                raise ValueError(
                    f"{field} needs one number a channel: got {len(given)} for channels={self.channels}; "
                    f"set it to the statistics of your images, as {field}={like}"
                )
        if min(self.std) <= 0:
            raise ValueError(f"std must be above 0, got {list(self.std)}")
        return self
