"""Unpacks chosen files of zip and tar archives: whole files only, and none outside of the folder."""

from __future__ import annotations

import gzip
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath, PureWindowsPath

from s4former.config.errors import DataError, UserError
from s4former.config.record import write_atomically
from s4former.curation.download import require_space
from s4former.data.progress import Report, silent
from s4former.data.split_lists import first_few

Members = Callable[[str], str | None]
"""From a name in the archive to the path that the file gets below the folder; None: it is not needed."""

_DAMAGED = (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile)
_BLOCK = 2**20
_COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7z")


def unpack(archive: Path, folder: Path, members: Members, report: Report = silent) -> int:
    """Unpack the files that ``members`` wants; those already there in the same size are left alone.

    Returns:
        How many files were written.

    Raises:
        DataError: If the archive is truncated or damaged, holds paths that lead out of the folder, or wants a
            link as a file. Files written until then have their full length.
        UserError: If there is too little space on the disk, or a file of another size in the place of one.
    """
    opened = _unpack_zip if archive.suffix.lower() == ".zip" else _unpack_tar
    try:
        return opened(archive, folder, members, report)
    except _DAMAGED as error:
        raise DataError(
            f"{archive} is truncated or damaged ({error}); delete it and run the command again"
        ) from error


def _unpack_zip(archive: Path, folder: Path, members: Members, report: Report) -> int:
    with zipfile.ZipFile(archive) as opened:
        wanted: list[tuple[zipfile.ZipInfo, Path]] = []
        for info in opened.infolist():
            target = _target(archive, info.filename, folder, members)
            if target is None or info.is_dir():
                continue
            if stat.S_ISLNK(info.external_attr >> 16):
                raise DataError(f"{archive}: {info.filename} is a link where a file was expected")
            if not _is_there(target, info.file_size):
                wanted.append((info, target))
        _require_free(target for _, target in wanted)
        require_space(folder, sum(info.file_size for info, _ in wanted))
        for number, (info, target) in enumerate(wanted):
            with opened.open(info) as stream:
                _place(stream.read, target)
            report(f"unpacking {archive.name}", number + 1, len(wanted))
    return len(wanted)


def _unpack_tar(archive: Path, folder: Path, members: Members, report: Report) -> int:
    _require_end(archive)
    written, size = 0, archive.stat().st_size
    require_space(folder, size)
    if folder.is_dir() and any(folder.iterdir()):
        with tarfile.open(archive) as opened:
            found = ((_target(archive, member.name, folder, members), member) for member in opened)
            _require_free(
                target
                for target, member in found
                if target is not None and member.isreg() and not _is_there(target, member.size)
            )
    with archive.open("rb") as file, tarfile.open(fileobj=file, mode="r:*") as opened:
        for member in opened:
            target = _target(archive, member.name, folder, members)
            if target is None or member.isdir():
                continue
            stream = opened.extractfile(tarfile.data_filter(member, str(folder))) if member.isreg() else None
            if stream is None:
                raise DataError(f"{archive}: {member.name} is a link where a file was expected")
            if not _is_there(target, member.size):
                _place(stream.read, target)
                written += 1
            report(f"unpacking {archive.name}", file.tell(), size)
        while opened.fileobj is not None and opened.fileobj.read(_BLOCK):
            pass  # a compressed archive tells at its end whether all that came out was right
    return written


def _target(archive: Path, name: str, folder: Path, members: Members) -> Path | None:
    """Return where a file goes, having made sure that neither its name nor its target leads out.

    Links that the user made inside of the folder, say to a larger disk, are followed; archives make none.
    """
    target = members(name)
    for path in (name, target or ""):
        parts = path.replace("\\", "/").split("/")
        if PurePosixPath(path).is_absolute() or PureWindowsPath(path).drive or ".." in parts:
            raise DataError(f"{archive} holds {name!r}, which leads out of the folder; it was not unpacked")
    return None if target is None else folder / target


def _is_there(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


def _require_free(targets: Iterable[Path]) -> None:
    """Make sure that what is to be unpacked takes no file's place: of another size, it is no copy of it."""
    others = [str(target) for target in targets if os.path.lexists(target)]
    if others:
        raise UserError(
            f"{first_few(others)}: of another size than in the archive, and nothing is written over; move "
            "what is there away, or type another --root"
        )


def _place(read: Callable[[int], bytes], path: Path) -> None:
    """Write a file whole or not at all."""

    def copy(temporary: Path) -> None:
        with temporary.open("wb") as file:
            while block := read(_BLOCK):
                file.write(block)

    write_atomically(path, copy, synced=False)


def _require_end(archive: Path) -> None:
    """Check that an uncompressed tar ends in zeros: `tarfile` takes one cut between two files as whole."""
    with archive.open("rb") as file:
        compressed = file.read(3).startswith(_COMPRESSED)
        file.seek(max(0, archive.stat().st_size - 1024))
        end = file.read()
    if not compressed and (len(end) < 1024 or any(end)):
        raise tarfile.ReadError("its end is missing")
