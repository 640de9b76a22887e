"""Color statistics that weights were trained with: what files say of them, and whether a run has the same."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import timm

from s4former.config.errors import UserError
from s4former.config.record import read_json
from s4former.models.config import ModelConfig
from s4former.models.weight_places import is_usual, weight_files_in

_logger = logging.getLogger(__name__)

Numbers = tuple[float, ...]

# Ours, Hugging Face's, timm's and open_clip's, in files beside the weights, the most telling first.
_BESIDE = (
    "model.json",
    "preprocessor_config.json",
    "processor_config.json",
    "config.json",
    "open_clip_config.json",
)
_NAMES = (("mean", "std"), ("image_mean", "image_std"))
_WITHIN = ("pretrained_cfg", "default_cfg", "preprocess_cfg", "image_processor", "architecture")
_SAME = 2e-3  # statistics are written with three digits, or of values to 255


@dataclass(frozen=True)
class Colors:
    """Mean and standard deviation of each channel, in [0, 1], and who says so."""

    mean: Numbers
    std: Numbers
    said_by: str

    def __str__(self) -> str:
        return _typed(self.mean, self.std)

    def same_as(self, mean: Numbers, std: Numbers) -> bool:
        """Whether these are the same statistics, written with more or fewer digits."""
        pairs = zip((*self.mean, *self.std), (*mean, *std), strict=True)
        return all(math.isclose(one, other, rel_tol=0, abs_tol=_SAME) for one, other in pairs)


def colors_in(record: Any, said_by: str) -> Colors | None:
    """Return the color statistics that a config or the metadata of a file names, None if it names none."""
    record = _parsed(record)
    if not isinstance(record, Mapping):
        return None
    for names in _NAMES:
        mean, std = (_numbers(record.get(name)) for name in names)
        if mean and std and len(mean) == len(std) and min(std) > 0:
            scale = 255.0 if max(mean) > 1 or max(std) > 1 else 1.0
            if record.get("do_normalize") in (False, "false"):
                return Colors((0.0,) * len(mean), (1.0,) * len(mean), said_by)
            return Colors(tuple(m / scale for m in mean), tuple(s / scale for s in std), said_by)
    inner = (colors_in(record[name], said_by) for name in _WITHIN if name in record)
    return next((colors for colors in inner if colors), None)


def colors_beside(weights: Path) -> Colors | None:
    """Return the color statistics that a config beside a weight file names, if it is that file's config."""
    if not is_usual(weights) and len(weight_files_in(weights.parent)) != 1:
        return None
    for path in (weights.parent / name for name in _BESIDE):
        try:
            colors = colors_in(read_json(path), str(path)) if path.is_file() else None
        except (OSError, ValueError):  # it might not be one of those configs at all
            continue
        if colors:
            return colors
    return None


def published_colors(backbone: str) -> Colors | None:
    """Return the color statistics of timm's own weights of that name, None if there are none."""
    record: Any = timm.get_pretrained_cfg(backbone) if timm.is_model(backbone) else None
    return Colors(tuple(record.mean), tuple(record.std), "timm") if record is not None else None


def require_colors(config: ModelConfig, colors: Colors | None, whose: str) -> None:
    """Refuse weights that want other color statistics than the run has; note it where they are unknown.

    Raises:
        UserError: With the fields to type.
    """
    if colors is not None and len(colors.mean) == config.channels:
        if not colors.same_as(config.mean, config.std):
            said = "" if colors.said_by == "timm" else f", says {colors.said_by}"
            raise UserError(
                f"{whose} were trained with other color statistics than {_typed(config.mean, config.std)}"
                f"{said}; type {colors}"
            )
        return
    if config.channels != 3:
        return  # such a patch embedding was made for other channels anyway
    note = f"{whose} do not say with which color statistics they were trained; assumed are "
    note += _typed(config.mean, config.std)
    usual = published_colors(config.backbone.name)
    if usual is not None and not usual.same_as(config.mean, config.std):
        note += f". If they come from timm's {config.backbone.name}, type {usual}"
    _logger.warning(note)


def _typed(mean: Numbers, std: Numbers) -> str:
    """Return mean and std as overrides."""
    means, deviations = (",".join(f"{value:.6g}" for value in values) for values in (mean, std))
    return f"model.mean=[{means}] model.std=[{deviations}]"


def _parsed(value: Any) -> Any:
    """Return what a text says as JSON; metadata of safetensors holds texts alone."""
    if isinstance(value, str) and value[:1] in ("[", "{"):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return None
    return value


def _numbers(value: Any) -> Numbers | None:
    value = _parsed(value)
    if not isinstance(value, list | tuple) or not value:
        return None
    if any(
        isinstance(one, bool) or not isinstance(one, int | float) or not math.isfinite(one) for one in value
    ):
        return None
    return tuple(float(one) for one in value)
