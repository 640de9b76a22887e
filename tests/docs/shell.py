"""Runs the commands of pages in this process, as typed, but for two rules that keep them small.

1. What reaches the training loop, or is timed before, is made tiny: two steps, crops of 32 pixels, a ViT
   of two blocks with random weights, images scored at their own size. What comes before happens at full size:
   the config is read and overrides are applied.
2. ``sh tools/dist_train.sh CONFIG N OPTIONS`` runs as ``tools/train.py CONFIG OPTIONS --gpus N``, and
   ``tools/dist_test.sh`` alike; the scripts themselves are tested in ``tests/cli/test_tools.py``.
"""

from __future__ import annotations

import os
import re
import runpy
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

from s4former.__main__ import main
from s4former.cli.main import app, guarded
from s4former.compat import mmseg_test, mmseg_train
from s4former.engine import Run, loop, timing, validation
from s4former.engine.validation import Validation
from s4former.recipes import load_run

_TOOLS = re.compile(r"(?:\./)?tools/(train|test|dist_train|dist_test|slurm_train)\.(?:py|sh)")

SMALL_PROTOCOL = {"mode": "whole", "short_side": None}


def shrink(run: Run) -> Run:
    """Return a run that takes a moment."""
    fields = run.model_dump()
    fields |= {"steps": 2, "evaluate_every": 0, "save_every": 0, "threads": 1, "device": "cpu"}
    fields["data"] |= {"crop_size": 32, "short_side": None, "num_workers": 0}
    fields["data"] |= {"labeled_batch_size": 2, "unlabeled_batch_size": 2}
    fields["model"] = {
        "backbone": {
            "name": "vit",
            "image_size": [32, 32],
            "patch_size": 8,
            "embed_dim": 16,
            "depth": 2,
            "num_heads": 2,
        },
        "head": "linear",
    } | {name: fields["model"][name] for name in ("channels", "mean", "std")}
    if "shuffle_block" in fields["method"]:
        fields["method"]["shuffle_block"] = 2
    if "unlabeled_start_step" in fields["method"]:
        fields["method"]["unlabeled_start_step"] = 1
    fields["evaluate"] |= SMALL_PROTOCOL
    return Run.model_validate(fields)


class Shell:
    """A working folder in which lines of a page are run."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys
        train, measure = loop.train, timing.measure_pace
        score = validation.validate_with_config

        def score_small(path: Path, model: Any, config: Validation, *rest: Any) -> Any:
            small = config.evaluate.model_copy(update=SMALL_PROTOCOL)
            return score(path, model, config.model_copy(update={"evaluate": small}), *rest)

        monkeypatch.setattr(loop, "train", lambda run, *rest, **named: train(shrink(run), *rest, **named))
        monkeypatch.setattr(timing, "measure_pace", lambda run, *rest: measure(shrink(run), *rest))
        monkeypatch.setattr(validation, "validate_with_config", score_small)
        monkeypatch.setenv("COLUMNS", "200")
        self.output = ""

    def run(self, line: str) -> int:
        """Run a line and return its exit code; ``output`` is what it printed, on one line."""
        assignments, words = split(line)
        command, prog = command_of(words)
        self._capsys.readouterr()
        with self._monkeypatch.context() as patch:
            for name, value in assignments.items():
                patch.setenv(name, value)
            patch.setattr(sys, "argv", prog)
            environment = dict(os.environ)
            try:
                command()
                code = 0
            except SystemExit as stop:
                code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
            finally:
                os.environ.clear()
                os.environ.update(environment)
        self.output = " ".join("".join(self._capsys.readouterr()).split())
        return code

    def run_python(self, text: str) -> None:
        """Run a Python block."""
        exec(compile(text, "<page>", "exec"), {"__name__": "page"})


def split(line: str) -> tuple[dict[str, str], list[str]]:
    """Return the assignments before a command, and the command's words."""
    words = shlex.split(line, comments=True)
    assignments = {}
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        name, _, value = words.pop(0).partition("=")
        assignments[name] = value
    return assignments, words


def command_of(words: list[str]) -> tuple[Callable[[], Any], list[str]]:
    """Return what a command does, and the arguments that the program sees."""
    if words[0] == "s4former":
        return main, words
    tool = next((match[1] for word in words[:2] if (match := _TOOLS.fullmatch(word))), "")
    if tool:
        arguments = tool_arguments(tool, words[2:])
        work = mmseg_test.test if tool.endswith("test") else mmseg_train.train
        return (lambda: guarded(lambda: work(arguments))), words
    if words[0] == "python" and words[1].endswith(".py"):
        return (lambda: runpy.run_path(words[1], run_name="__main__")), words[1:]
    if words[0] == "mkdir":
        return (
            lambda: [Path(word).mkdir(parents=True, exist_ok=True) for word in words[1:] if word != "-p"]
        ), []
    raise AssertionError(f"no rule how to run {' '.join(words)}; add one, or a remark <!-- not run: why -->")


def tool_arguments(tool: str, words: list[str]) -> list[str]:
    """Return the arguments that a script in ``tools/`` hands to its Python program."""
    if tool == "slurm_train":
        return words[2:]
    if not tool.startswith("dist_"):
        return words
    place = 1 if tool == "dist_train" else 2
    gpus = ["--gpus", words[place]]
    assert gpus[1].isdecimal(), words
    return [*words[:place], *gpus, *words[place + 1 :]]


def check_words(line: str) -> None:
    """See whether a command that is not run would be understood: its verb, options and fields."""
    _, words = split(line)
    if words[0] == "s4former":
        _parse(words[1:])
        if words[1] == "train":
            given = [word for word in words[3:] if re.match(r"[a-z_.]+=", word)]
            load_run(words[2], given)
        return
    tool = next((match[1] for word in words[:2] if (match := _TOOLS.fullmatch(word))), "")
    if tool:
        parser = mmseg_test.parser() if tool.endswith("test") else mmseg_train.parser()
        options = parser.parse_args(tool_arguments(tool, words[2:]))
        load_run(options.config)


def _parse(words: list[str]) -> None:
    command: Any = typer.main.get_command(app)
    while hasattr(command, "commands"):
        name = words.pop(0)
        assert name in command.commands, f"s4former knows no {name}"
        command = command.commands[name]
    command.make_context(command.name, words)
