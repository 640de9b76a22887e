"""``s4former recipes`` and ``s4former models``."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from s4former.cli.main import app
from s4former.config import UserError


def output(*arguments: str) -> str:
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_recipes_shows_each_family_and_a_family_all_its_names() -> None:
    assert all(
        word in output("recipes") for word in ("demo", "camvid", "voc.classic_92", "cityscapes", "coco")
    )
    shown = output("recipes", "voc")
    assert "Data     s4former prepare voc" in shown
    assert "voc.blended_662.segformer.mean_teacher\n" in shown
    assert "demo" not in shown


def test_models_shows_presets_and_backbones() -> None:
    assert all(word in output("models") for word in ("setr_deit_base", "segformer_b5", "dinov2_small"))
    assert "vit_small_patch14_dinov2" in output("models", "dinov2").split()
    assert {f"mit_b{number}" for number in range(6)} <= set(output("models", "mit_b").split())


@pytest.mark.parametrize("verb", ["recipes", "models"])
def test_an_unknown_name_says_what_there_is(verb: str) -> None:
    with pytest.raises(UserError, match="nothing_of_the_kind"):
        CliRunner().invoke(app, [verb, "nothing_of_the_kind"], catch_exceptions=False)
