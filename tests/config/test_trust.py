"""Modules that only a file of others names are not imported, unless somebody asked for them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from s4former.config import UserError, named_by
from s4former.config.trust import TRUST, modules_in
from s4former.curation import open_source
from s4former.data import DataConfig
from s4former.engine import Run
from s4former.methods import METHODS
from s4former.recipes import plan_run
from tiny_run import make_data

_METHOD = """
from pathlib import Path
from s4former.methods import MethodConfig
Path({ran!r}).touch()
class Own(MethodConfig):
    name: str = {name!r}
"""


@pytest.fixture
def ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file that is there once the module ``theirs.soft``, which can be imported, was run."""
    file = tmp_path / "ran"
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs/soft.py").write_text(_METHOD.format(ran=str(file), name="theirs.soft"))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delenv(TRUST, raising=False)
    yield file
    for name in [name for name in sys.modules if name.partition(".")[0] == "theirs"]:
        del sys.modules[name]


def test_a_file_of_others_imports_nothing(ran: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for trusted in ("", "soft", "theirs.softer,their", "theirs.soft.more"):
        monkeypatch.setenv(TRUST, trusted)
        with named_by("model.json"), pytest.raises(UserError, match=f"model.json .*'theirs.soft'.*{TRUST}="):
            METHODS.parse("theirs.soft")
    assert not ran.exists()
    with named_by("model.json"):
        assert METHODS.parse("supervised").name == "supervised"
        assert METHODS.config_class("s4former.methods.configs.supervised")


@pytest.mark.parametrize("trusted", ["theirs", "a.b, theirs.soft"])
def test_it_does_where_the_environment_says_so(
    ran: Path, trusted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TRUST, trusted)
    with named_by("model.json"):
        assert METHODS.parse("theirs.soft").name == "theirs.soft"
    assert ran.exists()


def test_it_does_where_the_module_is_imported_already(ran: Path) -> None:
    assert METHODS.parse("theirs.soft").name == "theirs.soft"  # typed, as no file is being read
    with named_by("model.json"):
        assert METHODS.parse({"name": "theirs.soft"}).name == "theirs.soft"


def _folder_of_others(place: Path, config: str) -> Path:
    record = {"config": config, "run": Run().model_dump(mode="json"), "data": {"fingerprint": ""}}
    record["run"]["method"] = {"name": "theirs.soft"}
    (place / "run").mkdir()
    (place / "run/run.json").write_text(json.dumps(record | {"resumed": [], "working_directory": str(place)}))
    return place / "run"


def test_resuming_a_run_of_others_imports_what_is_typed_alone(ran: Path, tmp_path: Path) -> None:
    folder = _folder_of_others(tmp_path, "demo")
    for typed in ((), ("steps=3",), ("method=supervised",)):
        with pytest.raises(UserError, match=r"run\.json names the method 'theirs\.soft'"):
            plan_run("demo", typed, folder)
    assert not ran.exists()
    assert plan_run("demo", ["method=theirs.soft"], folder).run.method.name == "theirs.soft"
    assert ran.exists()


@pytest.mark.parametrize(
    ("name", "text", "own"),
    [
        ("own.yaml", "method: {name: theirs.soft}", True),
        ("own.py", "from theirs.soft import Own\nrun = Run(method=Own())", True),
        ("own.py", "from theirs import soft", True),
        ("own.yaml", "method: fixmatch", False),
        ("own.yaml", "method: {name: theirs.soft", False),
        ("dataset.yaml", "names: [a, theirs.soft]\nlabeled: {images: a, masks: b}", False),
    ],
)
def test_resuming_imports_what_a_config_of_ones_own_names(
    ran: Path, tmp_path: Path, name: str, text: str, own: bool
) -> None:
    config = tmp_path / name
    config.write_text(text)
    folder = _folder_of_others(tmp_path, str(config))
    if own:
        assert plan_run(str(config), (), folder).run.method.name == "theirs.soft"
    else:
        with pytest.raises(UserError, match=r"theirs\.soft"):
            plan_run(str(config), (), folder)
    assert ran.exists() == own


def test_a_data_set_of_others_imports_nothing(ran: Path, tmp_path: Path) -> None:
    make_data(tmp_path / "data")
    (tmp_path / "data/boxes.csv").touch()
    (tmp_path / "data/dataset.yaml").write_text(
        "names: [a, b]\n"
        "labeled: {images: images/train, annotations: boxes.csv, annotations_format: theirs.soft}\n"
    )
    with pytest.raises(UserError, match=r"labeled\.annotations_format.*'theirs\.soft'"):
        open_source(DataConfig(source="dataset", root=str(tmp_path / "data")))
    assert not ran.exists()


def test_modules_in_a_text() -> None:
    text = "from a.b import c, D\nimport e.f\nlr: 0.75e-4\n{'name': 'g.h'} not_one"
    assert modules_in(text) == {"a.b", "a.b.c", "a.b.D", "e.f", "g.h"}
