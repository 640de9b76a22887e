"""What the files of run folders say, read for a report; they may be damaged or of another program."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from s4former.config import read_json, read_lines
from s4former.config.errors import UserError
from s4former.config.validation import first_mistake
from s4former.data.sources import short_names
from s4former.inference.score_line import ScoreLine

Line = Mapping[str, Any]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True)


class _Named(_Part):
    name: str
    views: dict[str, Any] = {}


class _Network(_Part):
    backbone: _Named
    head: _Named
    pretrained: str


class _Batches(_Part):
    root: str
    source: str
    labeled_batch_size: int
    unlabeled_batch_size: int
    crop_size: int | list[int]


class _Optimizer(_Part):
    name: str
    lr: float


class _Run(_Part):
    method: _Named
    model: _Network
    data: _Batches
    optimizer: _Optimizer
    steps: int
    seed: int
    device: str
    precision: str


class _Classes(_Part):
    names: list[str]
    colors: list[list[int]]


class _Data(_Part):
    classes: _Classes
    labeled: int
    unlabeled: int
    val: int


class RunShape(_Part):
    """``run.json``."""

    run: _Run
    data: _Data
    hardware: dict[str, Any]
    versions: dict[str, str]
    command: list[str]
    working_directory: str
    started: str
    resumed: list[Any]
    commit: str | None = None


class LineShape(_Part):
    """A line of ``journal.jsonl``."""

    step: int
    seconds: float


class ResultShape(_Part):
    """``result.json``; empty as long as the run goes on."""

    seconds: float | None = None
    fall_back: dict[str, Any] | None = None


@dataclass(frozen=True)
class RunRecord:
    """A run folder, finished or not.

    Attributes:
        path: The folder.
        name: What tells it from the other runs of the report.
        record: ``run.json``.
        journal: The lines of ``journal.jsonl``.
        scores: Those of ``scores.jsonl``.
        alarms: Those of ``alarms.jsonl``.
        result: ``result.json``; empty as long as the run is not finished.
        confusion: ``confusion.json``; empty if there is none.
    """

    path: Path
    name: str
    record: Mapping[str, Any]
    journal: Sequence[Line]
    scores: Sequence[Line]
    alarms: Sequence[Line]
    result: Mapping[str, Any]
    confusion: Mapping[str, Any]

    @property
    def run(self) -> Mapping[str, Any]:
        """The run's config."""
        run: Mapping[str, Any] = self.record["run"]
        return run

    @property
    def method(self) -> str:
        """The name of its method."""
        return str(self.run["method"]["name"])

    @property
    def names(self) -> list[str]:
        """The classes."""
        return list(self.record["data"]["classes"]["names"])

    @property
    def step(self) -> int:
        """The last step that it tells of."""
        return max((line["step"] for line in (*self.journal[-1:], *self.scores[-1:])), default=0)

    @cached_property
    def networks(self) -> dict[str, tuple[Line, Line]]:
        """The last line and the best of each network, the deployed one first."""
        own: dict[str, list[Line]] = {}
        for line in self.scores:
            own.setdefault(line["network"], []).append(line)
        pairs = {
            name: (lines[-1], max(lines, key=lambda line: line["miou"] or 0)) for name, lines in own.items()
        }
        return dict(sorted(pairs.items(), key=lambda pair: not pair[1][0]["deployed"]))

    @property
    def last(self) -> Line | None:
        """The last score of the deployed network."""
        return next((last for last, _ in self.networks.values() if last["deployed"]), None)

    @property
    def fell_back(self) -> bool:
        """Whether the model is the network from before unlabeled images took part."""
        return bool((self.result.get("fall_back") or {}).get("fell_back"))

    @property
    def val_ids(self) -> list[str]:
        """The images that it was scored on, if that was val."""
        path = self.path / "splits" / "val.txt"
        return path.read_text(encoding="utf-8").splitlines() if path.is_file() else []

    @property
    def command(self) -> str:
        """What repeats it, as a shell reads it."""
        script, *arguments = map(str, self.record["command"])
        is_ours = Path(script).stem in ("s4former", "__main__")
        line = shlex.join([*(["s4former"] if is_ours else ["python", script]), *arguments])
        return f"cd {shlex.quote(str(self.record['working_directory']))}\n{line}"


def read_runs(paths: Sequence[Path]) -> list[RunRecord]:
    """Return the runs in folders; one that is named twice counts once.

    Raises:
        UserError: If one of them holds no run, or a damaged one.
    """
    unique = {path.resolve().as_posix(): path for path in paths}
    names = short_names(list(unique))
    return [_read(path, names[whole]) for whole, path in unique.items()]


def _read(path: Path, name: str) -> RunRecord:
    if not (path / "run.json").is_file():
        raise UserError(_no_run(path))
    try:
        found = RunRecord(
            path,
            name,
            read_json(path / "run.json"),
            read_lines(path / "journal.jsonl"),
            read_lines(path / "scores.jsonl"),
            read_lines(path / "alarms.jsonl"),
            *(
                read_json(file) if file.is_file() else {}
                for file in (path / "result.json", path / "confusion.json")
            ),
        )
        RunShape.model_validate(found.record)
        ResultShape.model_validate(found.result)
        for shape, lines in ((LineShape, found.journal), (ScoreLine, found.scores)):
            for line in lines:
                shape.model_validate(line)
        _ = (found.method, found.names, found.networks, found.last, found.command)
    except (ValueError, KeyError, TypeError) as error:
        said = (
            first_mistake(error) if isinstance(error, ValidationError) else f"{type(error).__name__}: {error}"
        )
        raise UserError(
            f"the run in {path} cannot be read, as one of its files is damaged or of another program "
            f"({said}); leave it out of the report"
        ) from None
    return found


def _no_run(path: Path) -> str:
    if not path.exists():
        return f"there is no {path}; expected a run folder, which `s4former train` writes"
    inside = [run for run in (path, path.parent) if (run.parent / "run.json").is_file()]
    if inside:
        return f"{path} lies in a run folder; type `s4former report {shlex.quote(str(inside[0].parent))}`"
    below = sorted(file.parent for pattern in ("*/run.json", "*/*/run.json") for file in path.glob(pattern))
    if below:
        some = shlex.join(map(str, below[:6]))
        return f"{path} is no run folder, but holds some; name them, as in `s4former report {some}`"
    return f"{path} is no run folder: expected run.json in it, which `s4former train` writes"
