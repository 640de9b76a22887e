"""From images on disk to training batches and evaluation pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from s4former.config.fronts import lazily

if TYPE_CHECKING:
    from s4former.data.classes import Classes, MaskValue
    from s4former.data.config import DataConfig
    from s4former.data.dataset_yaml import DatasetFile
    from s4former.data.geometry import resize_pixels
    from s4former.data.loader import TrainBatches, batch_iterator
    from s4former.data.published_lists import PUBLISHERS
    from s4former.data.sources import (
        Source,
        Split,
        evaluation_pairs,
        open_source,
        short_names,
        split_ids,
        write_splits,
    )
    from s4former.data.sources.base import SPLITS
    from s4former.data.sources.decode import decode_image
    from s4former.data.sources.folder import FolderSource
    from s4former.data.sources.known import KNOWN
    from s4former.data.sources.labels import LabelMap
    from s4former.data.sources.listing import image_files
    from s4former.data.sources.mask_files import NODATA, decode_mask, open_mask
    from s4former.data.sources.naming import Naming, Rule, guess_rule
    from s4former.data.sources.shards import ShardImages
    from s4former.data.split_lists import SUFFIXES, first_few, read_split, split_lines
    from s4former.data.statistics import spread
else:
    __getattr__ = lazily(__name__, __file__)

# fmt: off
__all__ = [
    "KNOWN", "NODATA", "PUBLISHERS", "SPLITS", "SUFFIXES", "Classes", "DataConfig", "DatasetFile",
    "FolderSource", "LabelMap", "MaskValue", "Naming", "Rule", "ShardImages", "Source", "Split",
    "TrainBatches", "batch_iterator", "decode_image", "decode_mask", "evaluation_pairs", "first_few",
    "guess_rule", "image_files", "open_mask", "open_source", "read_split", "resize_pixels",
    "short_names", "split_ids", "split_lines", "spread", "write_splits",
]
# fmt: on
