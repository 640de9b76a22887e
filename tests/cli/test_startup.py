"""What commands import before they answer: torch and timm take seconds, and most answers need neither."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import torch
import yaml

from processes import environment
from s4former.compat import launch as launcher
from s4former.config import DataError
from tiny_run import NAMES, make_data
from trials import server

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
SRC = ROOT / "src"
SETR = ROOT / "configs/setr/setr_deit-base_pup_bs_8_512x512_80k_pascal_1over16_split_classic_sup.py"
HEAVY = ("torch", "torchvision", "timm", "matplotlib", "scipy", "transformers")
_RUN = """
import sys
from s4former.cli.main import main
for line in sys.argv[1:]:
    sys.argv = ["s4former", *line.split()]
    code = 0
    try:
        main()
    except SystemExit as stop:
        code = stop.code or 0
    print("answered", code, *(name for name in {heavy} if name in sys.modules))
"""

_LAUNCH = """
import sys
from s4former.compat.launch import main
code = 0
try:
    main()
except SystemExit as stop:
    code = stop.code
print("answered", code, *(name for name in {heavy} if name in sys.modules))
"""


def answers(place: Path, *lines: str) -> list[tuple[int, set[str]]]:
    """Type commands one after the other in one process; return exit codes and what is imported by then."""
    script = _RUN.format(heavy=HEAVY)
    done = subprocess.run(
        [sys.executable, "-c", script, *lines],
        cwd=place,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    found = [line.split()[1:] for line in done.stdout.splitlines() if line.startswith("answered ")]
    return [(int(code), set(names)) for code, *names in found]


def test_help_lists_and_mistakes_need_no_torch(tmp_path: Path) -> None:
    commands = {
        "--help": 0,
        "--version": 0,
        "methods": 0,
        "methods fixmach": 1,
        "config explain optimizer.lr": 0,
        "train --help": 0,
        "trian": 2,
        "recipes": 0,
        "recipes voc": 0,
        "recipes vco": 1,
        "train voc.clasic_92.s4former": 1,
        "train nowhere.yaml": 1,
        "train nowhere.py": 1,
        "train demo steps": 1,
        "config show demo2": 1,
        "check voc.clasic_92": 1,
    }
    found = answers(tmp_path, *commands)
    assert dict(zip(commands, found, strict=True)) == {line: (code, set()) for line, code in commands.items()}


def test_configs_and_data_need_no_torch(tmp_path: Path) -> None:
    commands = {
        "train voc.classic_92.s4former data.crop=3": 1,
        "train voc.classic_92.s4former method.pasa_wait=3": 1,
        "train demo method=fixmatch method.confidence_threshold=2": 1,
        "train camvid.supervised method.views.labeled=jitter steps=0": 1,
        "check voc.classic_92.s4former": 3,
        "config show voc.classic_92.segformer.s4former device=cpu threads=1": 0,
        "config show demo.mean_teacher device=cpu threads=1": 0,
        "prepare coco --dry-run": 0,
        "train voc.classic_92.s4former --out run": 3,  # there is no VOC here
    }
    found = answers(tmp_path, *commands)
    assert dict(zip(commands, found, strict=True)) == {line: (code, set()) for line, code in commands.items()}
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="whether a GPU can be used is a question to torch")
def test_what_a_check_has_seen_and_timed_needs_no_torch_again(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data")
    content = {
        "names": NAMES,
        "labeled": {"images": "images/train", "masks": "masks/train", "list": "labeled.txt"},
        "val": {"images": "images/val", "masks": "masks/val"},
    }
    (data / "dataset.yaml").write_text(yaml.safe_dump(content))
    small = "check data/dataset.yaml model.backbone=vit_tiny_patch16_224 model.pretrained=none threads=1"
    first = server().command(*small.split(), place=tmp_path)
    assert first.code == 0, first.err
    again, refused = (
        answers(tmp_path, *lines)[-1] for lines in ([small], [small, f"{small} data.crop_size=[100,112]"])
    )
    assert again == (0, set())
    assert refused[0] == 1, "what was timed for another crop says nothing of this one"
    assert "timm" in refused[1]


@pytest.mark.parametrize("command", ["train.py", "test.py run"])
def test_a_launcher_looks_at_data_without_torch(command: str, tmp_path: Path) -> None:
    tool, *model = command.split()
    script = _LAUNCH.format(heavy=HEAVY)
    arguments = ["2", f"tools/{tool}", str(SETR), *model, "--launcher", "pytorch"]
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["answered", "3"], done.stderr


@pytest.mark.parametrize("script", ["train.py", "test.py"])
def test_missing_data_is_said_before_processes_start(
    script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(launcher, "start_processes", lambda *_: pytest.fail("processes were started"))
    rest = [str(SETR), *(["run"] if script == "test.py" else []), "--launcher", "pytorch"]
    with pytest.raises(DataError, match=r"VOC2012.*s4former prepare voc"):
        launcher.launch(["2", f"tools/{script}", *rest])


def modules_in_cycles() -> set[str]:
    """Return the modules whose imports, those of the packages around them among them, lead back to them.

    Only among these can an import find a module half made, so only these need to be tried first.
    """
    files = {
        ".".join(file.relative_to(SRC).with_suffix("").parts).removesuffix(".__init__"): file
        for file in SRC.rglob("*.py")
    }
    reached = {
        name: {
            part
            for one in (*_imported(ast.parse(file.read_text()).body), name)
            for part in _with_packages(one)
        }
        & files.keys() - {name}
        for name, file in files.items()
    }
    for _ in files:
        further = {name: own.union(*(reached[one] for one in own)) for name, own in reached.items()}
        if further == reached:
            break
        reached = further
    return {name for name, own in reached.items() if name in own}


def _imported(statements: Sequence[ast.stmt]) -> Iterator[str]:
    for one in statements:
        if isinstance(one, ast.Import):
            yield from (alias.name for alias in one.names)
        elif isinstance(one, ast.ImportFrom):
            yield from (f"{one.module}.{alias.name}" for alias in one.names)
        elif isinstance(one, ast.If | ast.Try) and "TYPE_CHECKING" not in ast.unparse(one).split(":")[0]:
            yield from _imported(one.body)


def _with_packages(name: str) -> Iterator[str]:
    parts = name.split(".")
    yield from (".".join(parts[:count]) for count in range(1, len(parts) + 1))


_EACH = """
import gc, importlib, os, sys
import numpy, PIL.Image, pydantic, rich, timm, torch, typer, yaml

def visit(name, names):
    # Forked where the packages around it are imported, which is how each first import begins. What they bring
    # along need not be tried alone: whoever asks for it gets them first.
    if os.fork():
        code = os.waitstatus_to_exitcode(os.wait()[1])
        return print(f"{name}: exit code {code}", flush=True) if code else None
    try:
        importlib.import_module(name)
        print("imported", name, flush=True)
        for part in sorted(one for one in names if one.rpartition(".")[0] == name):
            if part not in sys.modules:
                visit(part, names)
    except BaseException as error:
        print(f"{name}: {error!r}", flush=True)
    os._exit(0)

gc.disable(); gc.freeze()
visit("s4former", sys.argv[1:])
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_every_module_can_be_the_first_one_imported() -> None:
    """Late imports leave no order in which modules have to be imported."""
    names = {part for name in modules_in_cycles() for part in _with_packages(name)}
    assert {"s4former.methods", "s4former.curation.check"} <= names
    done = subprocess.run([sys.executable, "-c", _EACH, *names], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert not [line for line in lines if not line.startswith("imported ")]
    assert {f"imported {name}" for name in ("s4former.methods", "s4former.curation.check")} <= {*lines}
