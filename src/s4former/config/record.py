"""What a run leaves behind: files written whole or not at all, and where, with what and by whom it ran."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, Never

from s4former.config.errors import UserError, ValueMistake
from s4former.config.regular import read_text, require_regular

PACKAGES = ("s4former", "torch", "torchvision", "timm", "numpy", "pillow", "pydantic", "safetensors")
"""Packages whose versions can change a result."""


def checksum(path: Path) -> str:
    """Return the SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_atomically(path: Path, write: Callable[[Path], object], *, synced: bool = True) -> None:
    """Let ``write`` fill a temporary file beside ``path``, then move it there once it is safely on the disk.

    Whatever happens in between, ``path`` holds its old content or its new one, never a part.

    Args:
        path: The file; its folder is made.
        write: Writes the file that it is given.
        synced: Wait for the disk. Of 100,000 files that can be made again one by one, nobody would want it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    own = hashlib.sha256(os.fsencode(path.name)).hexdigest()  # a longer name than the file's may be too long
    temporary = path.with_name(f".{own[:16]}.{os.getpid()}.tmp")
    try:
        write(temporary)
        if synced:
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        if error.filename is None and error.errno:  # of a write, Python does not say where
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)
    if synced:
        _sync_folder(path.parent)


def is_temporary(path: Path) -> bool:
    """Whether a file is what a killed process left of `write_atomically`."""
    return path.name.startswith(".") and path.name.endswith(".tmp")


def _sync_folder(folder: Path) -> None:
    """Make a rename in ``folder`` outlive a power cut, where the system can (Windows cannot open folders)."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all.

    Raises:
        UserError: If it holds what no text can, as a file's name that is not UTF-8.
    """
    content = utf8(text, path)
    write_atomically(path, lambda temporary: temporary.write_bytes(content))


def utf8(text: str, path: Path) -> bytes:
    """Return what a text file holds.

    Raises:
        UserError: If the text holds what is not UTF-8; it is named, and the file.
    """
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        around = text[max(0, error.start - 40) : error.end + 20].encode("utf-8", "backslashreplace").decode()
        raise UserError(
            f"{path} cannot be written: no text file can hold {text[error.start : error.end]!a}, as in "
            f"{' '.join(around.split())!r}; if it is the name of a file, rename it, as it is not UTF-8"
        ) from None


def json_text(data: Any) -> str:
    """Return data as JSON; NaN and infinity are refused, as JSON has no word for them."""
    return json.dumps(data, indent=2, allow_nan=False) + "\n"


def write_json(path: Path, data: Any) -> None:
    """Write a JSON file whole or not at all."""
    write_text(path, json_text(data))


def read_json(path: Path) -> Any:
    """Return the content of a JSON file.

    Raises:
        ValueError: If it is none.
        OSError: If it cannot be read, or is no regular file.
    """
    return _parsed(read_text(path))


def _parsed(text: str) -> Any:
    """Return what a text says if it could be written again: JSON has no NaN, UTF-8 no half a character."""
    try:
        found = json.loads(text, parse_constant=_no_number)
        halved = re.search(r"\\u[dD]", text) and re.search(
            "[\ud800-\udfff]", json.dumps(found, ensure_ascii=False)
        )
    except RecursionError:
        raise ValueError("its brackets are nested too deeply") from None
    if halved:
        raise ValueError("it holds half a character (a surrogate without its other half)")
    return found


def _object(found: Any) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise ValueError("it is no object in braces")
    return found


def _no_number(word: str) -> Never:
    raise ValueError(f"{word} is no number in JSON")


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the objects of a diary; a last line that was cut off while being written does not count.

    Raises:
        ValueMistake: If another line is damaged.
    """
    found: list[dict[str, Any]] = []
    require_regular(path)
    if path.is_file():
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")[:-1]
        for number, line in enumerate(lines, 1):
            try:
                found.append(_object(_parsed(line)))
            except ValueError as error:
                raise ValueMistake(
                    f"line {number} of {path} is damaged ({error}); delete that line"
                ) from None
    return found


def now() -> str:
    """Return the time in UTC, to the second, as ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that matter to a result."""
    return {"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}}


@cache
def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


@cache
def commit() -> str | None:
    """Return the git commit that this package runs from, as it was when this process first asked."""
    return commit_of(Path(__file__).parent)


def commit_of(folder: Path) -> str | None:
    """Return the git commit of a folder, with ``+changes`` if files differ from it.

    None if its files are not under version control (an installed package inside somebody's repository is
    not).
    """

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", "-C", str(folder), *arguments],
                capture_output=True,
                text=True,
                timeout=10,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    if not git("ls-files", "."):
        return None
    head = git("rev-parse", "HEAD")
    changed = git("status", "--porcelain", "--untracked-files=no")
    return f"{head}+changes" if head and changed else head


def hardware() -> dict[str, Any]:
    """Return what the machine is, as far as the standard library knows."""
    record: dict[str, Any] = {
        "platform": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
    }
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        record["memory_gib"] = round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    return record


def run_record(
    run: Mapping[str, Any], data: Mapping[str, Any], devices: Mapping[str, Any], config: str | None = None
) -> dict[str, Any]:
    """Return the content of ``run.json``: what runs, on which data, started how, with what, on which machine.

    Args:
        run: The resolved run, dumped.
        data: What the data set was: its fingerprint, sizes and classes.
        devices: What is known of the accelerator and the threads, added to the hardware.
        config: The recipe's name or the file that the run was read from; none: it was given as an object.
    """
    return {
        "config": config,
        "run": dict(run),
        "command": list(sys.argv),
        "working_directory": str(Path.cwd()),
        "started": now(),
        "versions": versions(),
        "commit": commit(),
        "hardware": {**hardware(), **devices},
        "data": dict(data),
        "resumed": [],
    }
