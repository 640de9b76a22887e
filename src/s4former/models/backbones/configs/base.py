"""What all backbones are as data, and how one is chosen by its name."""

from __future__ import annotations

import importlib.util
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, SerializeAsAny

from s4former.config.base import Config
from s4former.config.errors import UserError
from s4former.config.listed import Listed

if TYPE_CHECKING:
    from s4former.models.backbones.base import Backbone


class BackboneConfig(Config, ABC):
    """Which backbone, and its sizes. The config lives in the file of its class."""

    name: str
    """The backbone: the name of a file in ``models/backbones/``, a model of timm, or the import path of a
    file of your own."""

    published: ClassVar[tuple[str, ...]] = ()
    """Further names that the file answers to, as those of published sizes."""

    @abstractmethod
    def build(self, channels: int) -> Backbone:
        """Return the backbone with random weights, for images of so many channels.

        Raises:
            UserError: If there is none of that name.
        """

    def with_final_norm(self) -> Self:
        """Return the config for a head that wants normalized grids; as it is where grids always are."""
        return self

    def hub_name(self) -> str:
        """Return the name under which timm publishes weights.

        Raises:
            UserError: If it does not.
        """
        raise UserError(
            f"the hub has no weights of {self.name!r} (model.backbone); give model.pretrained a file, "
            "or `none`"
        )


class _Backbones(Listed[BackboneConfig]):
    """All backbones by name; those of timm have one file together."""

    def config_class(self, name: str) -> type[BackboneConfig]:
        """Return the config class for a name: a file's own, one that a file answers to, or that for timm.

        Raises:
            ValueError: If a file of that name cannot be had.
        """
        if name in (files := self.names()):
            return super().config_class(name)
        for config in map(super().config_class, files):
            if name in config.published:
                return config
        # timm puts a dot between a model and the tag of its weights.
        if "." in name and importlib.util.find_spec(name.partition(".")[0]):
            return super().config_class(name)
        return super().config_class("timm")


BACKBONES: Listed[BackboneConfig] = _Backbones("s4former.models.backbones", BackboneConfig, "backbone")  # type: ignore[type-abstract]
"""All backbones by name."""
BackboneField = Annotated[SerializeAsAny[BackboneConfig], BeforeValidator(BACKBONES.parse)]

PositionInterpolation = Literal["bilinear", "bicubic", "dinov2"]
"""Ways to resize a learned position embedding, see `resize_position_embedding`."""
DropPath = Annotated[float, Field(ge=0, lt=1)]
"""A rate of stochastic depth."""


class ViTOptions(BackboneConfig):
    """What all vision transformers of equal blocks share."""

    drop_path: DropPath = 0.0
    """Probability that an image skips a block's branch in training: 0 in the first block, this in the last,
    evenly rising between."""
    final_norm: bool | None = None
    """Apply the transformer's final norm to each grid. Null: if the head wants it, as ``dpt`` does; other
    heads have a norm of their own."""
    position_interpolation: PositionInterpolation = "bilinear"
    """How a learned position embedding is resized to another patch grid; ``dinov2`` is bicubic with the
    offset of DINOv2's code. Where positions are rotary, as in DINOv3 and EVA-02, timm's own rule holds."""

    def with_final_norm(self) -> Self:
        """Return the config with the final norm on, unless it was decided."""
        return self if self.final_norm is not None else self.model_copy(update={"final_norm": True})
