"""What a person sees while a run goes on: a live bar on a terminal, plain lines anywhere else."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as RichBars
from rich.text import Text

from s4former.engine.callbacks import Callback
from s4former.inference import wording


class PlainProgress(Callback):
    """Writes lines: for logs, pipes and batch systems."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.steps = 0
        self._since: tuple[int, float] | None = (0, 0.0)  # step and seconds from where speed is taken
        self._remarked = False
        self._best: Mapping[str, Any] | None = None

    def on_message(self, text: str) -> None:
        """Say something once."""
        self._say(text)

    def on_start(self, step: int, steps: int) -> None:
        """Remember how many steps there are; a run that goes on may do so at another speed."""
        self.steps, self._since = steps, None if step else (0, 0.0)

    def on_log(self, line: Mapping[str, Any]) -> None:
        """Write the journal's line in words, with the time that is left."""
        now = line["step"], line["seconds"]
        since, self._since = self._since or (0, 0.0), self._since or now
        left = (self.steps - now[0]) * (now[1] - since[1]) / max(now[0] - since[0], 1)
        self._say(
            f"step {line['step']}/{self.steps}  {_losses(line)}  "
            f"{line['images_per_second']:.1f} images/s  {_duration(left)} left"
        )

    def on_score(self, lines: Sequence[Mapping[str, Any]]) -> None:
        """Write the mean IoU of each network, and after the first time what to know of such scores."""
        self._say(_scores(lines))
        own = next((line for line in lines if line.get("deployed")), lines[-1])
        if own["miou"] is not None and (self._best is None or own["miou"] > self._best["miou"]):
            self._best = own
        self._show_running(own)
        for remark in () if self._remarked else wording.all_remarks(lines):
            self._say(remark)
        self._remarked = True

    def _show_running(self, line: Mapping[str, Any]) -> None:
        """Keep the last score in sight; a log has it above."""

    def _say(self, text: str) -> None:
        whole = not self.console.is_terminal  # a screen gets lines broken between words
        self.console.print(text, markup=False, highlight=False, soft_wrap=whole)


class _Bars(RichBars):
    """Bars, and below them a line of text that is cut where the terminal ends."""

    status = ""

    def get_renderables(self) -> Iterable[RenderableType]:
        """Return what is drawn."""
        yield self.make_tasks_table(self.tasks)
        if self.status:
            yield Text(self.status, no_wrap=True, overflow="ellipsis")


class RichProgress(PlainProgress):
    """Keeps a live bar below the scores."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self.bars = _Bars(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[score]}"),
            console=console,
            expand=True,
        )
        self._training: TaskID | None = None
        self._evaluation: TaskID | None = None
        self.bars.start()

    def close(self) -> None:
        """Stop drawing."""
        self.bars.stop()

    def on_start(self, step: int, steps: int) -> None:
        """Start the bar of the steps."""
        self._training = self.bars.add_task("training", total=steps, completed=step, score="")

    def on_step(self, step: int) -> None:
        """Move the bar of the steps."""
        if self._training is not None:
            self.bars.update(self._training, completed=step)

    def on_log(self, line: Mapping[str, Any]) -> None:
        """Show the newest losses and speed below the bar."""
        self.bars.status = f"{line['images_per_second']:.1f} images/s  {_losses(line)}"

    def on_evaluate(self, images: int) -> None:
        """Start a bar of the images."""
        self._evaluation = self.bars.add_task("scoring", total=images, score="")

    def on_image(self) -> None:
        """Move the bar of the images."""
        if self._evaluation is not None:
            self.bars.advance(self._evaluation)

    def on_score(self, lines: Sequence[Mapping[str, Any]]) -> None:
        """Replace the bar of the images by the scores."""
        if self._evaluation is not None:
            self.bars.remove_task(self._evaluation)
            self._evaluation = None
        super().on_score(lines)

    def _show_running(self, line: Mapping[str, Any]) -> None:
        """Show it beside the bar of the steps."""
        if self._training is not None and self._best:
            score = f"mIoU {wording.percent(line['miou'])}, best {wording.percent(self._best['miou'])}"
            self.bars.update(self._training, score=score)

    def _say(self, text: str) -> None:
        self.bars.print(text, markup=False, highlight=False)


def is_main_process() -> bool:
    """Return whether this is the process that prints: the first one, or the only one."""
    return os.environ.get("RANK", "0") == "0"


def progress_for(console: Console) -> Callback:
    """Return the callback that suits a console; of several processes only the first one prints."""
    if not is_main_process():
        return Callback()
    return RichProgress(console) if console.is_terminal else PlainProgress(console)


def _losses(line: Mapping[str, Any]) -> str:
    """Return all losses of a line and, if there are any, what its pseudo-labels are like."""
    names = [name for name in line if name == "loss" or name.startswith("loss/")]
    parts = [f"{name.removeprefix('loss/')} {_number(line[name])}" for name in names]
    for name, word in (("contradicted", "contradicted"), ("precision", "right"), ("confident", "confident")):
        if line.get(f"pseudo/{name}") is not None:
            parts.insert(1, f"{word} {line[f'pseudo/{name}']:.{int(name == 'contradicted')}%}")
    return "  ".join(parts)


def _number(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.3f}"


def _scores(lines: Sequence[Mapping[str, Any]]) -> str:
    parts = [f"{line['network']} {wording.mean(line)}" for line in lines]
    first = lines[0]
    return f"step {first['step']}  mIoU on {first['part']} ({first['images']} images): {', '.join(parts)}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
