"""What every backbone can do, and how one is chosen by its name."""

from __future__ import annotations

import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, ClassVar

import torch
from jaxtyping import Float
from pydantic import BeforeValidator, Field, SerializeAsAny
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from s4former.config.base import Config
from s4former.config.errors import UserError
from s4former.config.listed import Listed
from s4former.types import Features, Images


class Backbone(nn.Module, ABC):
    """Turns images into feature grids: after some of its blocks, or stages of blocks.

    Attributes:
        out_indices: Blocks or stages whose outputs `forward` returns, ascending.
        patch_size: Sides of images must be multiples of it; an attention bias speaks of patches of this size.
        num_prefix_tokens: Class and register tokens that precede the patches in an attention bias.
    """

    out_indices: tuple[int, ...]
    patch_size: int
    num_prefix_tokens: int = 0

    @property
    @abstractmethod
    def depth(self) -> int:
        """Number of blocks or stages that a head can look at."""

    @property
    @abstractmethod
    def widths(self) -> tuple[int, ...]:
        """Channels of each feature grid that `forward` returns."""

    @property
    @abstractmethod
    def trunk(self) -> list[nn.Module]:
        """The blocks in their order, those of all stages: what can be frozen or computed again."""

    @abstractmethod
    def keep(self, out_indices: tuple[int, ...]) -> None:
        """Return the outputs of these blocks or stages, ascending, and drop what comes after the last one."""

    @abstractmethod
    def forward(self, images: Images, attention_bias: Float[Tensor, "b n n"] | None = None) -> Features:
        """Return one "b d gh gw" grid for each of ``out_indices``."""

    def freeze(self, count: int) -> None:
        """Take so many first blocks, and if any all that comes before them, out of training."""
        if count:
            trained = {id(p) for block in self.trunk[count:] for p in block.parameters()}
            for parameter in self.parameters():
                parameter.requires_grad_(id(parameter) in trained)

    def recompute(self) -> None:
        """Compute trained blocks again in the backward pass instead of keeping what is inside them."""
        for block in self.trunk:
            # A partial is copied along with its block, as a teacher is made from a student.
            block.forward = partial(_recomputed, block)


def _recomputed(block: nn.Module, *inputs: Any, **named: Any) -> Any:
    plain: Callable[..., Any] = partial(type(block).forward, block)
    if torch.is_grad_enabled() and any(p.requires_grad for p in block.parameters()):
        return checkpoint(plain, *inputs, use_reentrant=False, **named)
    return plain(*inputs, **named)


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

DropPath = Annotated[float, Field(ge=0, lt=1)]
"""A rate of stochastic depth."""


def require_bias(bias: Tensor, count: int, length: int) -> None:
    """Raise ValueError unless ``bias`` is one of ``count`` images with ``length`` tokens each."""
    if tuple(bias.shape) != (count, length, length):
        raise ValueError(
            f"attention_bias must be images x tokens x tokens = {count} x {length} x {length}, prefix tokens "
            f"included, got {' x '.join(map(str, bias.shape))}"
        )


def score_bias(bias: Float[Tensor, "b q k"], like: Tensor) -> Float[Tensor, "b 1 q k"]:
    """Shape the bias for fused attention: one for all heads, in the type of the queries, rows aligned."""
    device = like.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else like.dtype
    # Fused kernels on GPUs want rows to start at multiples of 16, and would copy the bias in every block.
    length = bias.shape[-1]
    aligned = F.pad(bias.detach().to(dtype), (0, -length % 16))[..., :length]
    return aligned[:, None]
