"""Opening a data set for a run, whatever its masks are made of."""

from __future__ import annotations

from s4former.curation.annotations.masks import annotated_masks
from s4former.data import sources
from s4former.data.config import DataConfig
from s4former.data.sources import Source


def open_source(config: DataConfig) -> Source:
    """Return the source that a config describes, after masks were made of its annotations, if it has any.

    Raises:
        DataError: If something of it is missing, or annotations are broken.
    """
    return sources.open_source(config, annotated_masks)
