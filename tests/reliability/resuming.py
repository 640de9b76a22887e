"""A run that is killed at any moment and resumed ends with the tensors of an undisturbed one, bit for bit."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from s4former.engine import Checkpoints, read_lines
from tiny_run import make_data, tiny_run
from trials import Fault, Trials

TIMES = ("seconds", "images_per_second", "data_wait")


@dataclass(frozen=True)
class Kind:
    """What a run that is killed is like."""

    method: str = "s4former"
    workers: int = 0
    processes: int = 1
    accumulate: int = 1
    parallel: str = "ddp"

    def changes(self) -> dict[str, Any]:
        """Return its overrides."""
        return {
            "method.name": self.method,
            "data.num_workers": self.workers,
            "accumulate": self.accumulate,
            "parallel": self.parallel,
            "data.labeled_batch_size": 4,
            "data.unlabeled_batch_size": 4,
            "model.head": "setr_pup",
        }


def train_once(data: str, folder: str, changes: dict[str, Any]) -> None:
    """Train a tiny run, or go on with it."""
    from s4former.engine import train

    changes = {"model.head.channels": 8, "model.head.num_convs": 1, **changes}
    train(tiny_run(Path(data), changes), Path(folder), resume=True)


def every_tensor(folder: Path) -> dict[str, torch.Tensor]:
    """Return all tensors that a finished run left: its models', and the newest state's."""
    found = {}
    for file in sorted(folder.glob("model*/model.safetensors")):
        found |= {f"{file.parent.name}/{name}": value for name, value in load_file(file).items()}
    state = Checkpoints(folder).load("cpu")
    assert state is not None

    def walk(value: Any, name: str) -> Iterator[tuple[str, torch.Tensor]]:
        if isinstance(value, torch.Tensor):
            yield name, value
        elif isinstance(value, dict | list | tuple):
            for key, each in value.items() if isinstance(value, dict) else enumerate(value):
                yield from walk(each, f"{name}.{key}")

    return found | dict(walk({"method": state["method"], "optimizer": state["optimizer"]}, "state"))


def differences(folder: Path, other: Path) -> list[str]:
    """Return which tensors, and which lines of the diaries but for times, two finished runs differ in."""
    ours, theirs = every_tensor(folder), every_tensor(other)
    found = sorted(ours.keys() ^ theirs.keys())
    found += [name for name in ours.keys() & theirs.keys() if not torch.equal(ours[name], theirs[name])]
    for name in ("journal.jsonl", "scores.jsonl"):
        lines = [
            [
                {key: value for key, value in line.items() if key not in TIMES}
                for line in read_lines(run / name)
            ]
            for run in (folder, other)
        ]
        found += [name] if lines[0] != lines[1] else []
    return found


def kill_and_resume(
    trials: Trials, root: Path, kinds: list[Kind], moments: int, seed: int = 0
) -> Iterator[dict[str, Any]]:
    """Kill runs at random moments, half by the clock and half in the middle of a random write, and resume.

    Yields:
        A record per moment: what was killed when, and what differs in the end from the undisturbed run.
    """
    draw = random.Random(seed)
    data = make_data(root / "data", train=6, val=3)
    straight: dict[Kind, tuple[Path, float, int]] = {}
    for moment in range(moments):
        kind = kinds[moment % len(kinds)]
        if kind not in straight:
            folder = root / f"straight{len(straight)}"
            (first, *_) = run(trials, data, folder, kind, fault=Fault(str(folder)))
            assert first.code == 0, first.err
            straight[kind] = folder, first.seconds, first.writes
        whole, seconds, writes = straight[kind]
        folder = root / f"killed{moment}"
        in_a_write = moment % 2 == 1
        number = draw.randint(1, writes)
        fault = Fault(str(folder), number) if in_a_write else None
        after = None if in_a_write else draw.uniform(0, seconds)
        killed = run(trials, data, folder, kind, fault=fault, kill_after=after)
        ends = [trial.code for trial in run(trials, data, folder, kind)]
        record = {
            **vars(kind),
            "killed": f"in write {number} of {writes}"
            if in_a_write
            else f"after {after:.2f} of {seconds:.2f} s",
            "codes": [trial.code for trial in killed],
            "resumed": ends,
            "differ": differences(folder, whole) if not any(ends) else ["it did not finish"],
        }
        if not record["differ"]:
            shutil.rmtree(folder)
        yield record


def run(trials: Trials, data: Path, folder: Path, kind: Kind, **more: Any) -> list[Any]:
    """Train, or go on."""
    arguments = str(data), str(folder), kind.changes()
    return trials.call("resuming:train_once", *arguments, processes=kind.processes, **more)
