"""What `s4former demo` does: a run without unlabeled images and one with them, compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from rich.console import Console

from s4former.config.errors import UserError
from s4former.config.invocation import invocation, program, typed
from s4former.config.outputs import Outputs, claim
from s4former.config.override import override
from s4former.curation.sources import open_source
from s4former.data.display import rgb_view
from s4former.data.sources.base import Source
from s4former.engine.callbacks import Callback
from s4former.engine.checkpoint import Checkpoints
from s4former.engine.folder import differences, earlier_run
from s4former.engine.journal import read_lines
from s4former.engine.loop import train
from s4former.engine.pace import in_words
from s4former.engine.progress import progress_for
from s4former.engine.run import Run
from s4former.engine.tables import print_table, table_of, tell
from s4former.engine.timing import measure_pace
from s4former.inference import wording
from s4former.inference.predict import Model
from s4former.recipes._demo_photos import spread_over_classes
from s4former.recipes.demo import recipe
from s4former.report.figures import colorize, learning_curves, panel
from s4former.types import IGNORE

_PANEL_ROWS = 6
_PANEL, _CURVES = "panel.png", "curves.png"


@dataclass(frozen=True)
class NetworkScore:
    """What one network of one run reached on the validation images, as fractions.

    Attributes:
        run: ``supervised`` or the method with unlabeled images, as ``s4former``.
        network: ``student`` or ``teacher``.
        last: Mean IoU after the last step.
        best: Highest mean IoU of all evaluations, so chosen on the scenes it is measured on.
        best_step: When that was.
        deployed: Whether this is the network that the run's ``model/`` holds.
        lines: Both lines of ``scores.jsonl``.
    """

    run: str
    network: str
    last: float
    best: float
    best_step: int
    deployed: bool
    lines: tuple[Mapping[str, Any], Mapping[str, Any]]


@dataclass(frozen=True)
class DemoResult:
    """What the demo leaves.

    Attributes:
        folder: Holds a run folder each for ``supervised`` and the other method.
        scores: A score for each network of both runs.
        panel: Picture of some validation images, their truth and both predictions; ``scenes/`` holds those
            that were made up.
        curves: Picture of the scores over the training steps.
    """

    folder: Path
    scores: tuple[NetworkScore, ...]
    panel: Path
    curves: Path

    @property
    def gain(self) -> float:
        """By how much the other model beats the supervised one after the last step, as a fraction."""
        supervised, other = (score.last for score in self.scores if score.deployed)
        return other - supervised


def run_demo(
    out: Path, run: Run | None = None, console: Console | None = None, progress: Callback | None = None
) -> DemoResult:
    """Train supervised-only and a method with unlabeled images from the same few labels, and compare them.

    Both runs start from the same weights, see the same labeled crops and take the same number of steps. What
    ``out`` holds of a demo already is gone on with, to the same end.

    Args:
        out: Folder for both runs and the pictures.
        run: The run with unlabeled images; the made-up land's by default. The baseline differs in its method.
        console: Where to write; the terminal by default.
        progress: Listens to the training; by default what suits the console.

    Raises:
        UserError: If ``out`` holds something else, or a demo of another version.
    """
    console = console or Console()
    run = (run or recipe()).resolved(earlier_run(out / "supervised", resume=True))
    # Weights by rarity are for pseudo-labels: labels alone are no better for them.
    supervised = override(run, ["method=supervised", "method.class_balance=0"])[0]
    runs = {"supervised": supervised, run.method.name: run}
    left = _left_to_do(out, runs)
    instead = f"choose another folder with {invocation().out}"
    source = open_source(run.data)
    # Of made-up scenes each shows all classes.
    shown = source.val[:_PANEL_ROWS] if _made_up(run) else spread_over_classes(source, _PANEL_ROWS)
    figures = claim([(out / name, name) for name in (_PANEL, _CURVES)], "figure", instead=instead)
    _announce(out, {name: runs[name] for name in left}, console)
    if _made_up(run):
        _write_scenes(out / "scenes", source, shown, instead)
    for name in left:
        with progress or progress_for(console) as listener:
            train(runs[name], out / name, resume=True, progress=listener)
    scores = tuple(score for name in runs for score in _scores(out / name))
    drawn = _draw_panel(out, runs, source, shown, figures), _draw_curves(out, runs, figures)
    result = DemoResult(out, scores, *drawn)
    _report(result, run, console)
    return result


def _made_up(run: Run) -> bool:
    return run.data.source == "scenes"


def _images(run: Run) -> str:
    """Return what the scored images are called."""
    return "validation scenes" if _made_up(run) else f"{run.evaluate.part} images"


def _title(method: str) -> str:
    return {"supervised": "supervised only", "s4former": "S4Former"}.get(method, method)


def _write_scenes(folder: Path, source: Source, shown: Sequence[str], instead: str) -> None:
    scenes = claim([(folder / f"{id}.png", id) for id in shown], "scene", instead=instead)
    for id in shown:
        image = Image.fromarray(source.read_image(id, "val"))
        scenes.write(folder / f"{id}.png", partial(image.save, format="PNG"))


def _left_to_do(out: Path, runs: Mapping[str, Run]) -> list[str]:
    """Return which of the runs are not finished.

    Raises:
        UserError: If ``out`` holds something else.
    """
    if out.is_dir() and any(out.iterdir()) and not any((out / name).is_dir() for name in runs):
        raise UserError(
            f"{out} holds something else than a demo; choose another folder with {invocation().out}"
        )
    left = []
    for name, run in runs.items():
        changes = differences(out / name, run) if earlier_run(out / name, resume=True) else ""
        if changes:
            raise UserError(
                f"{out / name} was made by another version of the demo, or with other options ({changes}), "
                f"so it cannot be gone on with; delete {out}, or choose another folder with "
                f"{invocation().out}"
            )
        if not (out / name / "result.json").is_file():
            left.append(name)
    return left


def _announce(out: Path, left: Mapping[str, Run], console: Console) -> None:
    """Say what will happen and how long it will take on this machine."""
    if not left:
        again = f"another folder ({invocation().out}) trains it anew"
        tell(console, f"{out} holds a finished demo, shown again here; {again}")
        return
    seconds = 0.0
    for name, run in left.items():
        done = Checkpoints(out / name).newest_step() or 0
        source = open_source(run.data)
        seconds += measure_pace(run, source).total(run, source) * (1 - done / run.steps)
    runs = " and then ".join(left)
    tell(console, f"training {runs} takes about {in_words(seconds)} on this machine, as timed now")


def _scores(folder: Path) -> list[NetworkScore]:
    """Return the last and the best score of each network of a run folder."""
    lines = read_lines(folder / "scores.jsonl")
    scores = []
    for network in dict.fromkeys(line["network"] for line in lines):
        own = [line for line in lines if line["network"] == network]
        best = max(own, key=lambda line: line["miou"])
        last = own[-1]
        scores.append(
            NetworkScore(
                folder.name, network, last["miou"], best["miou"], best["step"], last["deployed"], (last, best)
            )
        )
    return scores


def _draw_panel(
    out: Path, runs: Mapping[str, Run], source: Source, shown: Sequence[str], figures: Outputs
) -> Path:
    models = [Model.load(out / name) for name in runs]
    names, colors = source.classes.names, source.classes.colors
    rows, seen = [], set[int]()
    for id in shown:
        image = source.read_image(id, "val")
        masks = [source.read_mask(id, "val"), *(model.predict(image).mask for model in models)]
        seen.update(*(set(np.unique(mask).tolist()) for mask in masks))
        picture = rgb_view(image, runs["supervised"].data.display_channels)
        rows.append(("", [picture, *(colorize(mask, colors) for mask in masks)]))
    legend = {names[index]: colors[index] for index in sorted(seen - {IGNORE})}
    columns = ("image", "truth", *map(_title, runs))
    return panel(rows, columns, out / _PANEL, legend, outputs=figures)


def _draw_curves(out: Path, runs: Mapping[str, Run], figures: Outputs) -> Path:
    curves: dict[str, list[tuple[int, float]]] = {}
    for name in runs:
        for line in read_lines(out / name / "scores.jsonl"):
            curves.setdefault(f"{name}, {line['network']}", []).append((line["step"], line["miou"]))
    return learning_curves(curves, out / _CURVES, f"mIoU on {_images(runs['supervised'])}", figures)


def _report(result: DemoResult, run: Run, console: Console) -> None:
    first = result.scores[0].lines[0]
    table = table_of(
        ("trained with", "network"),
        ("last", "best", "at step"),
        title=f"mean IoU on {first['images']} {_images(run)}, in percent",
        caption=wording.caption(first["protocol"]),
        title_justify="left",
        caption_justify="left",
    )
    for score in result.scores:
        style = "bold" if score.deployed else None
        cells = (score.run, score.network, *map(wording.mean, score.lines), str(score.best_step))
        table.add_row(*cells, style=style)
    print_table(console, table)
    for remark in dict.fromkeys(remark for score in result.scores for remark in score.lines[0]["remarks"]):
        tell(console, remark)
    tell(
        console,
        f"{_title(run.method.name)} after the last step: {100 * result.gain:+.2f} points over "
        "supervised-only, from the same labels, first weights and steps.",
    )
    tell(console, f"pictures     {result.panel}\n             {result.curves}")
    for name in dict.fromkeys(score.run for score in result.scores):
        tell(console, f"run folder   {result.folder / name}")
    tell(console, "next:")
    for what, arguments in _next_steps(result.folder, run).items():
        tell(console, f"  {typed(program(), arguments)}    # {what}")


def _next_steps(folder: Path, run: Run) -> dict[str, tuple[str, ...]]:
    """Return commands to try, by what they do."""
    model = str(folder / run.method.name)
    scenes = folder / "scenes" if _made_up(run) else Path(run.data.root) / str(run.data.val_images)
    what = "the model on the scenes of the picture" if _made_up(run) else "the model on all val images"
    return {
        what: ("predict", model, str(scenes), "--out", str(folder / "predictions")),
        "the score of each class": ("val", model),
        "your own images, of which some have masks": ("init", "IMAGES", "--masks", "MASKS"),
    }
