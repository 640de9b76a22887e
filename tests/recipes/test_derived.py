"""What a recipe derives follows overrides, unless it is set itself; what does not is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from test_folder import make

from s4former.recipes import load_run

FIVE_CHANNELS = ["data.channels=5", "model.channels=5", f"model.mean={[0.5] * 5}", f"model.std={[0.2] * 5}"]
CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A dataset.yaml of images that are enlarged, some of them unlabeled, without val."""
    return make(tmp_path, (30, 30), unlabeled=1)


@pytest.mark.parametrize(
    ("changes", "followed"),
    [
        (["data.short_side=200"], {"evaluate.short_side": 200}),
        (["data.crop_size=168"], {"data.short_side": 168, "evaluate.short_side": 168}),
        (["steps=100"], {"method.unlabeled_start_step": 50, "save_every": 10}),
        (["data.labeled_batch_size=2"], {"data.unlabeled_batch_size": 2}),
        (FIVE_CHANNELS, {"model.frozen_blocks": 0}),
    ],
)
def test_what_follows_from_an_override_is_set_and_said(
    small: Path, changes: list[str], followed: dict[str, Any]
) -> None:
    before, _ = load_run(small)
    run, notes = load_run(small, changes)
    for path, value in followed.items():
        assert _field(before, path) != value
        assert _field(run, path) == value
        assert any(note.startswith(f"{path}={value}: follows ") for note in notes)


def test_what_is_set_itself_stays(small: Path) -> None:
    for order in (1, -1):
        run, notes = load_run(small, ["data.short_side=200", "evaluate.short_side=100"][::order])
        assert (run.data.short_side, run.evaluate.short_side) == (200, 100)
        assert not any("evaluate.short_side" in note for note in notes)
    run, _ = load_run(small, {"steps": 100, "method.unlabeled_start_step": 3})
    assert run.method.model_dump()["unlabeled_start_step"] == 3


def test_steps_follow_from_the_batch_and_from_the_labels_that_are_chosen(tmp_path: Path) -> None:
    path = make(tmp_path, (30, 30), labeled=200)
    assert load_run(path)[0].steps == load_run(path, ["data.labeled_batch_size=4"])[0].steps == 2000
    run, notes = load_run(path, ["data.labeled_batch_size=2"])
    assert (run.steps, run.save_every) == (4000, 400)
    assert not any("steps=2000" in note for note in notes)
    assert load_run(path, ["data.labeled_batch_size=2", "steps=50"])[0].steps == 50
    (tmp_path / "few.txt").write_text("0\n1\n")
    assert load_run(path, ["data.labeled_split=few.txt"])[0].steps == 1000


def test_windows_follow_from_the_crop(tmp_path: Path) -> None:
    path = make(tmp_path, (300, 600))
    assert load_run(path, ["data.crop_size=224"])[0].evaluate.mode == "whole"
    run, notes = load_run(path, ["data.crop_size=112"])
    assert run.evaluate.mode == "slide"
    assert any(note.startswith("evaluate.mode=slide: follows data.crop_size=112") for note in notes)


def test_another_method_without_the_field_has_nothing_to_follow(small: Path) -> None:
    run, notes = load_run(small, ["method=supervised", "steps=100"])
    assert run.method.name == "supervised"
    assert not any("unlabeled" in note for note in notes if "follows" in note)


@pytest.mark.parametrize("method", ["method", "method.name"])
@pytest.mark.parametrize("name", ["mean_teacher", "s4former"])
def test_labels_come_first_whatever_the_method_and_however_few_the_steps(
    small: Path, method: str, name: str
) -> None:
    for changes in ([f"{method}={name}"], [f"{method}={name}", "steps=3"], ["steps=1"]):
        run, notes = load_run(small, changes)
        start = run.method.model_dump()["unlabeled_start_step"]
        assert start == run.steps // 2
        said = any(note.startswith(f"method.unlabeled_start_step={start}: follows ") for note in notes)
        assert said == (changes != [f"{method}=s4former"])
    assert (
        load_run(small, [f"{method}={name}", "method.unlabeled_start_step=0"])[0].method.model_dump()[
            "unlabeled_start_step"
        ]
        == 0
    )


def test_published_recipes_and_their_configs_follow_too() -> None:
    for config in ("voc.classic_92.s4former", *map(str, CONFIGS.glob("setr/*.py"))):
        run, _ = load_run(config, ["data.short_side=300"])
        assert run.evaluate.short_side == 300
    run, notes = load_run("voc.classic_92.s4former", ["model=segformer_b0"])
    assert run.method.model_dump()["shuffle_block"] == 4
    assert any(note.startswith("optimizer=sgd stays, though it was chosen for model.") for note in notes)
    run, _ = load_run("cityscapes.186.s4former", ["data.crop_size=512"])
    assert (run.evaluate.crop_size, run.evaluate.stride) == (512, (341, 341))


def test_what_stays_though_it_was_chosen_for_another_value_is_said() -> None:
    run, notes = load_run("camvid", ["steps=2000"])
    assert run.method.model_dump()["unlabeled_start_step"] == 300
    assert any(
        "method.unlabeled_start_step=300 stays, though it was chosen for steps=600" in note for note in notes
    )
    assert load_run("camvid")[1] == []
    run, notes = load_run("camvid", ["data.crop_size=112"])
    assert run.evaluate.stride == 112


def _field(run: Any, path: str) -> Any:
    for name in path.split("."):
        run = getattr(run, name)
    return run
