"""Sources of images: folders on disk, a ``dataset.yaml``, or scenes made by the package."""

from __future__ import annotations

from s4former.data.config import DataConfig
from s4former.data.sources.base import (
    Classes,
    Part,
    Source,
    evaluation_pairs,
    evaluation_share,
    part_ids,
    short_names,
    write_splits,
)

__all__ = [
    "Classes",
    "Part",
    "Source",
    "evaluation_pairs",
    "evaluation_share",
    "open_source",
    "part_ids",
    "short_names",
    "write_splits",
]


def open_source(config: DataConfig) -> Source:
    """Return the source that a config describes.

    Raises:
        DataError: If something of it is missing.
    """
    if config.source == "scenes":
        from s4former.data.sources.scenes import ScenesSource

        return ScenesSource(config)
    from s4former.data.sources.folder import FolderSource

    return FolderSource(config)
