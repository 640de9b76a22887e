"""Downloads a file: takes up where it broke off, tries again, and keeps only what has the right checksum."""

from __future__ import annotations

import hashlib
import http.client
import os
import shutil
import time
import urllib.error
import urllib.request
from pathlib import Path

from s4former.config.errors import DataError, UserError
from s4former.config.record import versions
from s4former.data.progress import Report, silent

_BLOCK = 2**20
_TIMEOUT_SECONDS = 30
_PATIENCE = 5
"""Tries in a row that may bring nothing new."""
_SPARE = 64 * 2**20
"""Bytes of a disk that are left free."""
_BROKEN = (OSError, http.client.HTTPException)  # of sockets, of urllib, of answers that end too early


def download(
    url: str,
    path: Path,
    checksum: str | None = None,
    report: Report = silent,
    pause: float = 1.0,
    instead: str = "get it elsewhere and type --archives DIR with the file in it",
) -> Path:
    """Download a file, unless it is there; a part of it from before, in ``NAME.part``, is continued.

    Args:
        url: Its address, http or https.
        path: Where it goes, once it is whole and its checksum is right. Folders are made.
        checksum: As in ``md5:d41d8...`` or ``sha256:e3b0c...``; None: the file's length alone is checked.
        report: Hears how many bytes there are.
        pause: Seconds before the second try; twice as many before each further one.
        instead: What to do if it cannot be had.

    Returns:
        ``path``.

    Raises:
        UserError: If the address is no web address, or there is too little space on the disk.
        DataError: If the server refuses, the connection breaks too often, or the checksum is wrong.
    """
    if path.exists():
        return path
    if not url.startswith(("https://", "http://")):
        raise UserError(f"expected an address that starts with https:// or http://, got {url}")
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    resumed = part.exists()
    _fetch(url, part, report, pause, instead)
    found = _sum_like(checksum, part, report)
    if found != checksum and resumed:
        part.unlink()  # it may be the old part that is bad, or the file may have changed since
        _fetch(url, part, report, pause, instead)
        found = _sum_like(checksum, part, report)
    if found != checksum:
        part.unlink()
        raise DataError(
            f"{url} has the checksum {found}, expected {checksum}: it was changed or damaged; "
            f"try again, or {instead}"
        )
    part.replace(path)
    return path


def digest(path: Path, algorithm: str, report: Report = silent) -> str:
    """Return a file's checksum, as in ``md5:d41d8...``."""
    summed, total = hashlib.new(algorithm), path.stat().st_size
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            summed.update(block)
            report(f"checking {path.stem}", file.tell(), total)
    return f"{algorithm}:{summed.hexdigest()}"


def require_space(folder: Path, needed: int) -> None:
    """Check that a disk has space.

    Raises:
        UserError: If it has less than ``needed`` bytes and some to spare.
    """
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free < needed + _SPARE:
        raise UserError(
            f"{needed / 1e9:.1f} GB are needed in {folder.absolute()} and {free / 1e9:.1f} GB are free; "
            "make space, or type --root with a folder on a larger disk"
        )


def _fetch(url: str, part: Path, report: Report, pause: float, instead: str) -> None:
    """Fill ``part`` until the file is whole, over as many connections as that takes."""
    idle = 0
    while True:
        before = _size(part)
        try:
            if _receive(url, part, report):
                return
            problem: Exception = DataError("the connection was closed too early")
        except urllib.error.HTTPError as error:
            if error.code not in (408, 429) and error.code < 500:
                raise DataError(
                    f"cannot download {url}: {error.code} {error.reason}; if it has moved, {instead}"
                ) from None
            problem = error
        except _BROKEN as error:
            problem = error
        idle = 0 if _size(part) > before else idle + 1
        if idle >= _PATIENCE:
            raise DataError(
                f"cannot download {url}: {problem}; type the same command again, which goes on with what "
                f"came so far, or {instead}"
            ) from problem
        time.sleep(min(60.0, pause * 2**idle))


def _receive(url: str, part: Path, report: Report) -> bool:
    """Add what one connection brings; return whether the file is whole."""
    start = _size(part)
    request = urllib.request.Request(url, headers={"User-Agent": f"s4former/{versions()['s4former']}"})
    if start:
        request.add_header("Range", f"bytes={start}-")
    try:
        answer: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        if error.code != 416 or not start:
            raise
        # Nothing comes after what there is: it is whole, or of another file.
        if error.headers.get("Content-Range") == f"bytes */{start}":
            return True
        part.unlink()
        return False
    with answer:
        if answer.status != 206:
            start = 0  # the server sends everything again
        length = answer.headers.get("Content-Length")
        total = None if length is None else start + int(length)
        require_space(part.parent, 0 if total is None else total - start)
        done = start
        with part.open("ab" if start else "wb") as file:
            while block := answer.read(_BLOCK):
                file.write(block)
                done += len(block)
                report(f"downloading {part.stem}", done, total)
            file.flush()
            os.fsync(file.fileno())
    return total is None or done == total


def _sum_like(checksum: str | None, path: Path, report: Report) -> str | None:
    """Return a file's checksum of the same kind, or None for none."""
    return None if checksum is None else digest(path, checksum.partition(":")[0], report)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
