"""The run that is made for a person's own data set: numbers that follow from the data, and said why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from s4former.curation import open_source
from s4former.engine import Run
from s4former.recipes import folder, load_run


def make(root: Path, size: tuple[int, int], labeled: int = 2, unlabeled: int = 0, **changes: object) -> Path:
    """Write images of a size (height, width) and a dataset.yaml of two classes."""
    for number in range(labeled + unlabeled):
        kinds = ("i", "m") if number < labeled else ("i",)
        for kind in kinds:
            (root / kind).mkdir(parents=True, exist_ok=True)
            mode = "RGB" if kind == "i" else "L"
            Image.new(mode, size[::-1]).save(root / f"{kind}/{number}.png")
    content = {"names": ["a", "b"], "labeled": {"images": "i", "masks": "m"}, "unlabeled": {"images": "i"}}
    path = root / "dataset.yaml"
    path.write_text(yaml.safe_dump(content | changes))
    return path


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch):
    """Pretend to be on a device."""
    return lambda device: monkeypatch.setattr(folder, "resolve_device", lambda _: device)


@pytest.mark.parametrize(
    ("size", "device", "crop", "short_side", "mode"),
    [
        ((20, 20), "cpu", 112, 112, "whole"),
        ((90, 300), "cpu", 112, 112, "whole"),
        ((130, 300), "cpu", 112, None, "whole"),
        ((200, 300), "cpu", 168, None, "whole"),
        ((600, 800), "cpu", 224, None, "whole"),
        ((600, 800), "cuda", 448, None, "whole"),
        ((600, 896), "cpu", 224, None, "whole"),
        ((600, 897), "cpu", 224, None, "slide"),
        ((600, 1100), "cuda", 448, None, "whole"),
        ((20, 90), "cpu", 112, 112, "slide"),
    ],
)
def test_crop_and_protocol_follow_from_the_sizes(
    tmp_path: Path, on, size: tuple[int, int], device: str, crop: int, short_side: int | None, mode: str
) -> None:
    on(device)
    run, notes = load_run(make(tmp_path, size))
    assert run.data.crop_size == crop
    assert (run.data.short_side, run.evaluate.short_side) == (short_side, short_side)
    assert run.evaluate.mode == mode
    assert any(f"data.crop_size={crop}" in note for note in notes)
    assert any("images are small" in note for note in notes) == (short_side is not None)


def test_images_to_score_that_are_larger_than_those_with_labels_are_scored_in_windows(
    tmp_path: Path, on
) -> None:
    on("cpu")
    make(tmp_path / "v", (300, 2000))
    path = make(tmp_path, (300, 400), val={"images": "v/i", "masks": "v/m"})
    run, notes = load_run(path)
    assert run.evaluate.mode == "slide"
    assert any("windows of 224 pixels, as the longest side is 2000 pixels" in note for note in notes)


def test_large_images_are_said_to_be_slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = "data.cache_images=512: MB of decoded images that are kept; the largest takes"
    path = make(tmp_path, (300, 400))
    assert not any(said in note for note in load_run(path)[1])
    monkeypatch.setattr(folder, "_LARGE_MEGABYTES", 0.3)
    assert any(f"{said} 0 MB" in note for note in load_run(path)[1])


@pytest.mark.parametrize("changes", [["steps=9", "device=cpu"], {"device": "cpu"}])
def test_the_device_that_is_typed_is_decided_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: Any
) -> None:
    monkeypatch.setattr(folder, "resolve_device", lambda asked: "cuda" if asked == "auto" else asked)
    path = make(tmp_path, (600, 800))
    assert load_run(path)[0].data.crop_size == 448
    run, notes = load_run(path, changes)
    assert (run.data.crop_size, run.data.labeled_batch_size) == (224, 4)
    assert any("the largest crop on a CPU is 224" in note for note in notes)


@pytest.mark.parametrize(("labeled", "steps"), [(1, 1000), (100, 1000), (400, 4000), (100_000, 20_000)])
def test_steps_follow_from_the_labels(labeled: int, steps: int) -> None:
    assert folder.steps_for(labeled, 4) == steps


def test_the_method_follows_from_the_unlabeled_images(tmp_path: Path) -> None:
    run, notes = load_run(make(tmp_path / "one", (30, 30), unlabeled=3))
    assert run.method.name == "s4former"
    assert any("3 unlabeled images are learned from as well" in note for note in notes)
    assert run.fall_back
    assert run.method.model_dump()["unlabeled_start_step"] == run.steps // 2
    assert any(
        "fall_back=true" in note and "6 val images or more could show it, 0 cannot" in note for note in notes
    )
    _, notes = load_run(tmp_path / "one" / "dataset.yaml", ["method=supervised"])
    assert not any("fall_back" in note or "unlabeled_start_step" in note for note in notes)
    run, notes = load_run(make(tmp_path / "two", (30, 30)))
    assert run.method.name == "supervised"
    assert not run.fall_back
    assert any("there is no unlabeled image" in note for note in notes)


def test_s4former_on_a_folder_has_no_patch_shuffle(tmp_path: Path) -> None:
    run, _ = load_run(make(tmp_path, (30, 30), unlabeled=3), ["method=s4former"])
    method = run.method.model_dump()
    assert (method["name"], method["patch_shuffle"], method["pasa"]) == ("s4former", False, True)
    assert (method["class_share"], method["unlabeled_start_step"]) == (0.6, run.steps // 2)


def test_classes_are_weighed_by_rarity_where_unlabeled_images_take_part(tmp_path: Path) -> None:
    path = make(tmp_path, (30, 30), unlabeled=3)
    weights = {"s4former": 0.5, "mean_teacher": 0.5, "supervised": 0.0, "supervised_averaged": 0.0}
    for method, weight in weights.items():
        assert load_run(path, [f"method={method}"])[0].method.class_balance == weight
    assert load_run(path, ["method=supervised", "method.class_balance=1"])[0].method.class_balance == 1


def test_what_is_overridden_is_not_said(tmp_path: Path) -> None:
    path = make(tmp_path, (30, 30), unlabeled=1)
    said = " ".join(load_run(path)[1])
    assert "steps=1000" in said
    assert "model.pretrained=hub" in said
    assert "method=s4former: 1 unlabeled images" in said
    assert "method=s4former: 1 unlabeled images" in " ".join(load_run(path, ["steps=7"])[1])
    run, notes = load_run(path, ["steps=7", "model.pretrained=none", "method=supervised"])
    assert (run.steps, run.model.pretrained, run.method.name) == (7, "none", "supervised")
    said = " ".join(notes)
    assert "steps=1000" not in said
    assert "hub" not in said
    assert "method=s4former" not in said
    assert "data.crop_size=112" in said


def test_the_run_is_all_numbers_and_survives_yaml(tmp_path: Path) -> None:
    run, _ = load_run(make(tmp_path / "data", (30, 30), unlabeled=1))
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(run.model_dump(mode="json")))
    again, notes = load_run(tmp_path / "run.yaml")
    assert again == run
    assert notes == []
    assert open_source(again.data).labeled == ("i/0", "i/1")


def test_channels_reach_data_and_model(tmp_path: Path) -> None:
    path = make(tmp_path, (30, 30))
    for number in range(2):
        np.save(tmp_path / f"i/{number}.npy", np.zeros((30, 30, 5), np.uint8))
        (tmp_path / f"i/{number}.png").unlink()
    content = yaml.safe_load(path.read_text())
    content |= {"channels": 5, "display": [3, 2, 1], "mean": [0.1] * 5, "std": [0.2] * 5}
    path.write_text(yaml.safe_dump(content))
    run, _ = load_run(path)
    assert (run.data.channels, run.data.display_channels) == (5, (3, 2, 1))
    assert (run.model.channels, run.model.mean, run.model.std) == (5, (0.1,) * 5, (0.2,) * 5)
    assert open_source(run.data).read_image("i/0", "labeled").shape == (30, 30, 5)


def test_150_classes(tmp_path: Path) -> None:
    path = make(tmp_path, (30, 30), names=[f"c{number}" for number in range(150)])
    run, notes = load_run(path)
    assert isinstance(run, Run)
    assert any("150 classes (c0, c1, c2, c3, c4, c5, c6, c7 and 142 more)" in note for note in notes)


def test_a_backbone_of_random_weights_learns_whole_and_faster(tmp_path: Path) -> None:
    path = make(tmp_path, (30, 30))
    run, _ = load_run(path)
    assert (run.model.frozen_blocks, run.optimizer.lr, run.optimizer.head_lr_factor) == (6, 3e-5, 33)
    run, notes = load_run(path, ["model.pretrained=none"])
    assert (run.model.frozen_blocks, run.optimizer.lr, run.optimizer.head_lr_factor) == (0, 1e-4, 10)
    assert "model.frozen_blocks=0: follows model.pretrained=none" in notes
