"""The demo on photographs: the same comparison on a folder with few-label splits."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from s4former.config import UserError
from s4former.recipes._demo import run_demo
from s4former.recipes._demo_photos import photo_run
from tiny_run import make_data

SMALL = (
    "model.backbone=vit",
    "model.backbone.image_size=[32,32]",
    "model.backbone.patch_size=8",
    "model.backbone.embed_dim=16",
    "model.backbone.depth=2",
    "model.backbone.num_heads=2",
    "model.head.out_indices=[1]",
    "data.crop_size=32",
    "threads=1",
    "device=cpu",
)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    root = make_data(tmp_path / "photos")
    for count in (2, 3):
        folder = root / f"splits/{count}_draw0"
        folder.mkdir(parents=True)
        ids = [f"images/train/train{number}\n" for number in range(5)]
        (folder / "labeled.txt").write_text("".join(ids[:count]))
        (folder / "unlabeled.txt").write_text("".join(ids[count:]))
    return root


def test_photographs_are_compared_as_made_up_land_is(photos: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in photos.rglob("*") if path.is_file()}
    run = photo_run(photos, "none", None, 0, 4, SMALL)
    assert "2_draw0" in str(run.data.labeled_split), "the fewest labels"
    assert (run.method.name, run.method.model_dump()["unlabeled_start_step"]) == ("s4former_plus", 2)
    text = io.StringIO()
    result = run_demo(tmp_path / "out", run, Console(file=text, width=120))
    said = text.getvalue()
    assert [score.run for score in result.scores] == ["supervised", "s4former_plus", "s4former_plus"]
    assert "mean IoU on 2 val images" in said
    assert "s4former_plus after the last step" in said
    assert "scene" not in said
    assert result.panel.is_file()
    assert not (tmp_path / "out/scenes").exists()
    assert all(path.read_bytes() == content for path, content in before.items())
    with pytest.raises(UserError, match="with other options"):
        run_demo(tmp_path / "out", photo_run(photos, "none", 3, 0, 4, SMALL), Console(file=text))


def test_what_is_missing_is_named(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no folder"):
        photo_run(tmp_path / "nowhere", "none", None, 0, 4)
    with pytest.raises(UserError, match=r"--labels 7 --draw 0; there are --labels 2 --draw 0, 3 --draw 0"):
        photo_run(photos, "none", 7, 0, 4)
    with pytest.raises(UserError, match="splits/21_draw0; for images without such lists"):
        photo_run(photos / "images", "none", None, 0, 4)
