"""Reading tensors in any format that people have, without ever running what is in a file."""

from __future__ import annotations

import math
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from s4former.config.errors import NumericError, UserError
from s4former.models.colors import Colors, colors_beside, colors_in
from s4former.models.jax_names import load_npz
from s4former.models.pickled import load_pickled, why_refused
from s4former.models.weight_places import find_weights

_FORMATS = "safetensors, torch's .pth, .pt or .bin, or .npz"
# Levels that a pickled module has around its tensors, and parts that wrappers of modules add to names.
_NO_NAMES = re.compile(r"(?:^|(?<=\.))(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
_UNQUESTIONED, _MAX_PACKED = 2**28, 32
"""Bytes that no archive need justify, and how many times its own size one of weights unpacks to at most."""
_MODULE_LEVELS = ("_modules", "_parameters", "_buffers")


@dataclass(frozen=True)
class StoredWeights:
    """What lies in a weight file or folder.

    Attributes:
        tensors: All tensors by name; the names of dictionaries around them come first, as in
            ``state_dict.blocks.0.norm1.weight``.
        colors: The color statistics that the network was trained with, if the file or one beside it says.
    """

    tensors: dict[str, Tensor]
    colors: Colors | None


def read_state(path: str | Path) -> dict[str, Tensor]:
    """Return the tensors that a weight file, a shard index, a run, a model or a Hugging Face folder holds.

    Raises:
        UserError: If there is none, it can't be read, or it holds no tensors.
    """
    return read_weights(path).tensors


def read_weights(path: str | Path) -> StoredWeights:
    """Return the tensors as `read_state` does, and what is said of them.

    The content says what format a file has, whatever it is called.

    Raises:
        UserError: If there is no such file, it can't be read, or it holds no tensors.
    """
    place = find_weights(Path(path))
    tensors: dict[str, Tensor] = {}
    said: Colors | None = None
    for file in place.files:
        found, about = _read(file)
        if place.shard_of is not None:
            found = {name: value for name, value in found.items() if place.shard_of.get(name) == file}
        tensors |= found
        said = said or colors_in(about, str(file))
    if place.shard_of is not None and place.shard_of.keys() != tensors.keys():
        lost = sorted(place.shard_of.keys() - tensors.keys())
        raise UserError(
            f"the shards of {path} lack {len(lost)} of the tensors that their index lists, as "
            f"{', '.join(lost[:3])}; download them anew"
        )
    return StoredWeights(tensors, said or colors_beside(place.files[0]))


def require_finite(tensors: Mapping[str, Tensor], origin: str) -> None:
    """Refuse tensors that no network can compute with.

    Args:
        tensors: What is about to be loaded.
        origin: Where it comes from, for the message.

    Raises:
        UserError: If a tensor is sparse, quantized, complex or without values.
        NumericError: If one holds a NaN or an infinity; the message names it.
    """
    odd = [
        name
        for name, value in tensors.items()
        if value.layout != torch.strided or value.is_quantized or value.is_complex() or value.is_meta
    ]
    if odd:
        kind = tensors[odd[0]]
        what = "no values" if kind.is_meta else f"a {kind.layout} {kind.dtype}".replace("torch.", "")
        raise UserError(f"{origin}: expected dense tensors of numbers; {_listed(odd)} hold {what}")
    bad = non_finite(tensors)
    if bad:
        raise NumericError(
            f"{origin} holds values that are no numbers (NaN or infinite) in {len(bad)} of {len(tensors)} "
            f"tensors: {_listed(bad)}. A network with these predicts nothing. The training that wrote them "
            "broke down, or the file is damaged: take a file from before that, or get it anew"
        )


def non_finite(tensors: Mapping[str, Tensor]) -> list[str]:
    """Return the names of the tensors that hold a NaN or an infinity."""
    return [name for name, value in tensors.items() if not _is_finite(value)]


def _is_finite(value: Tensor) -> bool:
    if not value.is_floating_point() or not value.numel():
        return True
    value = value.detach()
    if value.element_size() == 1:  # eight-bit floats have no arithmetic
        value = value.float()
    # The smallest and the largest tell of a NaN as well, and unlike a mask of all values take no memory.
    return all(math.isfinite(float(end)) for end in torch.aminmax(value))


def _listed(names: list[str]) -> str:
    return f"{', '.join(names[:4])}{', ...' if len(names) > 4 else ''}"


def _read(path: Path) -> tuple[dict[str, Tensor], Any]:
    """Return the tensors in one file and what else it says."""
    start = b""
    try:
        with path.open("rb") as opened:
            start = opened.read(64)
        if start[8:9] == b"{":  # behind the length of its header
            with safe_open(path, framework="pt") as file:
                tensors = {_plain(name): file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                about: Any = file.metadata()
        else:
            require_not_packed(path)
            npz = _is_npz(path)
            about = None if npz else load_pickled(path)
            tensors = load_npz(path) if npz else _named_tensors(about) if isinstance(about, Mapping) else {}
    except UserError:
        raise
    except BaseException as error:  # readers stumble over foreign bytes in more ways than they document
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise UserError(_why_unreadable(path, start, error)) from error
    if not tensors:
        if about is not None and not isinstance(about, Mapping):
            raise UserError(f"{path} holds a {type(about).__name__}; expected tensors by name")
        raise UserError(
            f"{path} holds no tensors; it has {', '.join(map(str, list(about or ())[:5])) or 'nothing'}"
        )
    return tensors, about


def _named_tensors(content: Mapping[Any, Any], around: str = "", depth: int = 0) -> dict[str, Tensor]:
    """Return the tensors in nested dictionaries; those under numbers belong to an optimizer's state."""
    found: dict[str, Tensor] = {}
    for key, value in content.items():
        if isinstance(key, str) and isinstance(value, Tensor):
            found[_plain(around + key)] = value.detach()
        elif isinstance(key, str) and isinstance(value, Mapping) and depth < 40:
            inside = around if key in _MODULE_LEVELS else f"{around}{key}."
            found |= _named_tensors(value, inside, depth + 1)
    return found


def require_not_packed(path: Path) -> None:
    """Refuse an archive that would unpack to far more than it is: weights hardly pack, zeros without end do.

    Raises:
        UserError: If it would.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked, size = sum(file.file_size for file in archive.infolist()), path.stat().st_size
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return  # no archive; if it is a broken one, its reader says so
    if unpacked > max(_UNQUESTIONED, _MAX_PACKED * size):
        raise UserError(
            f"{path} can't be read: its {size / 2**20:,.1f} MiB would unpack to {unpacked / 2**20:,.0f} MiB, "
            "which weights never do; get it anew, from a place that you trust"
        )


def _plain(name: str) -> str:
    return _NO_NAMES.sub("", name)


def _is_npz(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith(".npy") for name in archive.namelist())


def _why_unreadable(path: Path, start: bytes, error: BaseException) -> str:
    if start.startswith(b"version https://git-lfs"):
        return f"{path} can't be read: it is not the file but git's note where it lies; type `git lfs pull`"
    if start.lstrip()[:1] == b"<" and start[8:9] != b"{":  # the length of a header may look like one
        return f"{path} can't be read: it is a web page, not a weight file; download it anew"
    refused = why_refused(path, error) if isinstance(error, Exception) else None
    if refused:
        return refused
    if isinstance(error, PermissionError):
        return f"{path} can't be read: {error.strerror}"
    if isinstance(error, MemoryError) or "allocate memory" in str(error):
        size = path.stat().st_size / 2**20
        return (
            f"there is not enough memory to read {path} ({size:.0f} MB): close other programs, or, if that "
            "is little, download it anew, as it is damaged"
        )
    return (
        f"{path} can't be read as a weight file of plain tensors ({_FORMATS}; {first_line(error)}); "
        "a cut-off download is a common cause"
    )


def first_line(error: BaseException) -> str:
    """Return the kind of an error and the first line of what it says."""
    text = str(error).strip()
    paragraphs = text.split("\n\n")
    if "weights_only" in text and len(paragraphs) > 2:
        # Around its reason torch advises to read it all the same.
        text = paragraphs[-2].strip()
    lines = text.splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else 'no reason given'}"
