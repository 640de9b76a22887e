"""Which files hold the weights that a path stands for: a file, a list of shards, or a folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from s4former.config.errors import UserError
from s4former.config.record import read_json

_INDEX = ".index.json"
_USUAL = (
    "model.safetensors",
    f"model.safetensors{_INDEX}",
    "pytorch_model.bin",
    f"pytorch_model.bin{_INDEX}",
)
_ENDINGS = (".safetensors", ".bin", ".pth", ".pt", ".npz", ".ckpt", _INDEX)


@dataclass(frozen=True)
class WeightPlace:
    """Where weights lie.

    Attributes:
        files: The files, one or, of a network saved in shards, several.
        shard_of: Of shards, which file holds a tensor.
    """

    files: tuple[Path, ...]
    shard_of: Mapping[str, Path] | None = None


def find_weights(path: Path) -> WeightPlace:
    """Return the files behind a weight file, a shard index, a run, a model or a folder of Hugging Face's.

    Raises:
        UserError: If there are none, or several that are not of one network.
    """
    if path.is_dir():
        path = _in_folder(path)
    if not path.is_file():
        raise UserError(f"there is no weight file {path}")
    return _shards(path) if path.name.endswith(_INDEX) else WeightPlace((path,))


def _in_folder(folder: Path) -> Path:
    if (folder / "run.json").is_file():  # a run; its model is the one after the last step
        if not (folder / "model" / _USUAL[0]).is_file():
            raise UserError(f"the run in {folder} has no model yet; finish it with --resume")
        return folder / "model" / _USUAL[0]
    for name in _USUAL:
        if (folder / name).is_file():
            return folder / name
    found = weight_files_in(folder)
    if len(found) == 1:
        return found[0]
    if found:
        raise UserError(
            f"{folder} holds {len(found)} weight files, {', '.join(file.name for file in found[:6])}"
            f"{', ...' if len(found) > 6 else ''}; give one of them, as {found[0]}"
        )
    raise UserError(
        f"there is no weight file in {folder}; expected a run folder, a model folder, or one with "
        f"{', '.join(_USUAL)}"
    )


def weight_files_in(folder: Path) -> list[Path]:
    """List the files of a folder that are weights by their names, sorted; an index stands for its shards."""
    files = sorted(file for file in folder.iterdir() if file.name.endswith(_ENDINGS) and file.is_file())
    indexed = [file.name.removesuffix(_INDEX) for file in files if file.name.endswith(_INDEX)]
    shards = {f"{Path(name).stem}-" for name in indexed}
    return [file for file in files if not any(file.name.startswith(shard) for shard in shards)]


def is_usual(path: Path) -> bool:
    """Whether a file has the name that Hugging Face's tools give the weights of a folder, shards included."""
    return path.name in _USUAL or path.name.startswith(("model-000", "pytorch_model-000"))


def _shards(index: Path) -> WeightPlace:
    try:
        listed = read_json(index)["weight_map"]
        shard_of = {str(name): _beside(index, file) for name, file in listed.items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(
            f"{index} is no index of shards: expected JSON with a weight_map of tensor names and the files "
            f"that hold them ({type(error).__name__}: {error})"
        ) from None
    files = tuple(sorted(set(shard_of.values())))
    missing = [file.name for file in files if not file.is_file()]
    if missing or not files:
        raise UserError(
            f"{index} lists {len(files)} shards, of which {len(missing)} are not beside it: "
            f"{', '.join(missing[:4]) or 'none'}; download the missing ones into {index.parent}"
        )
    return WeightPlace(files, shard_of)


def _beside(index: Path, name: object) -> Path:
    """Return a shard's path; shards lie beside their index and nowhere else."""
    if not isinstance(name, str) or name in ("", ".", "..") or set(name) & set("/\\:\0"):
        raise UserError(f"{index} lists the shard {name!r}; expected the name of a file beside it, no path")
    return index.parent / name
