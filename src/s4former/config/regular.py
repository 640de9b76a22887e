"""Files that may be anybody's: read if they are regular ones, added to if they are nobody else's as well.

Opening a named pipe waits for whoever writes into it, and a device may have no end. What is added to a link,
or to a file of two names, changes another file.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

from s4former.config.errors import UserError

_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class IrregularFileError(OSError):
    """A file that would be read without an end; whoever opens files says which it is."""

    def __str__(self) -> str:
        return str(self.strerror)


def not_regular(path: Path) -> str | None:
    """Say what a path leads to that would be read without an end; None of a file, a folder or nothing."""
    try:
        kind = _KINDS.get(stat.S_IFMT(path.stat().st_mode))
    except (OSError, ValueError):  # whoever opens it says what is wrong with it
        return None
    return f"it is {kind}, and a regular file was expected" if kind else None


def require_regular(path: Path) -> None:
    """Refuse what would be read without an end.

    Raises:
        IrregularFileError: If it is a pipe, a socket or a device.
    """
    if problem := not_regular(path):
        raise IrregularFileError(errno.EINVAL, problem, str(path))


def read_text(path: Path, encoding: str = "utf-8", errors: str = "strict") -> str:
    """Return the text of a file, as `Path.read_text` does.

    Raises:
        OSError: If it cannot be read, or is a pipe, a socket or a device.
    """
    require_regular(path)
    return path.read_text(encoding=encoding, errors=errors)


def read_bytes(path: Path) -> bytes:
    """Return the content of a file, as `Path.read_bytes` does.

    Raises:
        OSError: If it cannot be read, or is a pipe, a socket or a device.
    """
    require_regular(path)
    return path.read_bytes()


def not_ours(path: Path) -> str | None:
    """Say why nothing may be added to a file; None if it may, or there is none."""
    try:
        return _not_ours(path, path.lstat())
    except OSError:
        return None


def append(path: Path, line: bytes) -> None:
    """Add a line to a file that only its own name leads to, after what a crash may have cut.

    Raises:
        UserError: If it is a link, has a second name, or is no regular file.
        OSError: If it cannot be written.
    """
    if problem := not_ours(path):
        raise UserError(problem)
    try:
        with open(path, "ab+", opener=_not_through_links) as file:
            if problem := _not_ours(path, os.fstat(file.fileno())):  # it was put there in between
                raise UserError(problem)
            file.write(_line_end(file) + line + b"\n")
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


def _not_through_links(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0), 0o666)


def _line_end(file: BinaryIO) -> bytes:
    """Return what ends the last line of a file, if a crash has cut it."""
    if not file.seek(0, os.SEEK_END):
        return b""
    file.seek(-1, os.SEEK_END)
    return b"" if file.read(1) == b"\n" else b"\n"


def _not_ours(path: Path, found: os.stat_result) -> str | None:
    if stat.S_ISLNK(found.st_mode):
        what = "is a link"
    elif not stat.S_ISREG(found.st_mode):
        what = "is no regular file"
    elif found.st_nlink > 1:
        what = "is one file with another name (a hard link)"
    else:
        return None
    return f"{path} {what}, and s4former would write its notes into it; take it away"
