"""Overrides: what they set, what they refuse, and how they say it."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace
from typing import ClassVar, Literal

import pytest
from pydantic import Field, SerializeAsAny, field_validator

from s4former.config import (
    Config,
    UserError,
    Variants,
    changed_fields,
    nearest,
    parse_override,
    parse_yaml,
    validated,
)
from s4former.config.override import override
from s4former.engine import Run
from s4former.methods.supervised import SupervisedConfig


class Animal(Config):
    name: str
    legs: int = Field(4, ge=0)


class Cat(Animal):
    name: Literal["cat"] = "cat"
    lives: int = 9


class Bird(Animal):
    name: Literal["bird"] = "bird"
    wings: int = 2


def animal_class(name: str) -> type[Animal]:
    if name not in ("cat", "bird"):
        raise ValueError(f"there is no animal {name!r}")
    return {"cat": Cat, "bird": Bird}[name]


class Cage(Config):
    size: int | tuple[int, int] = 3
    rate: float = 0.1
    label: str | None = None


class Zoo(Config):
    variants: ClassVar[Variants] = {
        "animal": SimpleNamespace(config_class=animal_class, names=lambda: ["bird", "cat"])
    }
    animal: SerializeAsAny[Animal] = Cat()
    cage: Cage = Cage()
    spare: Cage | None = None
    days: tuple[int, ...] = (1, 2)

    @field_validator("animal", mode="before")
    @classmethod
    def _animal(cls, value: object) -> object:
        return animal_class(str(value["name"])).model_validate(value) if isinstance(value, dict) else value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a=1", 1),
        ("a=1e-4", 1e-4),
        ("a=-2.5E3", -2500.0),
        ("a=true", True),
        ("a=null", None),
        ("a=none", "none"),
        ("a=[1, 2]", [1, 2]),
        ("a=x=y", "x=y"),
        ("a=", None),
        ("a=/data/my set", "/data/my set"),
        ("a=1_16", "1_16"),
        ("a=2026-01-02", "2026-01-02"),
        ("a=off", "off"),
        ("a=splits/1_16/labeled.txt", "splits/1_16/labeled.txt"),
    ],
)
def test_values_are_yaml_scalars_and_lists(text: str, value: object) -> None:
    assert parse_override(text) == (("a",), value)


def test_the_home_folder_is_meant_where_the_shell_does_not_see_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("USERPROFILE", "/home/me")
    assert parse_override("data.root=~/images") == (("data", "root"), "/home/me/images")
    assert parse_override("data.root=a~/images")[1] == "a~/images"


@pytest.mark.parametrize("text", ["steps", "=3", "a..b=1", ".a=1", "a=[1"])
def test_texts_that_are_no_overrides(text: str) -> None:
    with pytest.raises(UserError):
        parse_override(text)


def test_overrides_reach_nested_fields_and_leave_the_rest() -> None:
    zoo, notes = override(Zoo(), ["cage.size=[4, 5]", "days=[7]", "animal.lives=3", "cage.label=null"])
    assert zoo == Zoo(cage=Cage(size=(4, 5)), days=(7,), animal=Cat(lives=3))
    assert notes == []


def test_a_mapping_works_like_texts_and_the_last_word_wins() -> None:
    assert override(Zoo(), {"cage.rate": 0.5, "animal.legs": 3}) == override(
        Zoo(), ["cage.rate=0.2", "cage.rate=0.5", "animal.legs=3"]
    )


def test_a_config_that_was_none_can_be_filled() -> None:
    zoo, _ = override(Zoo(), ["spare.size=8"])
    assert zoo.spare == Cage(size=8)


@pytest.mark.parametrize(
    "changes", [["animal.name=bird", "animal.wings=3"], ["animal.wings=3", "animal=bird"]]
)
def test_another_variant_keeps_shared_fields_and_notes_what_it_drops(changes: list[str]) -> None:
    zoo, notes = override(Zoo(animal=Cat(legs=2, lives=1)), changes)
    assert zoo.animal == Bird(legs=2, wings=3)
    assert notes == ["animal.name=bird has no lives: dropped"]


def test_many_dropped_fields_are_counted() -> None:
    changed = [
        "method.ema_decay=0.9",
        "method.ncr_weight=2",
        "method.shuffle_block=2",
        "method.pasa_weight=1",
    ]
    run, notes = override(override(Run(), changed)[0], ["method=supervised"])
    assert run.method == SupervisedConfig()
    assert notes == ["method.name=supervised has no use for 4 of the settings of s4former: dropped"]
    assert override(Run(), ["method=supervised"])[1] == []  # nobody had set any


@pytest.mark.parametrize(
    ("method", "field", "owner"),
    [
        ("supervised", "shuffle_block", "s4former"),
        ("mean_teacher", "pasa_pass", "s4former"),
        ("supervised", "views.context", "unimatch_v2"),
    ],
)
def test_a_field_of_another_variant_is_said_to_be_its_own(method: str, field: str, owner: str) -> None:
    other, name = f"method.{field}=1", f"method={method}"
    for changes in ([name, other], [other, name]):
        with pytest.raises(UserError) as error:
            override(Run(), changes)
        assert f"method={method} has no field {field}: it is one of" in str(error.value)
        assert owner in str(error.value)


def test_the_same_variant_drops_nothing() -> None:
    assert override(Zoo(animal=Cat(lives=1)), ["animal.name=cat"]) == (Zoo(animal=Cat(lives=1)), [])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("cage.sise=3", ["cage.sise", "did you mean cage.size?"]),
        ("size=3", ["did you mean", "cage.size"]),
        ("animal.lifes=3", ["did you mean animal.lives"]),
        ("cage.zzz=3", ["cage.label, cage.rate, cage.size"]),
        ("cage.size.x=3", ["cage.size is a value"]),
        ("animal.name=dog", ["animal.name=dog", "there is no animal 'dog'"]),
        ("animal.legs=-1", ["animal.legs: got -1; expected greater than or equal to 0"]),
        ("cage.rate=true", ["cage.rate: got true, but this is no on/off field"]),
        ("cage.size=no", ["cage.size: got 'no'", "a whole number, or a list, as in [1, 2]"]),
    ],
)
def test_mistakes_name_field_value_and_remedy(change: str, words: list[str]) -> None:
    with pytest.raises(UserError) as error:
        override(Zoo(), [change])
    for word in words:
        assert word in str(error.value)


def test_every_mistake_of_a_file_is_told_at_once() -> None:
    data = {
        "animal": {"name": "cat", "lifes": 3},
        "cages": {},
        "spare": {"size": "x"},
        "cage": {"rate": float("nan")},
    }
    with pytest.raises(UserError) as error:
        validated(Zoo, data, "zoo.yaml")
    lines = str(error.value).splitlines()
    assert lines[0] == "zoo.yaml:"
    assert "  animal.lifes: unknown field; did you mean lives or legs?" in lines
    assert "  cages: unknown field; did you mean cage?" in lines
    assert any(line.startswith("  spare.size: got 'x'; expected") for line in lines)
    assert any(line.startswith("  cage.rate: got nan") for line in lines)


def test_an_unknown_variant_in_a_file_is_a_sentence() -> None:
    with pytest.raises(UserError, match="animal: there is no animal 'dog'"):
        validated(Zoo, {"animal": {"name": "dog"}}, "zoo.yaml")


def test_nearest_lists_everything_if_nothing_is_close() -> None:
    assert nearest("qqq", ["one", "two"]) == "there are one, two"


def test_changed_fields_finds_every_difference() -> None:
    old, new = {"a": {"b": 1, "c": 2}, "d": [1]}, {"a": {"b": 1, "c": 3}, "d": [2], "e": 0}
    assert changed_fields(old, new) == {"a.c": (2, 3), "d": ([1], [2]), "e": (None, 0)}


def test_yaml_of_a_file_runs_no_code() -> None:
    with pytest.raises(UserError, match="not readable as YAML"):
        parse_yaml("!!python/object/apply:os.getcwd []", "evil.yaml")


def test_config_knows_no_torch() -> None:
    code = "import sys, s4former.config.override, s4former.config.record; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_another_method_has_its_own_defaults_and_keeps_what_was_set() -> None:
    run = override(Run(), {"method.ema_decay": 0.9, "method.ncr_weight": 2.0})[0]
    assert run.method.model_dump()["pasa"] is True
    teacher = override(run, {"method": "mean_teacher"})[0].method.model_dump()
    assert not any(teacher[part] for part in ("pasa", "ncr", "patch_shuffle"))
    assert (teacher["ema_decay"], teacher["ncr_weight"], teacher["cutmix_probability"]) == (0.9, 2.0, 0.0)
    assert override(Run(), {"method.pasa": True, "method": "mean_teacher"})[0].method.model_dump()["pasa"]


def test_a_field_that_holds_fields_is_suggested_too() -> None:
    with pytest.raises(UserError, match=r"unknown field methd; did you mean method\?"):
        override(Run(), ["methd=supervised"])
