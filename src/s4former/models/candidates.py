"""Finding the backbone among tensors, whatever modules and dictionaries lie around it."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from s4former.config.errors import UserError
from s4former.models.fitting import fitting_mits, fitting_vits, vit_sizes
from s4former.models.keys import TELLTALES, to_plain_vit
from s4former.models.mit_keys import MIT_TELLTALES, to_mit

_logger = logging.getLogger(__name__)

_KNOWN_NAMES = (
    "timm's or DINOv2's blocks.0.attn.qkv.weight, mmcls' layers.0.attn.qkv.weight, mmseg's "
    "layers.0.attn.attn.in_proj_weight, Hugging Face's encoder.layer.0.attention.attention.query.weight, "
    "JAX' Transformer/encoderblock_0, or a MiT's patch_embed1.proj.weight and its like"
)
_PATTERNS = {
    style: re.compile(rf"(?P<around>([A-Za-z_]\w*\.)*?){pattern}")
    for style, pattern in [*TELLTALES.items(), *((f"mit_{key}", one) for key, one in MIT_TELLTALES.items())]
}
_PATCHES = ("patch_embed.proj.weight", "patch_embed1.proj.weight")
_AVERAGE = {"ema", "averaged", "average"}
# Words that say nothing of what a network is for.
_WRAPPERS = {"student", "teacher", "model", "module", "net", "network", "state", "dict", "backbone"}
_EMPTY = _AVERAGE | _WRAPPERS | {"encoder"}

TOP = "."
"""How one says that the backbone's names begin at the top."""


@dataclass(frozen=True)
class NamedWeights:
    """A backbone found among some tensors, by the names that our backbones have.

    Attributes:
        style: Whose names its tensors carried.
        is_mit: Whether it is a MiT; else it is a plain ViT.
        around: The modules and dictionaries around it, as ``teacher.backbone.``; empty at the top.
        tensors: Its tensors.
        outside: Number of tensors that lie outside of it.
    """

    style: str
    is_mit: bool
    around: str
    tensors: dict[str, Tensor]
    outside: int

    def fitting(self) -> tuple[str, ...]:
        """Return the names for model.backbone that these tensors fit, the likeliest first."""
        return fitting_mits(self.tensors) if self.is_mit else fitting_vits(self.tensors)

    @property
    def name(self) -> str:
        """What is typed to choose it."""
        return self.around.rstrip(".") or TOP

    @property
    def words(self) -> set[str]:
        """The words in the names around it."""
        return set(re.split(r"[._]", self.around.lower())) - {""}

    def __str__(self) -> str:
        sizes = "a MiT" if self.is_mit else f"a ViT with {vit_sizes(self.tensors) or 'no patch embedding'}"
        return f"{self.name} ({sizes})"


def find_backbones(state: Mapping[str, Tensor]) -> list[NamedWeights]:
    """Return all transformers among tensors that are named in a way we know, in the order of their names."""
    places: dict[tuple[str, str], None] = {}
    for key in state:
        for style, pattern in _PATTERNS.items():
            match = pattern.fullmatch(key)
            if match:
                places[style, match["around"]] = None
    inner = [around for _, around in places if around]
    found = []
    for style, around in places:
        others = tuple(one for one in inner if one != around and one.startswith(around))
        inside = {
            key.removeprefix(around): value
            for key, value in state.items()
            if key.startswith(around) and not (others and key.startswith(others))
        }
        is_mit = style.startswith("mit_")
        tensors = to_mit(inside) or {} if is_mit else to_plain_vit(inside)
        of_dinov2 = "register_tokens" in inside or {"mask_token", "blocks.0.ls1.gamma"} <= inside.keys()
        whose = "dinov2" if style == "timm" and of_dinov2 else style
        of_heads = [key for key in inside if "head." in key or key.startswith("classifier.")]
        outside = len(state) - len(inside) + len(of_heads) * is_mit
        found.append(NamedWeights(whose, is_mit, around, tensors, outside))
    return found


def name_weights(
    state: Mapping[str, Tensor], origin: str, part: str | None = None, option: str = "model.pretrained_part="
) -> NamedWeights:
    """Find the backbone among tensors in any known key style and give it our names.

    Of several transformers, the one with a patch embedding is taken (a masked autoencoder's decoder has
    none); of a student and its teacher the teacher, of a network and its average the network.

    Args:
        state: Tensors by the names that somebody gave them.
        origin: Where they come from, for messages.
        part: The name of the modules around the one to take, as ``teacher.backbone``, or a part of it, as
            ``teacher``; ``.`` is the top.
        option: What to type to choose one, for messages.

    Raises:
        UserError: If there is no backbone whose names we know, or several and nothing tells which is meant.
    """
    found = find_backbones(state)
    if not found:
        raise UserError(
            f"{origin} holds no backbone in a known naming ({_KNOWN_NAMES}); it starts with "
            f"{', '.join(list(state)[:4]) or 'nothing'}. If it is a network of timm's, try "
            "model.backbone=ITS_NAME model.pretrained=hub; else give model.pretrained another file, or `none`"
        )
    chosen = _named(found, part) if part is not None else _likeliest(found)
    if len(chosen) != 1:
        what = f"{len(found)} transformers" if len(found) > 1 else "one transformer"
        wrong = f", and {option}{part} names {len(chosen) or 'none'} of them" if part is not None else ""
        raise UserError(
            f"{origin} holds {what}{wrong}: {'; '.join(map(str, found))}. Say which one to take: "
            + " or ".join(f"{option}{one.name}" for one in (chosen or found)[:4])
        )
    (one,) = chosen
    _require_positions(one, state, origin)
    if part is None and len([other for other in found if _has_patches(other)]) > 1:
        rest = [other.name for other in found if other is not one]
        _logger.warning(
            f"{origin} holds {len(found)} transformers; taken is {one.name}, not {' or '.join(rest)} "
            f"({option}{rest[0]} takes the other)"
        )
    return one


def _named(found: list[NamedWeights], part: str) -> list[NamedWeights]:
    """Return those around which the parts of a name stand: these alone, or else among others."""
    exact = [one for one in found if one.name == (part.strip(".") or TOP)]
    return exact or [one for one in found if f".{part.strip('.')}." in f".{one.around}"]


def _likeliest(found: list[NamedWeights]) -> list[NamedWeights]:
    found = [one for one in found if _has_patches(one)] or found
    return [one for one in found if not any(_gives_way(one, other) for other in found)]


def _gives_way(one: NamedWeights, other: NamedWeights) -> bool:
    """Whether one is the student of the other, or its average: the same network under the same names."""
    if one is other or one.words - _EMPTY != other.words - _EMPTY or not _alike(one, other):
        return False
    is_student = "student" in one.words and "teacher" in other.words
    is_average = bool(one.words & _AVERAGE) and not other.words & _AVERAGE
    return is_student or is_average


def _alike(one: NamedWeights, other: NamedWeights) -> bool:
    """Whether most tensors have the same names, and those the same shapes; averages often lack buffers."""
    shared = one.tensors.keys() & other.tensors.keys()
    enough = 2 * len(shared) > max(len(one.tensors), len(other.tensors))
    return enough and all(one.tensors[key].shape == other.tensors[key].shape for key in shared)


def _has_patches(one: NamedWeights) -> bool:
    return any(name in one.tensors for name in _PATCHES)


def _require_positions(one: NamedWeights, state: Mapping[str, Tensor], origin: str) -> None:
    whole = _has_patches(one) or any(key.endswith("patch_embeddings.weight") for key in state)
    if not one.is_mit and whole and "pos_embed" not in one.tensors:
        raise UserError(
            f"{origin} holds a vision transformer without learned positions ({one}), as DINOv3, whose "
            "positions are rotary, and model.backbone has learned ones. Name the one that the file is of, by "
            "timm's names: model.backbone=vit_small_patch16_dinov3 (model.pretrained=hub gets timm's file)"
        )
