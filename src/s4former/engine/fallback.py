"""Whether unlabeled images did a run good: its end against the network from before they took part."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from s4former.data.sources import Source
from s4former.engine.run import Run
from s4former.engine.state import Training
from s4former.engine.writer import BEFORE, RunFolderWriter
from s4former.inference.card import is_model_folder
from s4former.inference.config import LEAST_IMAGES
from s4former.inference.predict import Model
from s4former.inference.scoring import evaluate
from s4former.ops.confusion import CONFIDENCE, bootstrap_difference


@dataclass(frozen=True)
class Verdict:
    """What came of the comparison.

    Attributes:
        verdict: ``helped``, ``harmed`` or, within the noise, ``unknown``.
        images: How many images were compared on.
        before: Mean IoU of the network from before unlabeled images took part.
        before_step: Its step.
        end: Mean IoU of the network after the last step.
        interval: Ends of the interval of the difference, end minus before; none of too few images.
        fell_back: Whether ``model/`` holds the earlier network.
        message: All of that in a sentence or two.
    """

    verdict: Literal["helped", "harmed", "unknown"]
    images: int
    before: float | None
    before_step: int
    end: float | None
    interval: tuple[float, float] | None
    fell_back: bool
    message: str

    def record(self) -> dict[str, Any]:
        """Return plain data for ``result.json``."""
        return {**asdict(self), "confidence": CONFIDENCE}


class Fallback:
    """Keeps the network from before unlabeled images take part, and tells in the end which one is better.

    Args:
        run: The run; without its ``fall_back`` nothing is kept.
        source: Its data.
        writer: Writes the network.
    """

    def __init__(self, run: Run, source: Source, writer: RunFolderWriter) -> None:
        self._run, self._source, self._writer = run, source, writer
        self._asked = run.fall_back and run.method.views.unlabeled and len(source.unlabeled) > 0
        self._start = run.method.least_steps - 1

    def opening(self) -> str:
        """Return what to know if there will be nothing to fall back to."""
        if not self._asked or self._start:
            return ""
        return (
            "fall_back=true compares the end with the network from before unlabeled images took part, but "
            "they take part from the first step; to let labels come first, type "
            f"method.unlabeled_start_step={self._run.steps // 2}"
        )

    def keep(self, step: int) -> None:
        """Keep the deployed network if unlabeled images take part from the next step on."""
        if self._asked and step == self._start > 0:
            self._writer.model(BEFORE, step, "before unlabeled images took part", None)

    def verdict(self, training: Training) -> Verdict | None:
        """Compare both networks on the val images; None if that was not asked for, or nothing was kept."""
        run, folder = self._run, self._writer.folder / BEFORE
        if not self._asked or not self._start or not is_model_folder(folder):
            return None
        if run.evaluate.part != "val" or not self._source.val:
            return self._unknown("there are no val images to see it on")
        networks = {
            "before": Model.load(folder, run.device).network,
            "end": training.method.networks[training.method.deployed],
        }
        threads = run.data.num_workers
        with training.meter.paused():
            found = evaluate(
                networks,
                self._source,
                run.evaluate,
                run.device,
                run.precision,
                threads=threads,
                by_image=True,
            )
        before, end = found["before"], found["end"]
        scores = before.record()["miou"], end.record()["miou"]
        if scores[0] is None or scores[1] is None or before.by_image is None or end.by_image is None:
            return self._unknown("the val masks have no known pixel")
        interval = None
        if end.images >= LEAST_IMAGES:
            interval = bootstrap_difference(end.by_image, before.by_image)
        return _judged(run, self._start, end.images, scores, interval)

    def _unknown(self, why: str) -> Verdict:
        text = f"whether unlabeled images helped cannot be told: {why}"
        return Verdict("unknown", 0, None, self._start, None, None, False, f"{text}. {_to_know(self._run)}")


def _judged(
    run: Run, start: int, images: int, scores: tuple[float, float], interval: tuple[float, float] | None
) -> Verdict:
    """Return the verdict on the mean IoU before and in the end."""
    before, end = scores
    seen = (
        f"on {images} val image{'' if images == 1 else 's'} the end scores {100 * end:.1f} mIoU, the network "
        f"after step {start}, before unlabeled images took part, {100 * before:.1f}"
    )
    rest = images, before, start, end, interval
    if interval is None:
        text = (
            f"whether unlabeled images helped cannot be told: {seen}, and so few images cannot tell such a "
            f"difference from chance. model/ holds the end. {_to_know(run)}"
        )
        return Verdict("unknown", *rest, False, text)
    low, high = interval
    seen += f": {100 * (end - before):+.1f} points, 95 % interval {100 * low:+.1f} to {100 * high:+.1f}"
    if high < 0:
        text = (
            f"unlabeled images did harm: {seen}. model/ therefore holds the network after step {start}, and "
            "model_last/ the end. docs/why.md says where to look"
        )
        return Verdict("harmed", *rest, True, text)
    if low > 0:
        return Verdict("helped", *rest, False, f"unlabeled images helped: {seen}")
    text = f"whether unlabeled images helped cannot be told: {seen}. model/ holds the end. {_to_know(run)}"
    return Verdict("unknown", *rest, False, text)


def _to_know(run: Run) -> str:
    """Return what to type to know."""
    file = Path(run.data.root) / run.data.dataset if run.data.source == "dataset" else "CONFIG"
    return f"To know, type `s4former compare {file} --methods supervised,{run.method.name} --folds 5`"
