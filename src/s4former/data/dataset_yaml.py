"""The file ``dataset.yaml``: which files a data set is made of, and what the values in its masks mean.

All paths start from the folder that holds the file. A class's short form is its name alone: its value in the
masks is then its place in the list.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, PositiveInt, model_validator

from s4former.config.base import Config
from s4former.config.errors import DataError, UserError
from s4former.config.validation import validated
from s4former.config.yaml_text import parse_yaml
from s4former.data.classes import Classes, Color, MaskValue, as_color, default_colors, mask_values
from s4former.types import IGNORE

FORMAT = "s4former-dataset/1"


def _listed(value: Any) -> Any:
    """Return a single item as a list of one, and nothing as an empty one."""
    if value is None:
        return ()
    return value if isinstance(value, Sequence) and not isinstance(value, str) else (value,)


def _ignored(value: Any) -> Any:
    return value if value is None else mask_values(value)


def _own_values(value: Any) -> Any:
    if value is not None and not mask_values(value):
        raise ValueError(
            "got []; no pixel can be of a class without values: write them, as [1], leave `values` out for "
            "its place in the list, or take the class out of names"
        )
    return _ignored(value)


def _class(value: Any) -> Any:
    return {"name": str(value)} if isinstance(value, str | int | float) else value


def _classes(value: Any) -> Any:
    """Return ``{0: road, 1: sky}``, as some tools write it, as a list."""
    if not isinstance(value, Mapping) or not all(isinstance(key, int) for key in value):
        return value
    return [{"name": str(name), "values": [key]} for key, name in sorted(value.items())]


_Level = Annotated[int, Field(ge=0, le=255)]
_Color = Annotated[tuple[_Level, _Level, _Level], BeforeValidator(as_color)]
Paths = Annotated[tuple[str, ...], BeforeValidator(_listed)]


class ClassEntry(Config):
    """One class; its place in ``names`` is its index in predictions."""

    name: str
    """What people call it."""
    values: Annotated[tuple[MaskValue, ...] | None, BeforeValidator(_own_values)] = None
    """What its pixels hold in mask files: numbers, or RGB colors as ``[r, g, b]`` or ``"#rrggbb"``; none: its
    index."""
    color: _Color | None = None
    """RGB color in pictures; none: the first color among its values, else one of the package's choice."""


class ImageFiles(Config):
    """Images without masks."""

    images: Paths = ()
    """Folders, subfolders included; list several as ``[one, two]``."""
    list: str | None = None
    """Text file with one image a line; none: all images of the folders."""
    image_prefix: str = ""
    """Start of every image's name; files without it are passed over."""
    image_suffix: str = ""
    """End of every image's name, as ``_rgb`` or, with the ending, ``_rgb.tif``; others are passed over."""


class UnlabeledFiles(ImageFiles):
    """Images without masks, in folders or in tar shards."""

    shards: Paths = ()
    """Tar files of images in place of ``images``, as ``s4former shards make`` packs them: files, folders of
    them, or patterns as ``shards/*.tar``; also addresses, as ``s3://bucket/shards``."""

    @model_validator(mode="after")
    def _folders_or_shards(self) -> Self:
        if self.shards and (self.images or self.list):
            other = "images" if self.images else "a list"
            raise ValueError(f"has shards and {other}; keep the one that should be learned from")
        return self


class LabeledFiles(ImageFiles):
    """Images, and masks or annotation files for them.

    A mask belongs to the image with the same path below its folder once prefix, suffix and ending are taken
    off both names.
    """

    masks: Paths = ()
    """Folders of masks: one for all, or as many as ``images``, in the same order."""
    mask_prefix: str = ""
    """Start of every mask's name that the image's name does not have."""
    mask_suffix: str = ""
    """End of every mask's name that the image's name does not have, as ``_mask`` or ``_mask.png``. With
    ``annotations``, files among the images whose names start and end so are no images."""
    annotations: str | None = None
    """Annotation file, or a folder of them, in place of masks."""
    annotations_format: str | None = None
    """What they are: a name, as ``coco``, or the import path of a format of your own; none: found out from
    the files."""
    outside: str | None = None
    """Class of pixels in no shape of the annotations, or ``ignore``; none: the class ``background`` if there
    is one, else ``ignore``."""

    @model_validator(mode="after")
    def _one_kind_of_labels(self) -> Self:
        if self.masks and self.annotations:
            raise ValueError("has masks and annotations; keep the one that should be learned from")
        if len(self.masks) > 1 and len(self.masks) != len(self.images):
            raise ValueError(
                f"has {len(self.images)} folders of images and {len(self.masks)} of masks; give one folder "
                "of masks for all, or one for each folder of images in the same order"
            )
        return self


class DatasetFile(Config):
    """What ``dataset.yaml`` holds."""

    format: str = FORMAT
    """Version of this file."""
    names: Annotated[tuple[Annotated[ClassEntry, BeforeValidator(_class)], ...], BeforeValidator(_classes)]
    """The classes, in the order of their indices in predictions."""
    ignore: Annotated[tuple[MaskValue, ...] | None, BeforeValidator(_ignored)] = None
    """Values or colors in masks that mean unknown; none: 255, unless that (or white) is a class."""
    labeled: LabeledFiles
    """Images to learn from with their masks; those of ``val`` and ``test`` are excluded."""
    unlabeled: UnlabeledFiles | None = None
    """Images to learn from without masks; those of the other splits are excluded. None: there are none."""
    val: LabeledFiles | None = None
    """Images to validate on. With nothing but a ``list``, it names images of ``labeled``."""
    test: LabeledFiles | None = None
    """Images to test on, as ``val``."""
    channels: PositiveInt = 3
    """Channels of the images."""
    display: tuple[int, int, int] | None = None
    """Channels shown as red, green and blue, counted from 0; none: 0, 1, 2."""
    value_range: tuple[float, float] | None = None
    """Values that become 0 and 255 in images of more than 8 bits a channel."""
    mean: tuple[float, ...] | None = None
    """Mean of each channel over the images, on the scale 0 to 1; none: ImageNet's."""
    std: tuple[float, ...] | None = None
    """Standard deviation of each channel, on the scale 0 to 1; none: ImageNet's."""

    @model_validator(mode="before")
    @classmethod
    def _share_is_a_list(cls, data: Any) -> Any:
        if isinstance(data, Mapping):
            for split in ("val", "test"):
                if isinstance(data.get(split), int | float | str):
                    raise ValueError(
                        f"{split}: got {data[split]!r}; expected {{images: DIR, masks: DIR}} or "
                        "{list: FILE} that names labeled images to hold out; type `s4former init IMAGES "
                        "--val 0.2`, which writes one"
                    )
        return data

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.format != FORMAT:
            raise ValueError(f"format: got {self.format!r}; this version of s4former reads {FORMAT}")
        for name in ("labeled", "val", "test"):
            split = self.split(name)
            if split is None:
                continue
            if not split.images:
                raise ValueError(f"{name}: has no images; write the folder that holds them: images: DIR")
            if not split.masks and not split.annotations:
                raise ValueError(f"{name}: has neither masks nor annotations; write masks: DIR")
            if split.outside not in (None, "ignore", *self.class_names):
                known = ", ".join(self.class_names)
                raise ValueError(f"{name}: outside is {split.outside!r}; expected ignore or one of {known}")
        return self

    @model_validator(mode="after")
    def _one_meaning_of_three_numbers(self) -> Self:
        written = [
            ("ignore", self.ignore),
            *((f"values of {entry.name}", entry.values) for entry in self.names),
        ]
        if any(isinstance(value, tuple) for _, own in written for value in own or ()):
            for where, own in written:
                if (
                    own
                    and len(own) == 3
                    and all(isinstance(value, int) and 0 <= value < 256 for value in own)
                ):
                    listed = ", ".join(map(str, own))
                    raise ValueError(
                        f"{where}: [{listed}] may be a color or three numbers; write [[{listed}]] for the "
                        f"color, or {', '.join(f'[{v}, {v}, {v}]' for v in own if isinstance(v, int))} in a "
                        "list for gray levels"
                    )
        return self

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the classes by index."""
        return tuple(entry.name for entry in self.names)

    @property
    def classes(self) -> Classes:
        """The classes, with values and colors for each.

        Raises:
            DataError: If two classes share a name or a value, or a value is to be ignored as well.
        """
        values = tuple(
            (index,) if entry.values is None else entry.values for index, entry in enumerate(self.names)
        )
        taken = {value for own in values for value in own}
        usual = () if taken & {IGNORE, (IGNORE, IGNORE, IGNORE)} else (IGNORE,)
        ignore = usual if self.ignore is None else self.ignore
        defaults = default_colors(len(self.names))
        colors = tuple(
            entry.color or _first_color(own) or default
            for entry, own, default in zip(self.names, values, defaults, strict=True)
        )
        return Classes(self.class_names, colors, ignore, values)

    def split(self, name: str) -> LabeledFiles | None:
        """Return ``labeled``, ``val`` or ``test``; one that is only a list has labeled's folders."""
        own: LabeledFiles | None = getattr(self, name)
        if own is None or own.images or own.masks or own.annotations or own.list is None:
            return own
        return self.labeled.model_copy(update={"list": own.list})

    def outside_index(self, split: LabeledFiles) -> int:
        """Return the class index (or `IGNORE`) of pixels in no shape of a split's annotations."""
        name = split.outside or "background"
        return self.class_names.index(name) if name in self.class_names else IGNORE


def read_dataset_file(path: Path) -> DatasetFile:
    """Read a ``dataset.yaml``; no image is looked for.

    Raises:
        DataError: If it cannot be read or does not make sense: what was given, what was expected.
    """
    try:
        data = parse_yaml(path.read_text(encoding="utf-8-sig"), str(path))
    except FileNotFoundError:
        raise DataError(
            f"there is no data set {path.absolute()}; set data.root to the folder that holds {path.name}, or "
            "type `s4former init IMAGES --masks MASKS`, which writes one"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read the data set {path}: {error}") from None
    except UserError as error:
        raise DataError(str(error)) from None
    return dataset_file(data, path)


def dataset_file(content: Any, path: Path) -> DatasetFile:
    """Return what the content of a ``dataset.yaml`` describes.

    Raises:
        DataError: If it does not make sense: what was given, what was expected.
    """
    try:
        file = validated(DatasetFile, {} if content is None else content, f"{path} does not make a data set")
        _ = file.classes
    except UserError as error:
        raise DataError(str(error)) from None
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    return file


def is_dataset_file(data: Any) -> bool:
    """Whether the content of a YAML file is meant as a data set rather than as a run."""
    return isinstance(data, Mapping) and bool({"names", "labeled", "unlabeled"} & data.keys())


def _first_color(values: tuple[MaskValue, ...]) -> Color | None:
    return next((value for value in values if not isinstance(value, int)), None)
