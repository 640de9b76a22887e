"""Where the images are and how training batches are drawn from them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    FiniteFloat,
    NonNegativeInt,
    PositiveInt,
    field_validator,
    model_validator,
)

from s4former.config.base import Config

_DRAWN = set[str](
    {"labeled_batch_size", "unlabeled_batch_size", "num_workers", "cache_images", "views_on_device"}
    | {"display_channels", "crop_size", "short_side", "resize_range", "flip_probability"}
    | {"crop_max_class_share"}
)
"""Fields that say how batches are drawn or pictures shown, not which images there are."""


def _listed(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


Probability = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]


class DataConfig(Config):
    """A data set and its training batches. Paths are relative to ``root``; batch sizes are global."""

    source: Literal["folder", "dataset", "scenes"] = "folder"
    """``folder``: images and masks on disk; ``dataset``: the same, as a ``dataset.yaml`` describes them;
    ``scenes``: pictures made by the package, without any files."""
    root: str = "data"
    """Folder that all other paths start from, itself relative to the working directory; the number of a
    made-up world for ``source: scenes``."""
    dataset: str = "dataset.yaml"
    """The file that says where everything is, for ``source: dataset``; of the other paths only the split
    lists are then looked at, in place of the file's own."""
    classes: str = "classes.json"
    """JSON file with ``names``, and optionally ``colors`` (RGB) and ``ignore_index`` (a value or a list); or
    ``voc``, ``cityscapes``, ``coco``, ``ade20k`` or ``camvid`` for the classes of that data set."""
    train_images: str = "images/train"
    """Folder of training images, subfolders included; an image's id is its path from ``root`` without the
    ending."""
    train_masks: str = "masks/train"
    """Folder of training masks; a mask has its image's path and name but for prefix, suffix and ending."""
    labeled_split: str | None = None
    """List of the labeled training images; none: every training image that has a mask."""
    unlabeled_split: str | None = None
    """List of the unlabeled training images; none: every training image that is in no other split."""
    unlabeled_shards: Annotated[tuple[str, ...], BeforeValidator(_listed)] = ()
    """Tar shards of unlabeled images in place of those in folders: files, folders of them, or patterns as
    ``shards/*.tar``; paths or addresses, as ``s3://bucket/shards``."""
    val_images: str | None = "images/val"
    """Folder of validation images; none: there are none."""
    val_masks: str = "masks/val"
    """Folder of validation masks."""
    val_split: str | None = None
    """List of the validation images; none: all of the folder."""
    test_images: str | None = "images/test"
    """Folder of test images; it may be missing as long as nobody asks for a test score."""
    test_masks: str = "masks/test"
    """Folder of test masks."""
    test_split: str | None = None
    """List of the test images; none: all of the folder."""
    image_prefix: str = ""
    """Start of every image's name; other files are passed over."""
    image_suffix: str = ""
    """End of every image's name before the ending, as ``_leftImg8bit``, or with it (``.jpg``); other files
    are passed over."""
    mask_prefix: str = ""
    """Start of every mask's name that the image's name does not have; other files are passed over."""
    mask_suffix: str = ""
    """End of every mask's name that the image's name does not have, as ``_gtFine_labelTrainIds``; other files
    are passed over."""

    channels: PositiveInt = 3
    """Channels of an image. Files must hold as many, but for 3 gray is repeated and for 1 color becomes its
    luma."""
    value_range: tuple[FiniteFloat, FiniteFloat] | None = None
    """Values of the files that become 0 and 255; needed by those that hold other numbers than 8 bits."""
    display_channels: tuple[NonNegativeInt, NonNegativeInt, NonNegativeInt] = (0, 1, 2)
    """Channels shown as red, green and blue in pictures, counted from 0. With fewer than three channels, the
    last one takes the place of the missing ones."""

    labeled_batch_size: PositiveInt = 4
    """Labeled images per step, over all processes together."""
    unlabeled_batch_size: PositiveInt = 4
    """Unlabeled images per step, over all processes together."""
    num_workers: int = Field(default=0, ge=0)
    """Processes that prepare batches ahead, and threads that read ahead what is scored; 0: the training
    process does both. The batches and scores are the same."""
    cache_images: int = Field(default=512, ge=0)
    """Megabytes of decoded images kept in memory by each training process, shared out among its workers."""
    views_on_device: bool | Literal["auto"] = "auto"
    """Whether the device that trains changes the colors and sharpness of views, a whole batch at once, in
    place of the processes that prepare batches: the same to rounding. ``auto``: if it is a GPU."""

    crop_size: PositiveInt | tuple[PositiveInt, PositiveInt] = 512
    """Pixels of the training crop: one number for a square, or height and width."""
    short_side: PositiveInt | None = None
    """Pixels that an image's shorter side is brought to before ``resize_range``; none: its own size."""
    resize_range: tuple[Positive, Positive] = (0.5, 2.0)
    """Smallest and largest factor of the random resizing, drawn uniformly."""
    flip_probability: Probability = 0.5
    """Probability of a left-right flip."""
    crop_max_class_share: Probability = 0.75
    """A labeled crop is drawn again (up to 10 times) while one class covers more than this share of its
    labeled pixels; 1: never. Unlabeled crops cannot depend on masks."""

    @property
    def crop(self) -> tuple[int, int]:
        """Height and width of the training crop in pixels."""
        return self.crop_size if isinstance(self.crop_size, tuple) else (self.crop_size, self.crop_size)

    def makes_views_on(self, device: str) -> bool:
        """Return whether views are made on a device, as ``cuda:0``, and not before they are sent there."""
        return device != "cpu" if self.views_on_device == "auto" else self.views_on_device

    def found_from(self, folder: str | Path) -> DataConfig:
        """Return it with the root as seen from another folder, if it lies there and not here."""
        there = Path(folder) / self.root
        if self.source == "scenes" or Path(self.root).exists() or not there.exists():
            return self
        return self.model_copy(update={"root": str(there)})

    def opens_same(self, other: DataConfig) -> bool:
        """Whether another config describes the same images and masks, however batches are drawn from them."""
        return self.model_dump(exclude=_DRAWN) == other.model_dump(exclude=_DRAWN)

    @field_validator("crop_size")
    @classmethod
    def _square_is_a_number(cls, value: int | tuple[int, int]) -> int | tuple[int, int]:
        """Write a square in one way only: 64 and [64, 64] are the same run, also when it is resumed."""
        return value[0] if isinstance(value, tuple) and value[0] == value[1] else value

    @field_validator("resize_range")
    @classmethod
    def _ordered(cls, value: tuple[float, float]) -> tuple[float, float]:
        if value[0] > value[1]:
            raise ValueError(f"expected the smaller number first, got {value[0]}, {value[1]}")
        return value

    @field_validator("value_range")
    @classmethod
    def _rising(cls, value: tuple[float, float] | None) -> tuple[float, float] | None:
        if value is not None and value[0] >= value[1]:
            raise ValueError(
                f"expected the value that becomes 0 and a larger one, got {value[0]}, {value[1]}"
            )
        return value

    @model_validator(mode="before")
    @classmethod
    def _show_what_there_is(cls, data: Any) -> Any:
        """Replace the usual display channels, of which one or two don't exist in narrower images."""
        usual = cls.model_fields["display_channels"].default
        if isinstance(data, dict) and data.get("display_channels", usual) in (usual, list(usual)):
            channels = data.get("channels", 3)
            if channels in (1, 2):
                return data | {"display_channels": tuple(min(index, channels - 1) for index in usual)}
        return data

    @model_validator(mode="after")
    def _channels_fit(self) -> Self:
        if max(self.display_channels) >= self.channels:
            raise ValueError(
                f"display_channels={list(self.display_channels)} must be below channels={self.channels}"
            )
        if self.channels != 3 and self.source == "scenes":
            raise ValueError(f"the made-up scenes are RGB images; channels={self.channels} has to be 3")
        return self
