"""What the package says of itself: `methods`, `backbones`, `config explain`, and the page of all fields."""

from __future__ import annotations

import json
import sys
from importlib import metadata
from pathlib import Path

import pytest

from s4former.cli.main import app, main
from s4former.methods import method_names
from s4former.recipes._fields import field_page

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Type a command; the exit code and all that was printed, on one line."""

    def run(*words: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["s4former", *words])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        return code, " ".join("".join(capsys.readouterr()).split())

    return run


def test_a_field_is_explained_with_type_limits_default_and_whose_it_is(typed) -> None:
    code, said = typed("config", "explain", "method.confidence_threshold=0.9")
    assert code == 0
    for text in ("number from 0 to 1", "default 0.95", "mean_teacher", "A pixel is learned from"):
        assert text in said
    assert "one of sgd, adamw" in typed("config", "explain", "optimizer.name")[1]
    assert "above 0" in typed("config", "explain", "lr")[1], "the last part of a path will do"
    assert "in dataset.yaml" in typed("config", "explain")[1]
    values = typed("config", "explain", "method.class_balance")[1]
    assert "default 0.0" in values
    assert "default 0.5 of s4former_plus" in values


def test_a_group_lists_its_fields(typed) -> None:
    said = typed("config", "explain", "alarms")[1]
    assert "alarms.patience" in said
    assert "config explain FIELD" in said


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["config", "explain", "method.confidence_treshold"], "did you mean method.confidence_threshold"),
        (["config", "explain", "xyzzy"], "there are accumulate, alarms"),
        (["methods", "fixmach"], "did you mean fixmatch"),
        (["methods", "nowhere.mine"], "put its folder on PYTHONPATH"),
        (["backbones", "xyzzy"], "there are dinov2, mit, vit_small"),
    ],
)
def test_typing_mistakes_get_the_nearest_name(typed, words: list[str], hint: str) -> None:
    code, said = typed(*words)
    assert code == 1
    assert hint in said


def test_methods_are_listed_and_one_says_its_source_and_fields(typed) -> None:
    said = typed("methods")[1]
    assert all(name in said for name in method_names())
    code, said = typed("methods", "fixmatch")
    assert code == 0
    assert "Source: Sohn et al., 2020" in said
    assert "method.confidence_threshold" in said


def test_backbones_have_sizes_and_say_where_weights_are(
    typed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    code, said = typed("backbones", "vit_small_patch14_dinov2")
    assert code == 0
    assert "vit_small_patch14_dinov2 14 384 h" in said
    here = {"vit_small_patch14_dinov2": str(tmp_path)}
    monkeypatch.setattr(
        "huggingface_hub.try_to_load_from_cache", lambda repository, _: here.get(repository[5:-8])
    )
    assert "14 384 here DINOv2" in typed("backbones", "vit_small_patch14_dinov2")[1]
    assert "mit_b2 4 to 32 64 to 512 file" in typed("models", "mit_b2")[1]


def test_the_page_of_fields_is_up_to_date() -> None:
    page = (ROOT / "docs/fields.md").read_text()
    assert page == field_page(), "type: s4former config explain --markdown > docs/fields.md"


def test_doctor_says_what_an_issue_needs_and_names_no_file(typed, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, said = typed("doctor")
    assert code == 0, said
    for text in ("torch 2.", "device cpu", "threads=", "GiB free here", "all is well"):
        assert text in said
    assert str(tmp_path) not in said
    assert str(Path.home()) not in said


def test_doctor_names_what_is_missing_and_what_to_type(typed, monkeypatch: pytest.MonkeyPatch) -> None:
    known = metadata.version

    def version(name: str) -> str:
        if name in ("onnxruntime", "onnx"):
            raise metadata.PackageNotFoundError(name)
        return "1.0.0" if name == "timm" else known(name)

    monkeypatch.setattr(metadata, "version", version)
    code, said = typed("doctor", "--json")
    found = json.loads(said)
    assert code == 1
    assert found["missing"]["onnx"] == ["onnx", "onnxruntime"]
    assert found["facts"]["extras"]["tensorboard"]
    (problem,) = found["problems"]
    assert "timm 1.0.0" in problem
    assert 'pip install "timm>=' in problem
    assert 's4former[onnx]"' in typed("doctor")[1]


@pytest.mark.parametrize(
    ("words", "expected"),
    [("config show voc.classic_92.sup", "voc.classic_92.supervised"), ("methods fi", "fixmatch")],
)
def test_shells_complete_recipes_and_methods(
    words: str, expected: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("_S4FORMER_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", f"s4former {words}")
    monkeypatch.setenv("COMP_CWORD", str(len(words.split())))
    with pytest.raises(SystemExit):
        app(prog_name="s4former")
    assert capsys.readouterr().out.strip() == expected
