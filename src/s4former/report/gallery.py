"""Pictures of a report: predictions with their errors, and pseudo-labels as they were over the steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image as PilImage

from s4former.config.record import read_json
from s4former.data.classes import Color
from s4former.data.display import UNKNOWN, rgb_view
from s4former.data.statistics import spread
from s4former.inference.overlay import index_picture
from s4former.report.figures import Pixels
from s4former.report.measuring import Measured
from s4former.report.sheets import Picture, picture, shrunk
from s4former.types import IGNORE

KINDS = {
    "weak": "weak view",
    "teacher": "the teacher's labels",
    "kept": "labels that were kept",
    "uncertainty": "uncertainty (PASA)",
    "strong": "strong view",
    "shuffled": "shuffled view",
}
"""Pictures of an unlabeled image that a run writes, in their order."""
WRONG = (213, 94, 0)
_SIDE = 240
_STEPS, _IMAGES = 6, 4


@dataclass(frozen=True)
class Row:
    """An image beside its mask, and what each run makes of it.

    Attributes:
        id: The image.
        pictures: Each picture with what is said below it.
    """

    id: str
    pictures: Sequence[tuple[Picture, str]]


def chosen(measured: Sequence[Measured], baseline: Measured | None) -> dict[str, list[Row]]:
    """Return rows of images by why they are shown, as predicted by all of some runs.

    Args:
        measured: The runs; the first one says what is best and worst.
        baseline: The run that it is compared with, if any.
    """
    first = measured[0]
    scores = first.image_scores()
    known = np.flatnonzero(~np.isnan(scores))
    order = known[np.argsort(scores[known], kind="stable")]
    groups: dict[str, Sequence[int]] = {"Worst": order[:4].tolist(), "Best": order[4:][::-1][:3].tolist()}
    if baseline is not None:
        gain = scores - baseline.image_scores()
        ranked = known[np.argsort(gain[known], kind="stable")].tolist()
        groups[f"Most improved over {baseline.run.name}"] = [i for i in ranked[::-1][:3] if gain[i] > 0]
        groups[f"Most worsened against {baseline.run.name}"] = [i for i in ranked[:3] if gain[i] < 0]
    every = [each.image_scores() for each in measured]
    rows: dict[int, Row] = {}
    for index in (index for group in groups.values() for index in group):
        rows[index] = rows.get(index) or _row(measured, index, [float(own[index]) for own in every])
    return {why: [rows[index] for index in group] for why, group in groups.items() if group}


def _row(measured: Sequence[Measured], index: int, scores: Sequence[float]) -> Row:
    first = measured[0]
    id, split, colors = first.ids[index], first.model.card.evaluate.part, first.source.classes.colors
    image = first.source.read_image(id, split)
    mask = first.source.read_mask(id, split)
    shown = rgb_view(image, first.model.card.input.display_channels)
    found = [(_photo(id, shown), "image"), (_labels(f"{id}, mask", mask, colors), "mask")]
    for each, score in zip(measured, scores, strict=True):
        name = f"{each.run.name}: " if len(measured) > 1 else ""
        predicted = each.model.predict(image).mask
        wrong = (predicted != mask) & (mask != IGNORE)
        share = wrong.sum() / max(1, (mask != IGNORE).sum())
        found.append((_labels(f"{id}, prediction", predicted, colors), f"{name}IoU {100 * score:.1f} %"))
        errors = _errors(f"{id}, errors", shown, mask, wrong)
        found.append((errors, f"{name}{100 * share:.0f} % wrong{_confused(mask, predicted, wrong, each)}"))
    return Row(id, found)


def _confused(
    mask: UInt8[np.ndarray, "h w"],
    predicted: UInt8[np.ndarray, "h w"],
    wrong: Bool[np.ndarray, "h w"],
    of: Measured,
) -> str:
    """Return what was most often taken for something else."""
    if not wrong.any():
        return ""
    names, k = of.source.classes.names, len(of.source.classes)
    true, taken = divmod(int(np.bincount(mask[wrong].astype(int) * k + predicted[wrong]).argmax()), k)
    return f", mostly {names[true]} taken for {names[taken]}"


def _photo(name: str, pixels: Pixels) -> Picture:
    small = shrunk(PilImage.fromarray(pixels), PilImage.Resampling.BOX, _SIDE)
    return picture(name, small, photo=True)


def _labels(name: str, mask: UInt8[np.ndarray, "h w"], colors: Sequence[Color]) -> Picture:
    palette = [*colors, *[UNKNOWN] * (256 - len(colors))]
    return _paletted(name, mask, palette)


def _errors(
    name: str, image: Pixels, mask: UInt8[np.ndarray, "h w"], wrong: Bool[np.ndarray, "h w"]
) -> Picture:
    """Return a pale gray picture with what is wrong in a strong color, and what is unknown in a flat one."""
    pale = (255 - (255 - image.mean(axis=2)) * 0.5).clip(0, 253).astype(np.uint8)
    shown = np.where(wrong, 254, np.where(mask == IGNORE, 255, pale)).astype(np.uint8)
    return _paletted(name, shown, [*((level,) * 3 for level in range(254)), WRONG, UNKNOWN])


def _paletted(name: str, indices: UInt8[np.ndarray, "h w"], palette: Sequence[Color]) -> Picture:
    return picture(name, shrunk(index_picture(indices, palette), PilImage.Resampling.NEAREST, _SIDE))


def pseudo_labels(folder: Path) -> dict[str, dict[int, list[Picture]]]:
    """Return the pictures of unlabeled images that a run wrote, by image and step; of many steps a few.

    What cannot be read is left out.

    Args:
        folder: The run folder.
    """
    place = folder / "panels" / "unlabeled"
    rows: dict[int, dict[int, Mapping[str, Any]]] = {}
    for entry in _index(place / "index.json"):
        rows.setdefault(entry["row"], {})[entry["step"]] = entry
    found: dict[str, dict[int, list[Picture]]] = {}
    for row, steps in sorted(rows.items())[:_IMAGES]:
        own = found.setdefault(str(next(iter(steps.values()))["image"]), {})
        for step in spread(sorted(steps, reverse=True), _STEPS)[::-1]:  # the last one is among them
            files = {
                kind: place / f"{step:06d}_{row}_{kind}.png" for kind in KINDS if kind in steps[step]["kinds"]
            }
            pictures = (_panel(kind, file) for kind, file in files.items())
            own[step] = [picture for picture in pictures if picture]
    return found


def _index(path: Path) -> Iterator[Mapping[str, Any]]:
    """Yield the entries of an index that are as they should be."""
    try:
        entries = read_json(path)
    except (OSError, ValueError):
        return
    kinds = {"step": int, "row": int, "image": str, "kinds": list}
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict) and all(isinstance(entry.get(key), kind) for key, kind in kinds.items()):
            yield entry


def _panel(kind: str, path: Path) -> Picture | None:
    try:
        with PilImage.open(path) as file:
            image = file.convert("RGB")
    except (OSError, ValueError, PilImage.DecompressionBombError):
        return None
    photo = kind in ("weak", "strong", "shuffled")
    how = PilImage.Resampling.BOX if photo else PilImage.Resampling.NEAREST
    return picture(KINDS[kind], shrunk(image, how, _SIDE), photo)
