"""A batch learned in parts is the same experiment: same losses, to rounding, whatever layers drop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from s4former.config import UserError
from s4former.engine import read_lines, train
from s4former.models import MiTConfig
from tiny_run import make_data, tiny_run

pytestmark = pytest.mark.slow

SIZES = {"data.labeled_batch_size": 4, "data.unlabeled_batch_size": 4, "log_every": 1, "steps": 4}
MIT = MiTConfig(embed_dims=(4, 8, 12, 16), depths=(1, 1, 1, 1), num_heads=(1, 2, 3, 4), mlp_ratio=2)
NETWORKS: dict[str, dict[str, Any]] = {
    "plain": {},
    "with drop path": {
        "model.backbone": MIT.model_dump() | {"drop_path": 0.4},
        "data.crop_size": 64,
        "method.shuffle_block": 1,
    },
}


def losses(data: Path, folder: Path, **changes: Any) -> list[dict[str, float]]:
    train(tiny_run(data, {**SIZES, **changes}), folder)
    lines = read_lines(folder / "journal.jsonl")
    return [{name: line[name] for name in line if name.startswith(("loss", "pseudo"))} for line in lines]


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("method", ["supervised", "fixmatch", "s4former"])
def test_parts_add_up_to_the_whole(tmp_path: Path, network: str, method: str) -> None:
    data = make_data(tmp_path / "data")
    changes = {"method.name": method, **NETWORKS[network]}
    if method == "supervised":
        changes.pop("method.shuffle_block", None)
    whole = losses(data, tmp_path / "1", **changes)
    for count in (2, 4):
        parts = losses(data, tmp_path / str(count), accumulate=count, **changes)
        for one, other in zip(whole, parts, strict=True):
            assert other == pytest.approx(one, rel=1e-4, abs=1e-5)


def test_a_batch_has_to_divide_into_its_parts(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data")
    with pytest.raises(UserError, match=r"labeled_batch_size=4 .*accumulate=3.* set it to 6"):
        losses(data, tmp_path / "run", accumulate=3)
    assert not (tmp_path / "run").exists()


def test_a_crop_that_the_method_cannot_shuffle_is_refused_before_there_is_a_folder(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data")
    with pytest.raises(UserError, match=r"crop_size=32.*blocks of 3 x 3 patches.*24 x 24"):
        losses(data, tmp_path / "run", **{"method.shuffle_block": 3})
    assert not (tmp_path / "run").exists()
