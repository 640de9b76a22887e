"""A head and a backbone from files outside of the package, as docs/architecture.md shows them, train."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from s4former.engine.journal import read_lines
from s4former.engine.loop import train
from s4former.inference.predict import Model
from s4former.models import BACKBONES, HEADS
from tiny_run import make_data, tiny_run

PAGE = Path(__file__).parents[2] / "docs" / "architecture.md"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the path with the files that the page shows."""
    text = PAGE.read_text()
    for name, code in re.findall(r"```python\n# (my_project/\w+\.py)\n(.*?)```", text, flags=re.DOTALL):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    yield tmp_path
    for module in [module for module in sys.modules if module.partition(".")[0] == "my_project"]:
        del sys.modules[module]


@pytest.mark.parametrize(
    ("changes", "layer"),
    [
        ({"model.head": "my_project.my_head", "model.head.channels": 6}, "head.mix.weight"),
        ({"model.backbone": "my_project.my_backbone", "model.backbone.width": 8}, "backbone.embed.weight"),
    ],
    ids=["head", "backbone"],
)
def test_it_trains_is_saved_and_loaded(project: Path, changes: dict[str, object], layer: str) -> None:
    run = tiny_run(make_data(project / "data"), {**changes, "steps": 2, "evaluate_every": 0, "save_every": 0})
    assert type(run).model_validate_json(run.model_dump_json()) == run
    train(run, project / "run")
    losses = [line["loss"] for line in read_lines(project / "run" / "journal.jsonl")]
    assert all(torch.tensor(losses).isfinite())
    model = Model.load(project / "run", "cpu")
    assert layer in model.network.state_dict()
    assert model.predict(project / "data" / "images" / "val" / "val0.png").mask.shape == (40, 48)


def test_a_file_of_the_package_is_a_name() -> None:
    assert HEADS.names() == ["linear", "segformer", "segformer_conv", "setr_pup"]
    assert BACKBONES.names() == ["mit", "timm", "vit"]
