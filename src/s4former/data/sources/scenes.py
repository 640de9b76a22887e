"""Made-up scenes as a data set that needs no download: see `aerial` for what they show."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from s4former.config.errors import DataError
from s4former.data.classes import Classes
from s4former.data.config import DataConfig
from s4former.data.sources.aerial import CLASS_COLORS, CLASS_NAMES, render_scene
from s4former.data.sources.base import Image, LabelImage, Split
from s4former.data.split_lists import first_few, read_split

_LABELED = range(8)
_UNLABELED = range(8, 608)
_VAL = range(10_000, 10_100)
_TEST = range(20_000, 20_200)
_RULES = 2
"""Version of the maker: raised when the same numbers give other pictures."""
_ID = re.compile(r"scene-\d{5}")


class ScenesSource:
    """Scenes of one world as a data set: 8 labeled, 600 unlabeled, 100 to validate and 200 to test on.

    Split lists of ids (``scene-00000`` and so on) choose other scenes; an id is the scene's number.

    Args:
        config: ``root`` is the number of the world; of the other fields only the split lists are looked at.

    Raises:
        DataError: If ``root`` is not a number, or a split list names something that is not a scene.
    """

    def __init__(self, config: DataConfig) -> None:
        if not config.root.isdecimal():
            raise DataError(
                f"data.source=scenes needs the number of a made-up world as data.root, such as data.root=0; "
                f"got {config.root!r}"
            )
        self._world = int(config.root)
        self._labeled = _ids(config.labeled_split, _LABELED)
        others = _ids(config.unlabeled_split, _UNLABELED)
        self._unlabeled = tuple(id for id in others if id not in set(self._labeled))
        self._val, self._test = _ids(config.val_split, _VAL), _ids(config.test_split, _TEST)

    @property
    def classes(self) -> Classes:
        """The six classes."""
        return Classes(CLASS_NAMES, CLASS_COLORS)

    @property
    def labeled(self) -> tuple[str, ...]:
        """Ids of the scenes whose masks may be used."""
        return self._labeled

    @property
    def unlabeled(self) -> tuple[str, ...]:
        """Ids of the scenes without masks."""
        return self._unlabeled

    @property
    def val(self) -> tuple[str, ...]:
        """Ids of the scenes to validate on."""
        return self._val

    @property
    def test(self) -> tuple[str, ...]:
        """Ids of the scenes to test on."""
        return self._test

    def read_image(self, id: str, split: Split) -> Image:
        """Return the image of a scene; the split makes no difference."""
        image, _ = render_scene(self._world, _number(id))
        return image

    def read_mask(self, id: str, split: Split) -> LabelImage:
        """Return the mask of a scene.

        Raises:
            ValueError: If ``split`` is ``"unlabeled"``.
        """
        if split == "unlabeled":
            raise ValueError(f"the mask of the unlabeled scene {id!r} is not to be looked at")
        _, mask = render_scene(self._world, _number(id))
        return mask

    def fingerprint(self) -> str:
        """Return the world, the maker's version and a digest of the lists of scenes."""
        lists = "|".join(",".join(ids) for ids in (self._labeled, self._unlabeled, self._val, self._test))
        return f"scenes-{_RULES}-{self._world}-{hashlib.sha256(lists.encode()).hexdigest()[:16]}"


def _ids(split: str | None, numbers: range) -> tuple[str, ...]:
    if split is None:
        return tuple(f"scene-{number:05d}" for number in numbers)
    ids = tuple(entry.image for entry in read_split(Path(split)))
    unknown = [id for id in ids if not _ID.fullmatch(id)]
    if unknown:
        raise DataError(f"{split} names {first_few(unknown)}; scenes are called scene-00000 and so on")
    return ids


def _number(id: str) -> int:
    return int(id.removeprefix("scene-"))
