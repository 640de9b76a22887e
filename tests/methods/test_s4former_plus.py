"""S4Former plus is S4Former with other defaults, and classes pasted if that is asked for."""

from __future__ import annotations

from typing import Any

import torch

from s4former.augment import Views
from s4former.methods import config_class
from s4former.recipes import load_run
from s4former.testing import awake, random_batch, tiny_student, train_steps


def equal(first: list[torch.Tensor], second: list[torch.Tensor]) -> bool:
    return all(torch.equal(one, other) for one, other in zip(first, second, strict=True))


def losses(name: str, **settings: Any) -> list[torch.Tensor]:
    torch.manual_seed(0)
    method = awake(name, **settings).build(tiny_student())
    return train_steps(method, [random_batch(step) for step in range(3)])


def test_without_pasted_classes_it_is_s4former() -> None:
    assert equal(losses("s4former", class_balance=0.5), losses("s4former_plus", class_mix_probability=0))
    assert not equal(losses("s4former", class_balance=0.5), losses("s4former_plus", class_mix_probability=1))


def test_its_defaults_are_what_the_recipe_of_photographs_asks_s4former_for() -> None:
    names = (
        "class_share",
        "class_balance",
        "patch_shuffle",
        "confidence_threshold",
        "pasa",
        "ncr",
        "pasa_pass",
    )
    recipe, plus = load_run("msrc", [])[0].method, config_class("s4former_plus")()
    assert {name: getattr(plus, name) for name in names} == {name: getattr(recipe, name) for name in names}
    assert plus.views.context == recipe.views.context == 2
    assert plus.class_mix_probability == 0
    assert load_run("msrc.plus", [])[0].method.views == recipe.views


def test_other_methods_label_in_context_if_asked() -> None:
    assert config_class("mean_teacher")().views == Views(context=0)
