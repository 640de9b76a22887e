"""``import s4former``: quick, small and enough."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import numpy as np
import pytest

import s4former
from s4former.config import UserError
from tiny_run import make_data, tiny_run


def test_importing_loads_no_torch_and_takes_no_time() -> None:
    code = "import sys, s4former; assert not {'torch', 'pydantic', 'numpy'} & set(sys.modules), 'too much'"
    times = []
    for _ in range(3):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.5


def test_everything_promised_is_there() -> None:
    for name in s4former.__all__:
        assert getattr(s4former, name) is not None
    assert dir(s4former) == sorted(s4former.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = s4former.nothing


def test_the_version_is_that_of_the_package() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert project.get("version", s4former.__version__) == s4former.__version__


def test_no_message_of_the_library_speaks_of_flags() -> None:
    """They are named as the call names them (`s4former.config.invocation`), or belong to a whole command."""
    flag = re.compile(r"(?<![\w`-])--[a-z]+")
    rooms = ("config", "ops", "methods", "engine")
    for path in (path for room in rooms for path in (Path(s4former.__file__).parent / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Raise):
                assert not flag.search(ast.unparse(node)), (path, ast.unparse(node))


def test_train_load_predict(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run = tiny_run(make_data(tmp_path / "data"))
    outcome = s4former.train(run, {"steps": 2}, out=tmp_path / "run", seed=4, progress=False)
    assert capfd.readouterr() == ("", "")
    assert outcome.last["teacher"]["step"] == 2
    image = np.zeros((30, 20, 3), np.uint8)
    mask = s4former.load(outcome.folder).predict(image).mask
    assert mask.shape == (30, 20)
    assert np.array_equal(outcome.load().predict(image).mask, mask)
    with pytest.raises(UserError, match="resume=True"):
        s4former.train(run, ["steps=2"], out=tmp_path / "run", seed=4)
    assert s4former.train(run, ["steps=2"], out=tmp_path / "run", seed=4, resume=True) == outcome
