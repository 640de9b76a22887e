"""Pseudo-labels over time: what a method makes of a few fixed unlabeled images, in ``panels/unlabeled/``.

``index.json`` lists ``{"step", "row", "image", "kinds"}``; a picture is ``{step:06d}_{row}_{kind}.png``. The
kinds: ``weak`` view; the ``teacher``'s labels of it; those that are ``kept``; PASA's ``uncertainty``, dark
where patches are unsure; a ``strong`` view as it is mixed; the same with its blocks ``shuffled``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image as PilImage
from torch import Tensor

from s4former import collectives
from s4former.config.record import read_json, write_atomically, write_json
from s4former.data.display import colorize
from s4former.data.loader import TrainBatches
from s4former.data.sources import Source
from s4former.data.statistics import spread
from s4former.engine.run import Run
from s4former.engine.state import Training
from s4former.inference.device import autocast
from s4former.methods import Method, Targets
from s4former.methods.parts import PASA, Diagnosis, PatchShuffle, View, diagnosing
from s4former.ops.attention import uncertain_share
from s4former.types import IGNORE, Batch, DrawKey, Labels, PseudoLabels

_ROWS, _MOMENTS, _WIDTH = 3, 8, 256
_SURE, _UNSURE = (247, 247, 247), (64, 0, 75)

Picture = UInt8[np.ndarray, "_ _ 3"]  # of any sizes beside each other


class _Overheard(Diagnosis):
    """Keeps the pseudo-labels of a step, in place of counting them."""

    pseudo: PseudoLabels
    kept: Labels | None = None

    def labeled(self, labels: Labels) -> None:
        """Labels are not shown."""

    def pseudo_labels(self, pseudo: PseudoLabels, kept: Labels) -> None:
        """Keep them."""
        self.pseudo, self.kept = pseudo, kept


class PseudoLabelPanels:
    """Asks a method, at a few moments of a run, what it makes of the same crops; nothing is learned of it.

    Args:
        run: The run.
        source: Its data.
        folder: The run folder.
        step: Where the run stands: pictures of later steps are made anew.
    """

    def __init__(self, run: Run, source: Source, folder: Path, step: int) -> None:
        self._run, self._source, self._folder = run, source, folder / "panels" / "unlabeled"
        self._lines: list[dict[str, Any]] = collectives.on_rank0(lambda: self._lines_until(step))
        done = {line["step"] for line in self._lines}
        self._moments = moments(run) - done if run.method.views.unlabeled and source.unlabeled else set()

    def draw(self, training: Training) -> None:
        """Write the pictures of this step, if it is one of the moments."""
        step = training.state.step
        if step not in self._moments:
            return
        with training.meter.paused():
            rows = self._rows(training.method, step)
            if collectives.rank() == 0:
                self._write(step, rows)

    def _lines_until(self, step: int) -> list[dict[str, Any]]:
        index = self._folder / "index.json"
        return [line for line in read_json(index) if line["step"] <= step] if index.is_file() else []

    @cached_property
    def _crops(self) -> tuple[Batch, list[str]]:
        """The first crops of the run, and the ids of the unlabeled ones."""
        count, run = min(_ROWS, len(self._source.unlabeled)), self._run
        sizes = {"labeled_batch_size": count, "unlabeled_batch_size": count, "cache_images": 0}
        batches = TrainBatches(run.data.model_copy(update=sizes), self._source, run.method.views, run.seed)
        key = DrawKey(run.seed, 0)
        return batches.batch(0), [batches.unlabeled_image(key, index, {})[0] for index in range(count)]

    def _rows(self, method: Method, step: int) -> list[dict[str, Picture]]:
        """Return the pictures of each crop by kind."""
        run, device = self._run, torch.device(self._run.device)
        batch = replace(self._crops[0], key=DrawKey(run.seed, step)).to(device)
        found = _Overheard(len(self._source.classes), device)
        before = {name: buffer.clone() for name, buffer in method.named_buffers()}
        with (
            torch.no_grad(),
            torch.random.fork_rng(devices=[device] if device.type == "cuda" else []),
            diagnosing(found),
            autocast(run.device, run.precision),
        ):
            targets = method.prepare(batch)
            for name, buffer in before.items():  # counts of labels, running thresholds
                method.get_buffer(name).copy_(buffer)
            kinds = self._kinds(method, batch, targets, found)
        return [
            {kind: pictures[row] for kind, pictures in kinds.items()} for row in range(len(self._crops[1]))
        ]

    def _kinds(
        self, method: Method, batch: Batch, targets: Targets, found: _Overheard
    ) -> dict[str, list[Picture]]:
        if found.kept is None or batch.unlabeled is None:
            return {}
        pseudo, kept, colors = found.pseudo, found.kept, self._source.classes.colors
        labels = {"teacher": pseudo.labels.masked_fill(~pseudo.valid, IGNORE), "kept": kept}
        kinds = {"weak": self._photographs(batch.unlabeled.weak)}
        kinds |= {
            kind: [colorize(mask, colors) for mask in values.cpu().numpy()] for kind, values in labels.items()
        }
        for part in method.modules():
            if isinstance(part, PASA):
                unsure = (kept == IGNORE) & pseudo.valid
                kinds["uncertainty"] = _maps(uncertain_share(unsure, part.patch_size))
        if view := _mixed_view(targets.views):
            kinds["strong"] = self._photographs(view.images)
            for part in method.modules():
                if isinstance(part, PatchShuffle) and part.config.shuffle_probability:
                    always = part.config.model_copy(update={"shuffle_probability": 1.0})
                    shuffled = PatchShuffle(always, part.patch_size).before(view)
                    kinds["shuffled"] = self._photographs(shuffled.images)
        return kinds

    def _photographs(self, images: Float[Tensor, "b c h w"]) -> list[Picture]:
        shown = images[:, list(self._run.data.display_channels)].permute(0, 2, 3, 1)
        return [*(255 * shown.float()).round().clamp(0, 255).byte().cpu().numpy()]

    def _write(self, step: int, rows: list[dict[str, Picture]]) -> None:
        for row, pictures in enumerate(rows):
            for kind, picture in pictures.items():
                path = self._folder / f"{step:06d}_{row}_{kind}.png"
                write = partial(_shrunk(picture, kind).save, format="PNG")
                write_atomically(path, write, synced=False)
            line = {"step": step, "row": row, "image": self._crops[1][row], "kinds": [*pictures]}
            self._lines += [line] if pictures else []
        if self._lines:
            write_json(self._folder / "index.json", self._lines)


def moments(run: Run) -> set[int]:
    """Return after which steps pictures are made: when labeling starts, and evaluations, evenly spread."""
    start, every = run.method.least_steps - 1, run.evaluate_every or run.steps
    scored = {run.steps, *range(every, run.steps, every)} - set(range(start + 1))
    return {start, *spread(sorted(scored, reverse=True), _MOMENTS - 1)}


def _mixed_view(views: Mapping[str, View]) -> View | None:
    """Return the view in which images are mixed; S4Former's pass with PASA sees them as they are."""
    return views.get("mixed") or next(iter(views.values()), None)


def _maps(shares: Float[Tensor, "b gh gw"]) -> list[Picture]:
    weights = shares.cpu().numpy()[..., None]
    return [*((1 - weights) * _SURE + weights * _UNSURE).round().astype(np.uint8)]


def _shrunk(picture: Picture, kind: str) -> PilImage.Image:
    """Return a picture of at most `_WIDTH`; maps of patches are as wide as they can be."""
    height, width = picture.shape[:2]
    factor = min(1.0, _WIDTH / width) if kind != "uncertainty" else _WIDTH / width
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    photograph = kind in ("weak", "strong", "shuffled")
    how = PilImage.Resampling.BOX if photograph else PilImage.Resampling.NEAREST
    return PilImage.fromarray(picture).resize(size, how)
