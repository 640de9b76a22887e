"""A run whose blocks go through torch.compile learns the same, or says what it lacks."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from s4former.config import UserError
from s4former.engine import train
from s4former.engine.step import build_method
from s4former.testing import tiny_student
from tiny_run import make_data, tiny_run


def test_without_a_compiler_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    run = tiny_run(make_data(tmp_path / "data"), {"compile": True}).resolved()
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(UserError, match=r"compile=true needs a C\+\+ compiler.*CXX"):
        build_method(run, tiny_student())
    monkeypatch.setenv("CXX", "my-compiler")
    with pytest.raises(UserError, match="my-compiler"):
        build_method(run, tiny_student())


@pytest.mark.skipif(not shutil.which("g++"), reason="there is no C++ compiler")
def test_every_block_of_student_and_teacher_is_compiled_and_names_stay(tmp_path: Path) -> None:
    plain, compiled = (
        build_method(tiny_run(make_data(tmp_path / str(on)), {"compile": on}).resolved(), tiny_student())
        for on in (False, True)
    )
    assert plain.state_dict().keys() == compiled.state_dict().keys()
    for network in compiled.networks.values():
        assert all(block._compiled_call_impl is not None for block in network.backbone.trunk)
    assert all(block._compiled_call_impl is None for block in plain.student.backbone.trunk)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(not shutil.which("g++"), reason="there is no C++ compiler")
def test_a_compiled_run_learns_the_same(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data")
    weights = []
    for on in (False, True):
        train(tiny_run(data, {"compile": on}), tmp_path / str(on))
        state = torch.load(next((tmp_path / str(on) / "checkpoint").glob("step_*6.pt")), weights_only=True)
        weights.append({name: value for name, value in state["method"].items() if value.is_floating_point()})
    assert weights[0].keys() == weights[1].keys()
    for name, value in weights[0].items():
        torch.testing.assert_close(weights[1][name], value, rtol=1e-3, atol=1e-4)
