"""Whole tiny runs by what of the backbone learns: they resume exactly, and leave plain networks."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from s4former.config import Interrupted
from s4former.engine import read_lines, train, validate
from s4former.engine.callbacks import Callback
from tiny_run import make_data, tiny_run

pytestmark = pytest.mark.slow

TUNING: dict[str, tuple[dict[str, Any], set[str]]] = {
    "layer decay": ({"optimizer.layer_decay": 0.5, "optimizer.min_lr": 1e-4}, {"lr/backbone", "lr/head"}),
    "LoRA": ({"model.lora.rank": 2, "model.recompute_activations": "all"}, {"lr/lora", "lr/head"}),
    "frozen": ({"model.frozen_blocks": "all", "model.head.norm": "batch"}, {"lr/head"}),
    "DPT": ({"model.head": "dpt", "model.head.features": 8}, {"lr/backbone", "lr/head"}),
}


class Stop(Callback):
    """Stops a run after three steps."""

    def on_step(self, step: int) -> None:
        if step == 3:
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("tuning", TUNING)
def test_a_run(tuning: str, tmp_path: Path) -> None:
    data, (changes, rates) = make_data(tmp_path / "data"), TUNING[tuning]
    run = tiny_run(data, changes)
    train(run, tmp_path / "straight")
    lines = read_lines(tmp_path / "straight" / "journal.jsonl")
    assert {key for key in lines[0] if key.startswith("lr/")} == rates

    weights = load_file(tmp_path / "straight" / "model" / "model.safetensors")
    assert not [key for key in weights if "lora" in key]
    result = json.loads((tmp_path / "straight" / "result.json").read_text())
    scored = validate(tmp_path / "straight").scores.miou
    assert scored == pytest.approx(result["last"][result["deployed"]]["miou"], abs=1e-3)

    with pytest.raises(Interrupted):
        train(run, tmp_path / "stopped", progress=Stop())
    train(run, tmp_path / "stopped", resume=True)
    again = load_file(tmp_path / "stopped" / "model" / "model.safetensors")
    assert all(torch.equal(value, again[key]) for key, value in weights.items())

    further = run.model_copy(update={"load_from": str(tmp_path / "straight"), "steps": 2})
    train(further, tmp_path / "further")
    assert load_file(tmp_path / "further" / "model" / "model.safetensors").keys() == weights.keys()
