"""Weights that a backbone starts from: files in several key styles, or published ones from the hub."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import timm
from torch import Tensor

from s4former.config.errors import UserError
from s4former.models.backbones import ViTBackbone
from s4former.models.config import ModelConfig
from s4former.models.fitting import (
    fit_channels,
    fit_positions,
    fitting_mits,
    fitting_vits,
    has_no_place,
    vit_sizes,
)
from s4former.models.hub import hub_file
from s4former.models.keys import find_vit
from s4former.models.mit import MiTBackbone
from s4former.models.mit_keys import mit_style, to_mit
from s4former.models.weight_files import read_state

_logger = logging.getLogger(__name__)

_KNOWN_NAMES = (
    "timm's or DINOv2's blocks.0.attn.qkv.weight, mmcls' layers.0.attn.qkv.weight, mmseg's "
    "layers.0.attn.attn.in_proj_weight, Hugging Face's encoder.layer.0.attention.attention.query.weight, or "
    "a MiT's patch_embed1.proj.weight and its like"
)


@dataclass(frozen=True)
class WeightReport:
    """What came of loading weights into a backbone.

    Attributes:
        style: Whose names the tensors carried.
        loaded: Number of tensors that the backbone took over.
        ignored: Tensors that such a backbone has no place for: classifier, later blocks, unused final norm.
        missing: Tensors of the backbone that were not there.
        unexpected: Tensors that nobody knows.
        resized_from: The patch grid of the position embedding before it was resized, or None.
    """

    style: str
    loaded: int
    ignored: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    resized_from: tuple[int, int] | None


@dataclass(frozen=True)
class NamedWeights:
    """The backbone found among some tensors, by the names that our backbones have.

    Attributes:
        style: Whose names its tensors carried.
        is_mit: Whether it is a MiT; else it is a plain ViT.
        tensors: Its tensors.
        outside: Number of tensors that lie outside of it.
    """

    style: str
    is_mit: bool
    tensors: dict[str, Tensor]
    outside: int

    def fitting(self) -> tuple[str, ...]:
        """Return the names for model.backbone that these tensors fit, the likeliest first."""
        return fitting_mits(self.tensors) if self.is_mit else fitting_vits(self.tensors)


def name_weights(state: Mapping[str, Tensor], origin: str) -> NamedWeights:
    """Find the backbone among tensors in any known key style and give it our names.

    Args:
        state: Tensors by the names that somebody gave them.
        origin: Where they come from, for messages.

    Raises:
        UserError: If there is no backbone whose names we know.
    """
    vit = find_vit(state)
    if vit is not None:
        return NamedWeights(vit.style, False, vit.tensors, len(vit.outside))
    mit = to_mit(state)
    if mit is not None:
        outside = sum("head." in key or key.startswith("classifier.") for key in state)
        return NamedWeights(f"mit_{mit_style(state)}", True, mit, outside)
    raise UserError(
        f"{origin} holds no backbone in a known naming ({_KNOWN_NAMES}); it starts with "
        f"{', '.join(list(state)[:4]) or 'nothing'}. Give model.pretrained another file, or `none`"
    )


def load_backbone_weights(
    backbone: ViTBackbone | MiTBackbone,
    source: str | Path | Mapping[str, Tensor],
    *,
    strict: bool = True,
    position_interpolation: Literal["bilinear", "bicubic"] = "bilinear",
) -> WeightReport:
    """Load weights in any key style that `find_vit` or `to_mit` knows; files are never written.

    Names are translated in memory. Prefix tokens and positions are brought into the backbone's form, a
    position embedding of another grid is resized, a patch embedding of three channels is adapted to others,
    and half-precision weights become float32.

    Args:
        backbone: Gets the weights.
        source: A file (safetensors, or torch's ``.pth``, ``.pt``, ``.bin``), or its content.
        strict: Stop on missing and unexpected tensors; otherwise they are only reported and logged.
        position_interpolation: How the position embedding is resized.

    Raises:
        UserError: If the file can't be read, its names are unknown, or its tensors don't fit.

    Source:
        Golden ``weights_tiny_*``, exact but for the resized position embedding (1e-6). With files of
        ``transformers``' ViT, DeiT and DINOv2, features equal theirs to 1e-5. **We differ:** our norms have
        timm's epsilon of 1e-6, where Hugging Face's ViT and DeiT have 1e-12.
    """
    origin = str(source) if isinstance(source, str | Path) else "the given state dict"
    named = name_weights(read_state(source) if isinstance(source, str | Path) else source, origin)
    if named.is_mit != isinstance(backbone, MiTBackbone):
        file, ours = ("MiT", "plain ViT") if named.is_mit else ("plain ViT", "MiT")
        raise UserError(f"{origin} holds a {file}, but model.backbone is a {ours}{_hint(named)}")

    given = {key: value.float() for key, value in named.tensors.items()}
    wanted = backbone.state_dict()
    others = sorted(given.keys() - wanted.keys())
    ignored = tuple(key for key in others if has_no_place(key, backbone))
    unexpected = tuple(key for key in others if key not in ignored)
    missing = tuple(sorted(wanted.keys() - given.keys()))
    fit_channels(given, wanted)
    _require_shapes(given, backbone, named, origin)
    if missing or unexpected:
        message = f"{origin} does not fit the backbone; {describe_keys(missing, unexpected)}"
        if strict:
            raise UserError(
                f"{message}. {_compare(named, backbone)}Check model.backbone, or type "
                f"model.strict_weights=false to load what fits and leave the rest random{_hint(named)}"
            )
        _logger.warning("%s (model.strict_weights=false: the missing ones stay random)", message)

    resized_from = None
    if isinstance(backbone, ViTBackbone):
        resized_from = fit_positions(given, backbone, position_interpolation, origin)
    taken = {key: given[key] for key in wanted if key in given}
    backbone.load_state_dict(taken, strict=False)
    return WeightReport(named.style, len(taken), ignored, missing, unexpected, resized_from)


def load_hub_weights(backbone: ViTBackbone | MiTBackbone, config: ModelConfig) -> WeightReport:
    """Load timm's own weights for ``config.backbone``, downloading them if they are not in the hub's cache.

    Raises:
        UserError: If they can't be had, or want other color statistics than the config's.
    """
    record: Any = timm.get_pretrained_cfg(config.backbone)
    if record is None or not record.hf_hub_id:
        raise UserError(
            f"timm publishes no weights of {config.backbone!r}; give model.pretrained a file, or `none`"
        )
    colors = tuple(record.mean), tuple(record.std)
    if config.channels == 3 and colors != (config.mean, config.std):
        mean, std = (str(list(values)).replace(" ", "") for values in colors)
        raise UserError(
            f"the weights of {config.backbone!r} were trained with other color statistics than model.mean="
            f"{list(config.mean)} model.std={list(config.std)}; type model.mean={mean} model.std={std}"
        )
    state = read_state(hub_file(record.hf_hub_id, config.backbone, record.hf_hub_filename))
    # timm itself turns what others have published under its names into its own form.
    source = {"state_dict": state, "custom_load": False}
    vit = timm.create_model(config.backbone, pretrained=True, num_classes=0, pretrained_cfg_overlay=source)
    return load_backbone_weights(
        backbone,
        vit.state_dict(),
        strict=config.strict_weights,
        position_interpolation=config.position_interpolation,
    )


def describe_keys(missing: tuple[str, ...], unexpected: tuple[str, ...]) -> str:
    """List the names of tensors that don't fit: the count of either kind, and the first dozen."""
    return "; ".join(
        f"{len(keys)} {kind}: {', '.join(keys[:12])}{', ...' if len(keys) > 12 else ''}"
        for kind, keys in (("missing", missing), ("unexpected", unexpected))
        if keys
    )


def _require_shapes(
    given: Mapping[str, Tensor], backbone: ViTBackbone | MiTBackbone, named: NamedWeights, origin: str
) -> None:
    wrong = [
        f"{key} is {tuple(given[key].shape)}, the backbone's {tuple(value.shape)}"
        for key, value in backbone.state_dict().items()
        if key in given and key != "pos_embed" and given[key].shape != value.shape
    ]
    if wrong:
        raise UserError(
            f"{origin} is of another network than model.backbone: {len(wrong)} tensors differ in shape, as "
            f"{'; '.join(wrong[:3])}. {_compare(named, backbone)}Check model.backbone{_hint(named)}"
        )


def _compare(named: NamedWeights, backbone: ViTBackbone | MiTBackbone) -> str:
    """Say in which sizes the file's network differs from ours, if it does."""
    file = None if named.is_mit else vit_sizes(named.tensors)
    ours = vit_sizes(backbone.state_dict())
    if file is None or ours is None or file == ours:
        return ""
    return f"The file is of a ViT with {file}; the backbone has {ours}. "


def _hint(named: NamedWeights) -> str:
    """Name the backbones that the file does fit."""
    names = named.fitting()
    return f"; the file fits model.backbone={' or '.join(names[:3])}" if names else ""
