"""Sources of images: folders on disk, a ``dataset.yaml``, or scenes made by the package."""

from __future__ import annotations

from typing import TYPE_CHECKING

from s4former.data.classes import Classes
from s4former.data.config import DataConfig
from s4former.data.sources.base import (
    Source,
    Split,
    evaluation_pairs,
    evaluation_share,
    short_names,
    split_ids,
    write_splits,
)

if TYPE_CHECKING:
    from s4former.data.sources.folder import Converter

__all__ = [
    "Classes",
    "Source",
    "Split",
    "evaluation_pairs",
    "evaluation_share",
    "open_source",
    "short_names",
    "split_ids",
    "write_splits",
]


def open_source(config: DataConfig, convert: Converter | None = None) -> Source:
    """Return the source that a config describes.

    Args:
        config: The config.
        convert: What makes masks of annotations; none: annotations are refused.

    Raises:
        DataError: If something of it is missing.
    """
    if config.source == "scenes":
        from s4former.data.sources.scenes import ScenesSource

        return ScenesSource(config)
    from s4former.data.sources.folder import FolderSource

    return FolderSource(config, convert)
