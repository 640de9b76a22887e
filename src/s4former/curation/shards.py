"""Packs folders of images into tar shards, and makes the indices of shards that others packed."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator, Sequence
from functools import partial
from io import BytesIO
from pathlib import Path

from s4former.config.errors import DataError, UserError
from s4former.config.outputs import Outputs, claim
from s4former.config.regular import not_regular, read_bytes, require_regular
from s4former.data.progress import Report, silent
from s4former.data.sources.listing import image_files
from s4former.data.sources.shard_index import INDEX, ShardIndex, bad_name, scan
from s4former.data.sources.shards import shard_files
from s4former.data.split_lists import EXPECTED, first_few

_ANOTHER = "type --out NEW_FOLDER"


def make_shards(images: Path, out: Path, largest: int, report: Report = silent) -> list[tuple[Path, int]]:
    """Pack the images below a folder, subfolders included, in the order in which training sees them.

    The files are packed as they are, each with its path below the folder. What was packed is complete or not
    there; a second call with the same folders packs anew.

    Args:
        images: The folder; nothing in it is changed.
        out: Folder of the shards, made if there is none.
        largest: Bytes that a shard should not exceed.
        report: Hears how far it is.

    Returns:
        Each shard and its number of images.

    Raises:
        DataError: If there are no images, one cannot be read, or has a name that no shard may hold.
        UserError: If ``out`` holds other shards, or files in the way.
    """
    names = list(image_files(images))
    if not names:
        missing = "holds no image" if images.is_dir() else "is no folder"
        raise DataError(f"{images} {missing}; {EXPECTED}")
    _require_names(names)
    parts = list(_parts(images, names, largest))
    stem = images.absolute().name or "images"
    shards = [out / f"{stem}-{number:06}.tar" for number in range(len(parts))]
    others = sorted(path.name for path in out.glob("*.tar") if path not in set(shards))
    if others:
        raise UserError(
            f"{out} holds other shards ({first_few(others)}), and they would be mixed; {_ANOTHER}"
        )
    files = [*shards, *map(_index_of, shards)]
    outputs = claim([(path, path.name) for path in files], "shard", instead=_ANOTHER)
    done = 0
    for shard, part in zip(shards, parts, strict=True):
        outputs.write(shard, partial(_pack, images, part))
        _write_index(shard, outputs)
        done += len(part)
        report("packing images", done, len(names))
    return [(shard, len(part)) for shard, part in zip(shards, parts, strict=True)]


def index_shards(places: Sequence[str], report: Report = silent) -> list[tuple[Path, int]]:
    """Write an index beside each shard that has none, after a look at all that is in it.

    Raises:
        DataError: If a shard is damaged, or holds what no shard may hold.
        UserError: If it cannot be written there.
    """
    if any("://" in place for place in places):
        raise UserError("an index is made where the shards are on a disk; copy it to their address with them")
    shards = [Path(shard) for place in places for shard in shard_files(place, "the path")]
    new = [shard for shard in shards if not _index_of(shard).exists()]
    outputs = claim([(_index_of(shard), shard.name) for shard in new], "shard", instead="copy them elsewhere")
    found = []
    for done, shard in enumerate(new, 1):
        found.append((shard, len(_write_index(shard, outputs))))
        report("reading shards", done, len(new))
    return found


def _require_names(names: Sequence[str]) -> None:
    """Refuse names that no shard may hold, before anything is packed."""
    odd = [name for name in names if bad_name(name)]
    if odd:
        shown = first_few([ascii(name) for name in odd], 3)
        raise DataError(
            f"{len(odd)} of {len(names)} images have names that are not packed, as {shown}: one in a shard "
            "holds printable UTF-8 characters, no backslash, and no colon as its second one; rename them"
        )


def _index_of(shard: Path) -> Path:
    return shard.with_name(shard.name + INDEX)


def _parts(images: Path, names: Sequence[str], largest: int) -> Iterator[list[str]]:
    """Yield the names that fit into a shard: each image takes a header and whole blocks of 512 bytes."""
    part, size = list[str](), 0
    for name in names:
        own = 1024 + _size(images / name)
        if part and size + own > largest:
            yield part
            part, size = [], 0
        part.append(name)
        size += own
    yield part


def _size(file: Path) -> int:
    try:
        require_regular(file)
        return os.path.getsize(file)
    except OSError as error:
        raise DataError(f"cannot read the image {file}: {error.strerror}; take it away or mend it") from None


def _pack(images: Path, names: Sequence[str], path: Path) -> None:
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as shard:
        for name in names:
            try:
                content = read_bytes(images / name)
            except OSError as error:
                raise DataError(f"cannot read the image {images / name}: {error.strerror}") from None
            info = tarfile.TarInfo(name)
            info.size = len(content)
            shard.addfile(info, BytesIO(content))
            shard.members.clear()  # type: ignore[attr-defined]  # else it would keep all of them


def _write_index(shard: Path, outputs: Outputs) -> ShardIndex:
    if problem := not_regular(shard):
        raise DataError(f"cannot read the shard {shard}: {problem}")
    size = shard.stat().st_size
    with shard.open("rb") as file:
        index = scan(file, str(shard), size)

    def fill(temporary: Path) -> None:
        with temporary.open("w", encoding="utf-8") as lines:
            lines.writelines(index.lines(size))

    outputs.write(_index_of(shard), fill)
    return index
