"""Disks that fail under each command: it says so, nothing is lost or left half, and it works again."""

from __future__ import annotations

import errno
import json
import math
import os
import random
import shlex
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image
from safetensors import safe_open

from every_verb import WRITES, make_world, sums
from trials import KILL, Fault, Trial, Trials

ERRORS = {"full": errno.ENOSPC, "input/output": errno.EIO, "read-only": errno.EROFS, "killed": KILL}
ONCE = ("input/output", "killed")
ELSEWHERE = {
    "prepare": "unpacks an archive of gigabytes: tests/curation/prepare/test_archives.py",
    "demo": "two runs of `train` and their pictures",
    "init again": "`init` into a place of its own",
}
"""Commands that are left out here, and why."""
VERBS = {name: words for name, (words, _) in WRITES.items() if name not in ELSEWHERE}


def fail_at_every_write(
    trials: Trials,
    root: Path,
    verbs: dict[str, str],
    *,
    share: float = 1,
    most: int | None = None,
    seed: int = 0,
) -> Iterator[dict[str, Any]]:
    """Run each command with a disk that fails at one of its writes, and then once more.

    Each write fails in one way, drawn at random, before any fails in a second: a quarter of the trials is
    every write once.

    Args:
        trials: Makes processes.
        root: An empty folder to work in.
        verbs: What to type, by the command's name.
        share: Of the pairs of a write and a way to fail.
        most: Pairs of a command.
        seed: Of the order.

    Yields:
        A record per trial, with what is wrong, if anything.
    """
    if not (root / "world").exists():
        make_world(root / "world")
    draw = random.Random(seed)
    for name, words in verbs.items():
        place = _copy(root, "counted")
        counted = _run(trials, name, words, place, Fault(str(place)))
        assert counted.code == 0, f"{name}: {counted.err}"
        whole = sums(place)
        ways = {number: draw.sample(list(ERRORS), len(ERRORS)) for number in range(1, counted.writes + 1)}
        rounds = [
            draw.sample([(number, ways[number][turn]) for number in ways], len(ways))
            for turn in range(len(ERRORS))
        ]
        pairs = [pair for each in rounds for pair in each]
        for number, way in pairs[: math.ceil(share * len(pairs))][:most]:
            place = _copy(root, "failing")
            before = sums(place)
            fault = Fault(str(place), number, ERRORS[way], stays=way not in ONCE)
            failed = _run(trials, name, words, place, fault)
            wrong = [*_said(failed, way), *_left(place, before)]
            if failed.code == 0:
                wrong += _lacking(place, whole)
            again = _run(trials, name, _once_more(name, words), place)
            if again.code:
                wrong.append(f"it does not work again: {again.err}")
            yield {
                "verb": name,
                "write": number,
                "of": counted.writes,
                "way": way,
                "code": failed.code,
                "wrong": wrong,
            }


def _copy(root: Path, name: str) -> Path:
    shutil.rmtree(root / name, ignore_errors=True)
    return Path(shutil.copytree(root / "world", root / name))


def _run(trials: Trials, name: str, words: str, place: Path, fault: Fault | None = None) -> Trial:
    program = name.partition(",")[0] if name.startswith("tools/") else "s4former"
    return trials.call("trials:run_command", shlex.split(words), program, place=place, fault=fault)[0]


def _once_more(name: str, words: str) -> str:
    return words + {"train": " --resume", "tools/train.py": " --auto-resume", "init": " --force"}.get(
        name, ""
    )


def _said(failed: Trial, way: str) -> Iterator[str]:
    """Yield what is wrong with how a command ended whose disk failed."""
    text = failed.out + failed.err
    if way == "killed":
        if failed.code not in (-9, 0):
            yield f"exit code {failed.code} though it was killed"
        return
    if failed.code not in (0, 1):
        yield f"exit code {failed.code}: {text[-2000:]}"
    if "Traceback" in text or "internal error" in text:
        yield f"a traceback: {text[-2000:]}"
    if failed.code == 1 and os.strerror(ERRORS[way]) not in " ".join(text.split()):
        yield f"it does not say what failed: {text[-600:]}"


def _left(place: Path, before: dict[str, str]) -> Iterator[str]:
    """Yield files of the user's that changed, and files that are half written."""
    after = sums(place)
    for path in before:
        if after.get(path) != before[path] and not path.endswith("-outputs.jsonl"):
            yield f"{path} was changed"
    for path in after.keys() - before.keys():
        if problem := half_written(place / path):
            yield f"{path} is half written: {problem}"


def _lacking(place: Path, whole: dict[str, str]) -> Iterator[str]:
    """Yield what a command left out that said all is well; hidden files and pages of a run may be.

    Weights and archives of images have to be those of a sound run to the bit.
    """
    after = sums(place)
    for path, content in whole.items():
        file = Path(path)
        is_hidden = any(part.startswith(".") for part in file.parts)
        of_run = file.name in ("curves.png", "report.html") and str(file.with_name("run.json")) in whole
        if not is_hidden and not of_run and path not in after:
            yield f"exit code 0, but there is no {path}"
        elif path.endswith((".safetensors", ".tar", ".tar.index")) and after.get(path) != content:
            yield f"exit code 0, but {path} is another than without a failing disk"


def half_written(file: Path) -> str:
    """Return what is wrong with a file that should be whole; of hidden temporary ones nothing is expected."""
    if file.name.startswith("."):
        return ""
    try:
        match file.suffix:
            case ".json":
                json.loads(file.read_text())
            case ".jsonl":
                [
                    json.loads(line)
                    for line in file.read_text().splitlines(keepends=True)
                    if line.endswith("\n")
                ]
            case ".png":
                with Image.open(file) as picture:
                    picture.load()
            case ".pt":
                with zipfile.ZipFile(file) as archive:
                    assert archive.testzip() is None, "its checksums are wrong"
            case ".safetensors":
                with safe_open(file, framework="pt") as tensors:
                    [tensors.get_tensor(name) for name in tensors.keys()]  # noqa: SIM118
            case _:
                assert file.stat().st_size or file.suffix in (".txt", ".lock"), "it is empty"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""
