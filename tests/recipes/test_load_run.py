"""Where runs come from: recipes, YAML files and Python files."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from s4former.config import UserError
from s4former.engine import Run
from s4former.recipes import load_run, recipe_names
from tiny_run import tiny_run


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_makes_a_run_that_survives_yaml(name: str, tmp_path: Path) -> None:
    run, notes = load_run(name)
    assert notes == []
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump(run.model_dump(mode="json")))
    assert load_run(path) == (run, [])


def test_the_recipes_of_the_main_job_are_there() -> None:
    assert {"camvid", "demo"} <= set(recipe_names())


def test_overrides_of_one_group_are_merged_and_each_is_checked() -> None:
    run, _ = load_run("demo", ["evaluate={mode: slide}", "evaluate={stride: 40}"])
    assert (run.evaluate.mode, run.evaluate.stride) == ("slide", 40)
    with pytest.raises(UserError, match="'foo'"):
        load_run("demo", ["model=foo", "model=segformer_b0"])


def test_overrides_reach_a_recipe_and_notes_come_back() -> None:
    run, notes = load_run("demo", ["steps=7", "method.name=supervised"])
    assert (run.steps, run.method.name) == (7, "supervised")
    assert len(notes) == 1
    assert "method.name=supervised has no" in notes[0]
    assert load_run(run, {"seed": 3})[0].seed == 3
    assert load_run(run, "seed=3")[0].seed == 3


def test_a_python_file_defines_run_and_may_import_its_neighbors(tmp_path: Path) -> None:
    (tmp_path / "my_steps.py").write_text("STEPS = 12")
    config = tmp_path / "config.py"
    config.write_text("from my_steps import STEPS\nfrom s4former import Run\nrun = Run(steps=STEPS)\n")
    assert load_run(config, ["seed=2"])[0] == Run(steps=12, seed=2)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.py", "run = 3", "it is a int"),
        ("a.py", "walk = 3", "should define `run`"),
        ("a.py", "\n1 / 0", r"a\.py:2: ZeroDivisionError"),
        ("a.py", "import nothing_of_that_name", r"a\.py:1: ModuleNotFoundError"),
        ("a.py", "run = (", "SyntaxError"),
        (
            "a.py",
            "from s4former import Run\nrun = Run(stepps=1)",
            r"(?s)a\.py:2: this Run does not fit:.*stepps: unknown field; did you mean steps\?$",
        ),
        (
            "a.py",
            "from s4former.data import DataConfig\nDataConfig(crop_size=0)",
            r"(?s)a\.py:2: this DataConfig does not fit:.*crop_size: got 0; expected greater than 0",
        ),
        (
            "a.py",
            "import pydantic\nclass Own(pydantic.BaseModel):\n    x: int\nOwn(x='a')",
            r"a\.py:4: ValidationError: 1 validation error for Own",
        ),
        ("a.yaml", "steps: [", "not readable as YAML"),
        ("a.yaml", "stepps: 3", r"stepps: unknown field; did you mean steps"),
        (
            "a.yaml",
            "method: {name: s4former, ema_dekay: 1}",
            r"method\.ema_dekay: unknown field; did you mean ema_decay",
        ),
        ("a.yaml", "method: {name: s5former}", r"there is no method 's5former'; there are"),
        ("a.yaml", "- 1", r"(?s)does not make a run:\n  got \[1\]"),
        ("a.yaml", "steps: 3\nseed: 1\nsteps: 4", "(?s)steps is given twice.*line 3"),
        ("a.txt", "", r"neither a \.py nor a \.yaml file"),
    ],
)
def test_files_that_make_no_run_say_why(tmp_path: Path, name: str, text: str, words: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=words):
        load_run(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("camvit", "did you mean camvid"),
        ("nowhere.yaml", r"cannot read the config nowhere\.yaml"),
        ("nowhere.py", r"there is no config nowhere\.py"),
    ],
)
def test_configs_that_are_not_there(name: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        load_run(name)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("dataset.yaml", "`s4former init IMAGES`"),
        ("with/datasets.yaml", "did you mean dataset.yaml"),
        ("with/x.yaml", "beside it: dataset.yaml; `s4former init IMAGES`"),
        ("nowhere/dataset.yaml", "`s4former init IMAGES`"),
    ],
)
def test_a_file_that_is_not_there_names_what_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("with").mkdir()
    for file in ("dataset.yaml", "notes.txt"):
        (Path("with") / file).write_text("")
    with pytest.raises(UserError, match=f"{name}: there is no such file; .*{words}"):
        load_run(name)


def test_a_method_by_its_name_alone_is_enough() -> None:
    assert Run.model_validate({"method": "supervised"}).method.name == "supervised"
    assert tiny_run(Path(), {"method": {"ema_decay": 0.5}}).method.model_dump()["ema_decay"] == 0.5
