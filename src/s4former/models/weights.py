"""Weights that a backbone starts from: files in several key styles, or timm's own from the hub."""

from __future__ import annotations

import logging
import math
import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import safetensors
import torch
from safetensors.torch import load_file
from torch import Tensor

from s4former.config.errors import UserError
from s4former.models.backbones import ViTBackbone, create_vit
from s4former.models.config import ModelConfig
from s4former.models.keys import KeyStyle, backbone_entries, key_style, to_timm
from s4former.ops.resize import resize_position_embedding

_logger = logging.getLogger(__name__)

# Tensors around a backbone: classifiers, pooling, what masked pretraining left behind.
_NOT_BACKBONE = re.compile(r"^(head|head_dist|pre_logits|attn_pool|mask_token)(\.|$)")


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

    style: KeyStyle
    loaded: int
    ignored: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    resized_from: tuple[int, int] | None


def load_backbone_weights(
    backbone: ViTBackbone,
    source: str | Path | Mapping[str, Tensor],
    *,
    strict: bool = True,
    position_interpolation: Literal["bilinear", "bicubic"] = "bilinear",
) -> WeightReport:
    """Load weights of timm's, mmcls' or mmseg's naming; names are translated in memory, files never written.

    A position embedding of another grid is resized to the backbone's. Half-precision weights become float32.

    Args:
        backbone: Gets the weights.
        source: A file (``.safetensors``, or torch's ``.pth``, ``.pt``, ``.bin``), or its content.
        strict: Stop on missing and unexpected tensors; otherwise they are only reported and logged.
        position_interpolation: How the position embedding is resized.

    Raises:
        UserError: If the file can't be read, its names are unknown, or its tensors don't fit.

    Source:
        Golden ``weights_tiny_*``, exact but for the resized position embedding (1e-6).
    """
    origin = str(source) if isinstance(source, str | Path) else "the given weights"
    state = read_state(source) if isinstance(source, str | Path) else source
    entries = backbone_entries(state)
    style = key_style(entries)
    if style is None:
        raise UserError(
            f"{origin} holds no backbone in a known naming (timm's blocks.0.attn.qkv.weight, mmcls' "
            "layers.0.attn.qkv.weight or mmseg's layers.0.attn.attn.in_proj_weight); it starts with "
            f"{', '.join(list(entries)[:4]) or 'nothing'}. Give model.pretrained another file, or `none`"
        )
    given = {to_timm(key): value.float() for key, value in entries.items()}
    wanted = backbone.state_dict()
    others = sorted(given.keys() - wanted.keys())
    ignored = tuple(key for key in others if _has_no_place(key, len(backbone.blocks)))
    unexpected = tuple(key for key in others if key not in ignored)
    missing = tuple(sorted(wanted.keys() - given.keys()))
    _complain(origin, missing, unexpected, strict)

    taken = {key: given[key] for key in wanted if key in given}
    resized_from = _fit_positions(taken, backbone, position_interpolation, origin)
    _require_shapes(taken, wanted, origin)
    backbone.load_state_dict(taken, strict=False)
    return WeightReport(style, len(taken), ignored, missing, unexpected, resized_from)


def load_hub_weights(backbone: ViTBackbone, config: ModelConfig) -> WeightReport:
    """Load timm's own weights for ``config.backbone``, downloading them if they are not in its cache.

    Raises:
        UserError: If they can't be had, or want other color statistics than the config's.
    """
    try:
        vit = create_vit(config.backbone, pretrained=True)
    except UserError:
        raise
    except Exception as error:  # the hub's clients fail in many ways, none of which we can mend
        raise UserError(
            f"timm's weights of {config.backbone!r} could not be had from the hub ({_first_line(error)}). "
            "Without a network, put a weight file of this backbone on the disk and type "
            "model.pretrained=FILE (.safetensors or .pth), or start from random weights with "
            "model.pretrained=none"
        ) from error
    record: Any = vit.pretrained_cfg
    colors = tuple(record["mean"]), tuple(record["std"])
    if colors != (config.mean, config.std):
        mean, std = (str(list(values)).replace(" ", "") for values in colors)
        raise UserError(
            f"the weights of {config.backbone!r} were trained with other color statistics than model.mean="
            f"{list(config.mean)} model.std={list(config.std)}; type model.mean={mean} model.std={std}"
        )
    return load_backbone_weights(
        backbone,
        vit.state_dict(),
        strict=config.strict_weights,
        position_interpolation=config.position_interpolation,
    )


def read_state(path: str | Path) -> dict[str, Tensor]:
    """Return the tensors in a weight file, from under ``state_dict`` or ``model`` if they lie there.

    Raises:
        UserError: If there is no such file, it can't be read, or it holds no tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(
            f"there is no weight file {path} (model.pretrained): put the backbone's weights there "
            f"({path.absolute()}), or type model.pretrained=FILE for another place, model.pretrained=hub for "
            "timm's own weights, or model.pretrained=none to start from random ones"
        )
    is_safetensors = path.suffix == ".safetensors"
    try:
        content: Any = (
            load_file(path) if is_safetensors else torch.load(path, map_location="cpu", weights_only=True)
        )
    except (safetensors.SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        raise UserError(
            f"{path} can't be read as {'safetensors' if is_safetensors else 'a torch file'} of plain "
            f"tensors ({_first_line(error)}); a cut-off download is a common cause"
        ) from error
    for wrapper in ("state_dict", "model"):
        if isinstance(content, dict) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    if not isinstance(content, Mapping):
        raise UserError(f"{path} holds a {type(content).__name__}; expected tensors by name")
    state = {key: value for key, value in content.items() if isinstance(value, Tensor)}
    if not state:
        raise UserError(
            f"{path} holds no tensors; it has {', '.join(map(str, list(content)[:5])) or 'nothing'}"
        )
    return state


def _has_no_place(key: str, num_blocks: int) -> bool:
    """Whether a whole ViT may have this tensor and our trunk of it does not."""
    block = re.match(r"blocks\.(\d+)\.", key)
    if block:
        return int(block[1]) >= num_blocks
    return key.startswith("norm.") or _NOT_BACKBONE.match(key) is not None


def _complain(origin: str, missing: tuple[str, ...], unexpected: tuple[str, ...], strict: bool) -> None:
    if not missing and not unexpected:
        return
    parts = [
        f"{len(keys)} {kind}: {', '.join(keys[:12])}{', ...' if len(keys) > 12 else ''}"
        for kind, keys in (("missing", missing), ("unexpected", unexpected))
        if keys
    ]
    message = f"{origin} does not fit the backbone; {'; '.join(parts)}"
    if strict:
        raise UserError(
            f"{message}. Check model.backbone, or type model.strict_weights=false to load what fits and "
            "leave the rest random"
        )
    _logger.warning("%s (model.strict_weights=false: the missing ones stay random)", message)


def _fit_positions(
    taken: dict[str, Tensor], backbone: ViTBackbone, mode: Literal["bilinear", "bicubic"], origin: str
) -> tuple[int, int] | None:
    """Resize the position embedding in ``taken`` to the backbone's grid; return the old one if another."""
    embed = taken.get("pos_embed")
    prefix = backbone.num_prefix_positions
    rows, cols = backbone.grid
    if embed is None or embed.ndim != 3 or embed.shape[1] == prefix + rows * cols:
        return None
    # A checkpoint doesn't say its grid; pretraining is on squares.
    side = math.isqrt(embed.shape[1] - prefix)
    if side * side != embed.shape[1] - prefix:
        raise UserError(
            f"{origin} has a position embedding of {embed.shape[1]} tokens, which is neither the backbone's "
            f"{rows} x {cols} grid nor a square one with {prefix} prefix tokens; check model.backbone"
        )
    taken["pos_embed"] = resize_position_embedding(embed, (side, side), backbone.grid, prefix, mode=mode)
    return side, side


def _require_shapes(taken: dict[str, Tensor], wanted: Mapping[str, Tensor], origin: str) -> None:
    wrong = [
        f"{key} is {tuple(value.shape)}, the backbone's {tuple(wanted[key].shape)}"
        for key, value in taken.items()
        if value.shape != wanted[key].shape
    ]
    if wrong:
        raise UserError(
            f"{origin} is of another network than model.backbone: {len(wrong)} tensors differ in shape, as "
            f"{'; '.join(wrong[:3])}"
        )


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else 'no reason given'}"
