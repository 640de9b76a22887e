"""Which images a person means by a list of files, folders and globs."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator
from pathlib import Path

from PIL import Image as PilImage

from s4former.config.errors import UserError
from s4former.data.splits.lists import SUFFIXES


def find_images(arguments: Iterable[str]) -> dict[str, Path]:
    """Return the images by the stem of what is written for each; below a folder, subfolders are kept.

    Raises:
        UserError: If an argument stands for no image, or two images would be written to the same place.
    """
    found: dict[str, Path] = {}
    for argument in arguments:
        matches = list(_expand(argument))
        if not matches:
            raise UserError(f"{argument}: there is no such image, and no image in it if it is a folder")
        for stem, path in matches:
            other = found.setdefault(stem, path)
            if other.resolve() != path.resolve():
                raise UserError(
                    f"{other} and {path} would both be written as {stem}.png; use one --out for each"
                )
    return found


def _expand(argument: str) -> Iterator[tuple[str, Path]]:
    path = Path(argument)
    if path.is_file():
        yield path.stem, path
    elif path.is_dir():
        for image in sorted(path.rglob("*")):
            if image.is_file() and _is_image(image):
                yield image.relative_to(path).with_suffix("").as_posix(), image
    else:
        for match in sorted(glob.glob(argument, recursive=True)):
            if Path(match).is_dir() or _is_image(Path(match)):
                yield from _expand(match)


def _is_image(path: Path) -> bool:
    PilImage.init()
    return path.suffix.lower() in {*PilImage.EXTENSION, *SUFFIXES} and not path.name.startswith(".")
