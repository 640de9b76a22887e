"""Masks that some unlabeled images have all the same, for diagnosis: nothing that learns gets to see them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from s4former.config.errors import DataError, UserError
from s4former.data.dataset_yaml import LabeledFiles
from s4former.data.loader import TrainBatches
from s4former.data.sources.base import LabelImage, Source, require_same_size
from s4former.data.sources.folder import FolderSource
from s4former.data.sources.matching import Matcher
from s4former.data.sources.scenes import ScenesSource
from s4former.data.views import unlabeled_truth
from s4former.types import IGNORE, DrawKey

_SCENES = "scenes"


class HiddenMasks:
    """Reads masks of unlabeled images by id, whichever of these have one.

    Args:
        source: The images.
        folder: Where the masks lie, called as those of labeled images are; relative to the data set's folder.
            For made-up scenes, which lie nowhere, ``scenes``.

    Raises:
        UserError: If no unlabeled image has a mask there.
        DataError: If there is no such folder.
    """

    def __init__(self, source: Source, folder: str) -> None:
        self._source = source
        self._files: dict[str, str] = {}
        if isinstance(source, ScenesSource):
            if folder != _SCENES:
                raise UserError(
                    f"made-up scenes have no folder of masks; got diagnose_truth={folder}, type "
                    f"diagnose_truth={_SCENES}"
                )
        elif isinstance(source, FolderSource):
            self._files = _matched(source, folder)

    def read(self, id: str) -> LabelImage | None:
        """Return the mask of an unlabeled image, None if it has none.

        Raises:
            DataError: If it is a bad file.
        """
        if isinstance(self._source, ScenesSource):
            return self._source.read_mask(id, "labeled")  # a scene knows its mask, whatever it is used for
        if id not in self._files:
            return None
        assert isinstance(self._source, FolderSource)
        return self._source.label_map("labeled").read(Path(self._files[id]))

    def at(self, batches: TrainBatches, step: int) -> UInt8[Tensor, "b h w"]:
        """Return the truth of a step's unlabeled crops, `IGNORE` where it is not known.

        Every draw has a name, so the crops are drawn once more, beside the batch and not from it.

        Raises:
            DataError: If a mask is bad, or does not fit its image.
        """
        key = DrawKey(batches.seed, step)
        found = []
        for index in batches.unlabeled_of(step):
            id, image = batches.unlabeled_image(key, index, {})
            mask = self.read(id)
            if mask is None:
                mask = np.full(image.shape[:2], IGNORE, np.uint8)
            require_same_size(image, mask, id, "unlabeled")
            found.append(unlabeled_truth(batches.config, mask, key, index))
        return torch.stack(found)


def _matched(source: FolderSource, folder: str) -> dict[str, str]:
    """Return the mask in a folder of each unlabeled image that has one, by its id."""
    file = source.layout.file
    images = file.unlabeled
    if images is None:
        return {}
    if images.shards:
        raise UserError(
            f"diagnose_truth={folder} needs unlabeled images in folders, and these are in shards; leave the "
            "field out"
        )
    naming = file.labeled.model_dump(include={"mask_prefix", "mask_suffix"})
    part = LabeledFiles.model_validate(
        {**images.model_dump(exclude={"list", "shards"}), **naming, "masks": folder}
    )
    matcher = Matcher(source.layout)
    try:
        masks, _ = matcher.masks(part, "unlabeled", matcher.images(images, "unlabeled"), source.unlabeled, {})
    except DataError as error:
        raise DataError(
            f"diagnose_truth={folder}: {error} (here diagnose_truth is the field to change; paths start from "
            "the data set's folder)"
        ) from None
    if not masks:
        raise UserError(
            f"diagnose_truth={folder}: none of the {len(source.unlabeled)} unlabeled images has a mask in "
            "it; name the folder of their masks, or leave the field out"
        )
    return masks
