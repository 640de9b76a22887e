"""Labels images: masks, annotation files, a ``dataset.yaml``, and which images to label next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import numpy as np
from jaxtyping import UInt8

from s4former.config.errors import DataError
from s4former.config.outputs import HUMAN_MASK, MACHINE_MASK, claim
from s4former.curation.init.pairs import relative
from s4former.curation.label.exports import CocoFile, labelme_text, shapes_of
from s4former.curation.label.masks import MaskEncoder
from s4former.curation.label.origins import Item, whose
from s4former.curation.label.ranking import choose_next, known_images, look
from s4former.curation.label.results import (
    COCO,
    DATASET,
    LABELED,
    LABELME,
    NEXT,
    SHEET,
    TABLE,
    UNLABELED,
    Labeled,
    description,
    lists,
)
from s4former.curation.label.threshold import SAMPLE, Thresholds, from_quantiles, from_val, given
from s4former.data.display import rgb_view
from s4former.data.progress import Report
from s4former.data.sources import Source, evaluation_pairs
from s4former.data.sources.decode import decode_image
from s4former.data.sources.labels import LabelMap
from s4former.data.statistics import spread
from s4former.inference import Model, Prediction
from s4former.types import IGNORE

Counted = TypeVar("Counted")


class Labeler:
    """Labels images by a model.

    Args:
        model: The model.
        source: The data set that it learned from; none: it is not known.
        out: Folder for everything.
        other: A second model that looks; none: the model looks at mirrored images.
    """

    def __init__(self, model: Model, source: Source | None, out: Path, other: Model | None = None) -> None:
        self.model, self.other, self.source, self.out = model, other, source, out
        self.encoder = MaskEncoder(model.card.classes)
        self.label_map = LabelMap(self.encoder.classes)

    def claim(self, images: Sequence[tuple[str, Path]]) -> None:
        """Decide whose mask each image gets, and make sure that nothing of anybody's is in the way.

        Raises:
            UserError: If something is, or no image is left.
        """
        self.items, self.left_out = whose(images, self.source, self.out)
        inputs = [item.image for item in self.items]
        instead = "type another --out, a folder of its own; images that share a name need one each"
        masks = ((self.out / item.mask, str(item.image)) for item in self.items if not item.kept)
        self.masks = claim(masks, MACHINE_MASK, inputs, instead=instead, also=(HUMAN_MASK,))
        others = [(self._labelme(item), str(item.image)) for item in self.items if not item.human]
        others += [(self.out / name, name) for name in (COCO, NEXT, DATASET, TABLE, LABELED, UNLABELED)]
        self.files = claim(others, "file of labels", inputs, instead=instead)
        self.sheets = claim([(self.out / SHEET, SHEET)], "sheet", inputs, instead=instead)

    def _labelme(self, item: Item) -> Path:
        return self.out / LABELME / Path(*item.mask.parts[1:]).with_suffix(".json")

    def _pixels(self, image: Path) -> UInt8[np.ndarray, "h w c"]:
        return decode_image(image, self.model.card.input.channels, self.model.card.input.value_range)

    def thresholds(self, threshold: float | None, report: Report) -> Thresholds:
        """Return what is kept: above a threshold, or by the rule of `from_val` or `from_quantiles`."""
        classes = len(self.encoder.classes)
        if threshold is not None:
            return given(threshold, classes)
        if self.source is not None and self.source.val:
            count = len(self.source.val)
            pairs = evaluation_pairs(self.source, "val")
            return from_val(
                (
                    (self.model.predict(image), mask)
                    for _, image, mask in _counted(pairs, "choosing thresholds on val", count, report)
                ),
                classes,
            )
        sample = spread([item for item in self.items if not item.human], SAMPLE)
        shown = _counted(sample, "choosing thresholds", len(sample), report)
        return from_quantiles(self._predictions(shown), classes)

    def _predictions(self, items: Iterable[Item]) -> Iterator[Prediction]:
        for item in items:
            with suppress(DataError):  # it is told when the image is to be labeled
                yield self.model.predict(self._pixels(item.image))

    def label(self, thresholds: Thresholds, count: int, report: Report) -> Labeled:
        """Write masks, annotation files and lists, and choose images to label next.

        Args:
            thresholds: What is kept.
            count: How many images to choose.
            report: Called with how far it is.
        """
        classes = self.encoder.classes
        none = np.zeros(len(classes), np.int64)
        done = Labeled([], self.left_out, thresholds, none.copy(), none.copy())
        coco = CocoFile(classes.names)
        for item in _counted(self.items, "labeling", len(self.items), report):
            try:
                known = self._person(item) if item.human else self._machine(item, done, coco)
            except DataError as error:
                done.failures.append(str(error))
            else:
                done.items.append(item)
                done.known_shares.append(known)
        if done.looks:
            known_ones = known_images(self.model, self._drawn(done.items), len(classes))
            done.choices = choose_next(done.looks, known_ones, classes.names, count)
        machine = any(not item.human for item in done.items)
        text = description(done.items, machine, self.source, self.model.card, classes, self.out)
        texts = {**lists(done, self.out), COCO: coco.text(), DATASET: text}
        for name, content in texts.items():
            self.files.write_text(self.out / name, content)
        return done

    def _machine(self, item: Item, done: Labeled, coco: CocoFile) -> float:
        """Label an image by the model; return the share of its pixels that are kept."""
        prediction, seen = look(self.model, self.other, self._pixels(item.image))
        mask = done.thresholds.keep(prediction)
        self.masks.write(self.out / item.mask, lambda path: self.encoder.write(mask, path), MACHINE_MASK)
        shapes, size = shapes_of(mask), (mask.shape[0], mask.shape[1])
        file = self._labelme(item)
        image = relative(item.image, file.parent)
        self.files.write_text(file, labelme_text(image, size, shapes, self.encoder.classes.names))
        coco.add(relative(item.image, item.root), size, shapes)
        done.looks.append(seen)
        for counts, pixels in ((done.said, prediction.mask), (done.kept, mask[mask != IGNORE])):
            counts += np.bincount(pixels.ravel(), minlength=len(counts))
        return float((mask != IGNORE).mean())

    def _person(self, item: Item) -> float:
        """Copy a person's mask, if it is not there already; return the share of its pixels that are known."""
        mask = self._drawn_mask(item)
        if not item.kept:
            self.masks.write(self.out / item.mask, lambda path: self.encoder.write(mask, path), HUMAN_MASK)
        return float((mask != IGNORE).mean())

    def read(self, item: Item) -> tuple[UInt8[np.ndarray, "h w c"], UInt8[np.ndarray, "h w"]]:
        """Return an image as pictures show it, and its mask as it was written."""
        shown = rgb_view(self._pixels(item.image), self.model.card.input.display_channels)
        return shown, self.label_map.read(self.out / item.mask)

    def _drawn_mask(self, item: Item) -> UInt8[np.ndarray, "h w"]:
        if item.id is None or self.source is None:
            return self.label_map.read(self.out / item.mask)
        return self.source.read_mask(item.id, "labeled")

    def _drawn(
        self, items: Iterable[Item]
    ) -> Iterable[tuple[UInt8[np.ndarray, "h w c"], UInt8[np.ndarray, "h w"]]]:
        return ((self._pixels(item.image), self._drawn_mask(item)) for item in items if item.human)


def _counted(items: Iterable[Counted], what: str, count: int, report: Report) -> Iterator[Counted]:
    for number, item in enumerate(items):
        report(what, number, count)
        yield item
    report(what, count, count)
