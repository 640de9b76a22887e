"""Labels the rest of a data set by a model, for people to correct, and says which images to label next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from s4former.config.fronts import lazily

if TYPE_CHECKING:
    from s4former.curation.label.origins import MASKS, Item, origin
    from s4former.curation.label.ranking import PARTS, Choice, Known, Look, choose_next, known_images, look
    from s4former.curation.label.results import COCO, DATASET, LABELME, NEXT, SHEET, Labeled
    from s4former.curation.label.work import Labeler
else:
    __getattr__ = lazily(__name__, __file__)

__all__ = [
    "COCO",
    "DATASET",
    "LABELME",
    "MASKS",
    "NEXT",
    "PARTS",
    "SHEET",
    "Choice",
    "Item",
    "Known",
    "Labeled",
    "Labeler",
    "Look",
    "choose_next",
    "known_images",
    "look",
    "origin",
]
