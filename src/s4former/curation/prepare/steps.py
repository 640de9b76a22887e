"""What preparing a data set is made of: archives to have, and steps that know whether they are done."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from s4former.config.errors import UserError
from s4former.config.record import write_json
from s4former.curation.download import download
from s4former.curation.prepare.archives import Members, unpack
from s4former.curation.splits.fetch import shipped_lists, write_shipped
from s4former.data.config import DataConfig
from s4former.data.progress import Report, silent
from s4former.data.sources.base import Split
from s4former.data.sources.known import KNOWN
from s4former.types import IGNORE

DOWNLOADS = "downloads"
"""Folder of downloaded archives below the root of the data."""


@dataclass(frozen=True)
class Archive:
    """An archive that a data set comes in.

    Attributes:
        name: Its file name.
        url: Where it can be downloaded; None: only its publisher's page has it, behind a login.
        size: Bytes, about; 0: not known.
        checksum: As `download` takes it.
        page: The publisher's page, if there is no ``url``.
    """

    name: str
    url: str | None
    size: int = 0
    checksum: str | None = None
    page: str = ""


@dataclass(frozen=True)
class Step:
    """One step: a title, whether it is done, and how to do it.

    Attributes:
        title: What it makes.
        done: Whether everything that it makes is there.
        run: Makes what is missing, from the archive if the step has one; returns how many files it wrote.
        archive: What it needs.
    """

    title: str
    done: Callable[[], bool]
    run: Callable[[Path | None, Report], int]
    archive: Archive | None = None


@dataclass(frozen=True)
class DataSet:
    """A published data set.

    Attributes:
        name: What it is called on the command line, and by `KNOWN` classes.
        title: Its full name.
        terms: What its publishers allow, in a few words.
        folder: Where it lies below the root of all data.
        layout: Fields of a `DataConfig` with that folder as root.
        images: Published number of images of each split.
        steps: Returns the steps for a folder.
    """

    name: str
    title: str
    terms: str
    folder: str
    layout: Mapping[str, Any]
    images: Mapping[Split, int]
    steps: Callable[[Path], list[Step]]

    def config(self, root: Path, **changes: Any) -> DataConfig:
        """Return the config of the prepared data set, with some fields changed."""
        return DataConfig.model_validate({**self.layout, "root": (root / self.folder).as_posix(), **changes})


@dataclass(frozen=True)
class Planned:
    """A step with what is to happen.

    Attributes:
        step: The step.
        action: ``nothing`` if it is done; ``unpack`` an archive at hand, ``download`` it first, ``get`` it
            from its page by hand; ``make`` files from others.
        archive: The archive at hand.
    """

    step: Step
    action: Literal["nothing", "unpack", "download", "get", "make"]
    archive: Path | None = None


def plan(dataset: DataSet, root: Path, archives: Path | None = None) -> list[Planned]:
    """Return what preparing a data set would do; nothing is changed.

    Args:
        dataset: The data set.
        root: Folder of all data.
        archives: Folder of archives that the user has.

    Raises:
        UserError: If ``archives`` is no folder.
    """
    if archives is not None and not archives.is_dir():
        raise UserError(f"there is no folder {archives}; type --archives with the folder of your archives")
    folder = root / dataset.folder
    steps = [*dataset.steps(folder), _classes_step(dataset.name, folder / "classes.json")]
    if lists := shipped_lists(dataset.folder):
        steps.append(_lists_step(root, lists))
    return [_planned(step, root, archives) for step in steps]


def carry_out(steps: list[Planned], root: Path, report: Report = silent) -> list[tuple[Step, int]]:
    """Do what a plan says.

    Returns:
        The steps that were not done before, and how many files each wrote.

    Raises:
        UserError: If an archive is to be got by hand; nothing is done then.
        DataError: If a download fails, or an archive or a file in it is damaged.
    """
    by_hand = [planned.step.archive for planned in steps if planned.action == "get"]
    if by_hand:
        names = " and ".join(f"{archive.name} ({size(archive)})" for archive in by_hand if archive)
        page = next(archive.page for archive in by_hand if archive)
        raise UserError(
            f"{names} can only be had with a login: get {'it' if len(by_hand) == 1 else 'them'} from {page}, "
            "and type --archives DIR with the folder"
        )
    written = []
    for planned in steps:
        if planned.action == "nothing":
            continue
        archive, file = planned.step.archive, planned.archive
        if planned.action == "download" and archive is not None and archive.url is not None:
            file = download(archive.url, root / DOWNLOADS / archive.name, archive.checksum, report)
        written.append((planned.step, planned.step.run(file, report)))
    return written


def unpacking(
    title: str,
    archive: Archive,
    folder: Path,
    wanted: re.Pattern[str] | Members,
    files: Mapping[str, int],
    unless: Callable[[], bool] = lambda: False,
) -> Step:
    """Return the step that unpacks an archive.

    Args:
        title: What it brings.
        archive: The archive.
        folder: Where to.
        wanted: Which files, see `unpack`; or a pattern of names, whose first group is their path.
        files: How many files folders below ``folder`` must hold for the step to count as done.
        unless: A check; if what is made of the files is there already, the step counts as done as well.
    """

    def member(name: str) -> str | None:
        if not isinstance(wanted, re.Pattern):
            return wanted(name)
        match = wanted.fullmatch(name)
        return match and match[1]

    def run(file: Path | None, report: Report) -> int:
        assert file is not None
        return unpack(file, folder, member, report)

    done = there(folder, files)
    return Step(title, lambda: unless() or done(), run, archive)


def there(folder: Path, files: Mapping[str, int]) -> Callable[[], bool]:
    """Return a check: whether folders below one hold so many files each, at least."""
    return lambda: all(count_files(folder / below) >= count for below, count in files.items())


def count_files(folder: Path) -> int:
    """Return how many files there are below a folder, hidden ones excluded; 0 if there is no such folder."""
    return sum(
        sum(not name.startswith(".") for name in names) for _, _, names in os.walk(folder, followlinks=True)
    )


def size(archive: Archive) -> str:
    """Return an archive's size for people."""
    if not archive.size:
        return "size not known"
    return f"{archive.size / 1e9:.1f} GB" if archive.size >= 1e9 else f"{archive.size / 1e6:.0f} MB"


def _classes_step(name: str, path: Path) -> Step:
    """Return the step that writes names and colors of the classes beside the data."""
    known = KNOWN[name]

    def write(_: Path | None, report: Report) -> int:
        write_json(path, {"names": known.names, "colors": known.colors, "ignore_index": IGNORE})
        return 1

    return Step(path.name, path.exists, write)


def _lists_step(root: Path, lists: list[str]) -> Step:
    """Return the step that puts the release's split lists in their places."""

    def missing() -> list[str]:
        return [target for target in lists if not (root / target).exists()]

    def write(_: Path | None, report: Report) -> int:
        targets = missing()
        for target in targets:
            write_shipped(root, target)
        return len(targets)

    return Step("split lists of the S4Former release", lambda: not missing(), write)


def _planned(step: Step, root: Path, archives: Path | None) -> Planned:
    if step.done():
        return Planned(step, "nothing")
    if step.archive is None:
        return Planned(step, "make")
    homes = [folder for folder in (archives, root / DOWNLOADS) if folder is not None]
    for home in homes:
        if (home / step.archive.name).is_file():
            return Planned(step, "unpack", home / step.archive.name)
    return Planned(step, "get" if step.archive.url is None else "download")
