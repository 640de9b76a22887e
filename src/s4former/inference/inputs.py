"""Which images a person means by a list of files, folders and globs."""

from __future__ import annotations

import glob
import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image as PilImage

from s4former.config.errors import UserError
from s4former.config.outputs import PICTURES, Ledgers
from s4former.data.split_lists import SUFFIXES


@dataclass(frozen=True)
class FoundImages:
    """Images, and where what is predicted of each belongs.

    Attributes:
        images: The place of each image (its path below a folder that was searched, or its name; without the
            ending), and its file.
        passed_over: How many pictures were skipped because this package wrote them.
        unreadable: Folders that may not be listed, a sentence each.
    """

    images: tuple[tuple[str, Path], ...]
    passed_over: int = 0
    unreadable: tuple[str, ...] = ()


VIDEOS = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv")
"""Endings of videos, in lower case."""


def find_images(arguments: Sequence[str], videos: bool = False) -> FoundImages:
    """Return the images that files, folders and globs mean; what the package wrote itself is passed over.

    So are run folders and hidden folders below a folder that is searched.

    Args:
        arguments: What was typed.
        videos: Whether videos in folders and globs are meant, too.

    Raises:
        UserError: If an argument stands for no image, or nothing is left.
    """
    ledgers, passed_over, unreadable = Ledgers(), set[Path](), list[str]()
    found: dict[tuple[str, Path], Path] = {}
    for argument in arguments:
        matches = list(_expand(argument, _endings(videos), unreadable))
        if not matches:
            why = f" ({'; '.join(unreadable)})" if unreadable else ""
            raise UserError(f"{argument}: there is no such image, and no image in it if it is a folder{why}")
        own = {path for _, path in matches if any(ledgers.wrote(path, kind) for kind in PICTURES)}
        passed_over |= own
        for stem, path in matches:
            if path not in own:
                found.setdefault((stem, Path(os.path.realpath(path))), path)
    if not found:
        raise UserError(
            f"there is no image among {', '.join(arguments)} but what s4former wrote itself; "
            "give the images that it was made of"
        )
    return FoundImages(
        tuple((stem, path) for (stem, _), path in found.items()), len(passed_over), tuple(unreadable)
    )


def _endings(videos: bool) -> set[str]:
    PilImage.init()
    return {*PilImage.EXTENSION, *SUFFIXES, *(VIDEOS if videos else ())}


def _expand(argument: str, endings: Collection[str], unreadable: list[str]) -> Iterator[tuple[str, Path]]:
    path = Path(argument)
    if path.is_file():
        yield path.stem, path
    elif path.is_dir():
        for image in _images_below(path, endings, unreadable):
            yield image.relative_to(path).with_suffix("").as_posix(), image
    else:
        for match in map(Path, sorted(glob.glob(argument, recursive=True))):
            if match.is_dir():
                yield from _expand(str(match), endings, unreadable)
            elif _is_image(match, endings):  # also what turns out to be unreadable, as a link to nothing
                yield match.stem, match


def _images_below(folder: Path, endings: Collection[str], unreadable: list[str]) -> Iterator[Path]:
    def note(error: OSError) -> None:
        unreadable.append(
            f"cannot list the folder {error.filename}: {error.strerror}; its owner can allow it"
        )

    for parent, folders, names in os.walk(folder, onerror=note):
        inside = Path(parent)
        if (inside / "run.json").is_file():
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (inside / name for name in sorted(names) if _is_image(inside / name, endings))


def _is_image(path: Path, endings: Collection[str]) -> bool:
    return path.suffix.lower() in endings and not path.name.startswith(".")
