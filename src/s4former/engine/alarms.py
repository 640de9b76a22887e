"""Says when unlabeled images teach a run little, and what to type: the rules are in `alarm_rules`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from s4former.engine.alarm_rules import RULES, TEACHER_BELOW, Line, wrong_line, wrong_scores
from s4former.engine.callbacks import Callback
from s4former.engine.journal import append_line, forget_after, read_lines
from s4former.engine.run import Run

FILE = "alarms.jsonl"


class Alarms(Callback):
    """Raises each alarm once in a run, and says once when it is over.

    A resumed run knows what its earlier lines said, and gives the alarms that it would have given without a
    stop.

    Args:
        run: The run.
        folder: Its folder, for ``alarms.jsonl``.
        say: Who is told.
    """

    def __init__(self, run: Run, folder: Path, say: Callable[[str], None]) -> None:
        self._run, self._folder, self._say = run, folder, say
        self._wrong_since: dict[str, int] = {}
        self._raised: set[str] = set()
        self._over: set[str] = set()
        self._labels: dict[str, float] = {}
        self._last = 0

    def on_start(self, step: int, steps: int) -> None:
        """Drop what comes again, and remember what the lines before said."""
        forget_after(self._folder / FILE, step)
        for line in read_lines(self._folder / "journal.jsonl"):
            self._notice(line)
        for line in read_lines(self._folder / FILE):
            (self._raised if line["state"] == "raised" else self._over).add(line["alarm"])

    def on_log(self, line: Line) -> None:
        """Look at a line; what is wrong for long enough is an alarm."""
        if not self._run.alarms.enabled:
            return
        for name, text in self._notice(line).items():
            if text is None:
                self._end(name, line["step"])
                continue
            since = self._wrong_since[name]
            if line["step"] - since >= self._run.alarms.steps(self._run.steps):
                self._raise(name, line["step"], f"since step {since + 1} {text}")

    def on_score(self, lines: Sequence[Line]) -> None:
        """Look at scores, once unlabeled images have taken part for long enough."""
        step, run = lines[0]["step"], self._run
        if not run.alarms.enabled or step < run.method.least_steps - 1 + run.alarms.steps(run.steps):
            return
        text = wrong_scores(lines, self._run.alarms)
        if text is None:
            self._end(TEACHER_BELOW.name, step)
        else:
            self._raise(TEACHER_BELOW.name, step, f"after step {step} {text}")

    def _notice(self, line: Line) -> dict[str, str | None]:
        """Return what is wrong with a line, and remember since when."""
        start = "labels/share/"
        for name in line:
            if name.startswith(start):
                label = name.removeprefix(start)
                self._labels[label] = self._labels.get(label, 0.0) + line[name]
        total = sum(self._labels.values())
        labels = {label: share / total for label, share in self._labels.items()}
        found = wrong_line(line, labels, self._run.alarms, self._run)
        for name, text in found.items():
            if text is None:
                self._wrong_since.pop(name, None)
            else:
                self._wrong_since.setdefault(name, self._last)
        self._last = line["step"]
        return found

    def _raise(self, name: str, step: int, seen: str) -> None:
        if name in self._raised:
            return
        self._raised.add(name)
        rule = RULES[name]
        advice = rule.advice(self._run)
        self._write({"step": step, "alarm": name, "state": "raised", "seen": seen}, rule.means, advice)
        typed = f". Type {', or '.join(advice)}" if advice else ""
        self._say(f"alarm {name}: {seen}; {rule.means}{typed}; see docs/why.md")

    def _end(self, name: str, step: int) -> None:
        if name not in self._raised or name in self._over:
            return
        self._over.add(name)
        append_line(self._folder / FILE, {"step": step, "alarm": name, "state": "over"})
        self._say(f"alarm {name} is over after step {step}")

    def _write(self, line: dict[str, Any], means: str, advice: Sequence[str]) -> None:
        append_line(self._folder / FILE, {**line, "means": means, "advice": list(advice)})


def read_alarms(folder: Path) -> list[dict[str, Any]]:
    """Return the alarms of a run folder."""
    return read_lines(folder / FILE)


def standing(alarms: Sequence[Line]) -> list[str]:
    """Return the names of the alarms that are not over."""
    over = {line["alarm"] for line in alarms if line["state"] == "over"}
    return [line["alarm"] for line in alarms if line["state"] == "raised" and line["alarm"] not in over]
