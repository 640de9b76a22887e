"""Weights that a backbone starts from: files in several key styles, or published ones from the hub."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import timm
from torch import Tensor

from s4former.config.errors import UserError
from s4former.models.backbones import Backbone
from s4former.models.backbones.mit import MiTBackbone
from s4former.models.backbones.timm import TimmBackbone
from s4former.models.candidates import NamedWeights, name_weights
from s4former.models.colors import Colors, require_colors
from s4former.models.config import ModelConfig
from s4former.models.fitting import fit_channels, fit_positions, has_no_place, vit_sizes
from s4former.models.hub import hub_file
from s4former.models.weight_files import StoredWeights, first_line, read_state, read_weights, require_finite

_logger = logging.getLogger(__name__)


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


def load_backbone_weights(
    backbone: Backbone,
    source: str | Path | Mapping[str, Tensor],
    *,
    strict: bool = True,
    part: str | None = None,
    origin: str = "the given state dict",
) -> WeightReport:
    """Load weights in any key style that `find_backbones` knows; files are never written.

    Names are translated in memory. Prefix tokens and positions are brought into the backbone's form, a
    position embedding of another grid is resized, a patch embedding of three channels is adapted to others,
    and half-precision weights become float32.

    Args:
        backbone: Gets the weights.
        source: Where `read_state` finds them, or what it returns.
        strict: Stop on missing and unexpected tensors; otherwise they are only reported and logged.
        part: Which one to take of several transformers, see `name_weights`.
        origin: Where a given content comes from, for messages.

    Raises:
        UserError: If the file can't be read, its names are unknown, or its tensors don't fit.
        NumericError: If a tensor holds a NaN or an infinity.

    Source:
        Golden ``weights_tiny_*``, exact but for the resized position embedding (1e-6). With files of
        ``transformers``' ViT, DeiT and DINOv2, features equal theirs to 1e-5. **We differ:** our norms have
        timm's epsilon of 1e-6, where Hugging Face's ViT and DeiT have 1e-12.
    """
    if isinstance(source, str | Path):
        origin, source = str(source), _read(Path(source), backbone).tensors
    translated = isinstance(backbone, MiTBackbone) or (
        isinstance(backbone, TimmBackbone) and not backbone.rotary
    )
    named = name_weights(source, origin, part) if translated else _by_own_names(source, backbone, origin)
    if named.is_mit != isinstance(backbone, MiTBackbone):
        file, ours = ("MiT", "plain ViT") if named.is_mit else ("plain ViT", "MiT")
        raise UserError(f"{origin} holds a {file}, but model.backbone is a {ours}{_hint(named)}")

    wanted = backbone.state_dict()
    given = _as_float(named.tensors, wanted, origin)
    others = sorted(given.keys() - wanted.keys())
    ignored = tuple(key for key in others if has_no_place(key, backbone))
    unexpected = tuple(key for key in others if key not in ignored)
    missing = tuple(sorted(wanted.keys() - given.keys()))
    fit_channels(given, wanted)
    _require_shapes(given, backbone, named, origin)
    if missing or unexpected:
        _complain_of_names(missing, unexpected, backbone, named, origin, strict)

    resized_from = None
    if isinstance(backbone, TimmBackbone):
        resized_from = fit_positions(given, backbone, backbone.position_interpolation, origin)
    taken = {key: given[key] for key in wanted if key in given}
    backbone.load_state_dict(taken, strict=False)
    return WeightReport(named.style, len(taken), ignored, missing, unexpected, resized_from)


def load_pretrained(backbone: Backbone, config: ModelConfig) -> WeightReport | None:
    """Load the weights that ``config.pretrained`` asks for, if any.

    Raises:
        UserError: If they can't be had, don't fit, or want other color statistics than the config's.
        NumericError: If a tensor holds a NaN or an infinity.
    """
    if config.pretrained == "none":
        return None
    if config.pretrained == "hub":
        return load_hub_weights(backbone, config)
    stored = _read(Path(config.pretrained), backbone)
    # What can't be loaded at all says so first.
    report = _load(backbone, stored.tensors, config, config.pretrained)
    require_colors(config, stored.colors, f"the weights in {config.pretrained}")
    return report


def load_hub_weights(backbone: Backbone, config: ModelConfig) -> WeightReport:
    """Load timm's own weights for the backbone, downloading them if they are not in the hub's cache.

    Raises:
        UserError: If they can't be had, or want other color statistics than the config's.
    """
    name = config.backbone.hub_name()
    record: Any = timm.get_pretrained_cfg(name)
    if record is None or not record.hf_hub_id:
        raise UserError(f"timm publishes no weights of {name!r}; give model.pretrained a file, or `none`")
    colors = Colors(tuple(record.mean), tuple(record.std), "timm")
    require_colors(config, colors, f"the weights of {name!r}")
    state = read_state(hub_file(record.hf_hub_id, name, record.hf_hub_filename))
    # timm itself turns what others have published under its names into its own form.
    source = {"state_dict": state, "custom_load": False}
    try:
        vit = timm.create_model(name, pretrained=True, num_classes=0, pretrained_cfg_overlay=source)
    except (RuntimeError, KeyError, TypeError) as error:
        raise UserError(
            f"the hub's file for {name!r} is not of that network ({first_line(error)}); update "
            "timm, or give model.pretrained a file, or `none`"
        ) from error
    return _load(backbone, vit.state_dict(), config, f"the hub's file for {name!r}")


def _load(backbone: Backbone, state: Mapping[str, Tensor], config: ModelConfig, origin: str) -> WeightReport:
    return load_backbone_weights(
        backbone, state, strict=config.strict_weights, part=config.pretrained_part, origin=origin
    )


def _by_own_names(state: Mapping[str, Tensor], backbone: Backbone, origin: str) -> NamedWeights:
    """Find a backbone by the very names of its tensors, whatever modules lie around it."""
    names = backbone.state_dict().keys()
    places = {
        key.removesuffix(name): None for key in state for name in names if f".{key}".endswith(f".{name}")
    }
    if not places:
        raise UserError(
            f"{origin} holds no tensor by the names of model.backbone, as {next(iter(names))}; it starts "
            f"with {', '.join(list(state)[:4]) or 'nothing'}. Give model.pretrained another file, or `none`"
        )
    around = max(places, key=lambda place: sum(f"{place}{name}" in state for name in names))
    inside = {key.removeprefix(around): value for key, value in state.items() if key.startswith(around)}
    return NamedWeights("its own", False, around, inside, len(state) - len(inside))


def _as_float(tensors: Mapping[str, Tensor], wanted: Mapping[str, Tensor], origin: str) -> dict[str, Tensor]:
    """Return tensors in single precision, once those that the backbone takes are known to be sound."""
    taken = {key: value for key, value in tensors.items() if key in wanted}
    require_finite(taken, origin)
    whole = [key for key, value in taken.items() if not value.is_floating_point()]
    if whole:
        raise UserError(
            f"{origin} holds {len(whole)} weights as whole numbers ({taken[whole[0]].dtype}), as {whole[0]}: "
            "they were quantized, and the numbers alone are no weights. Take the file from before that"
        )
    return {key: value.float() if key in wanted else value for key, value in tensors.items()}


def _read(path: Path, backbone: Backbone) -> StoredWeights:
    """Read a file or folder that model.pretrained names, or say how to come by it."""
    if path.exists():
        return read_weights(path)
    is_mit = isinstance(backbone, MiTBackbone)
    hub = "" if is_mit else "model.pretrained=hub for timm's own weights, "
    where = (
        " (a mit_b*.pth of SegFormer's authors, or the file of nvidia/mit-b* on the hub)" if is_mit else ""
    )
    raise UserError(
        f"there is no weight file {path} (model.pretrained): put the backbone's weights{where} there "
        f"({path.absolute()}), or type model.pretrained=FILE for another place, {hub}or "
        "model.pretrained=none to start from random ones"
    )


def _complain_of_names(
    missing: tuple[str, ...],
    unexpected: tuple[str, ...],
    backbone: Backbone,
    named: NamedWeights,
    origin: str,
    strict: bool,
) -> None:
    message = f"{origin} does not fit the backbone; {describe_keys(missing, unexpected)}"
    if not strict:
        _logger.warning("%s (model.strict_weights=false: the missing ones stay random)", message)
        return
    # Of a network that is half random nothing good would come.
    way_out = ""
    if 2 * (len(missing) + len(unexpected)) < len(backbone.state_dict()):
        way_out = ", or type model.strict_weights=false to load what fits and leave the rest random"
    raise UserError(f"{message}. {_compare(named, backbone)}Check model.backbone{way_out}{_hint(named)}")


def describe_keys(missing: tuple[str, ...], unexpected: tuple[str, ...]) -> str:
    """List the names of tensors that don't fit: the count of either kind, and the first dozen."""
    return "; ".join(
        f"{len(keys)} {kind}: {', '.join(keys[:12])}{', ...' if len(keys) > 12 else ''}"
        for kind, keys in (("missing", missing), ("unexpected", unexpected))
        if keys
    )


def wrong_shapes(given: Mapping[str, Tensor], wanted: Mapping[str, Tensor], whose: str) -> list[str]:
    """Return in words which tensors have another shape than the wanted ones of their names."""
    return [
        f"{key} is {tuple(given[key].shape)}, {whose} {tuple(value.shape)}"
        for key, value in wanted.items()
        if key in given and given[key].shape != value.shape
    ]


def _require_shapes(
    given: Mapping[str, Tensor], backbone: Backbone, named: NamedWeights, origin: str
) -> None:
    own = {key: value for key, value in backbone.state_dict().items() if key != "pos_embed"}
    if wrong := wrong_shapes(given, own, "the backbone's"):
        raise UserError(
            f"{origin} is of another network than model.backbone: {len(wrong)} tensors differ in shape, as "
            f"{'; '.join(wrong[:3])}. {_compare(named, backbone)}Check model.backbone{_hint(named)}"
        )


def _compare(named: NamedWeights, backbone: Backbone) -> str:
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
