"""Laws that every method obeys. Methods are found by listing the folder: a new one needs no edit here."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from s4former.methods import method_names
from s4former.testing import LAWS, Subject, check_method, train_steps
from s4former.testing.laws import batches, equal

METHODS = method_names()
TAUGHT = [name for name in METHODS if Subject(name).config().views.unlabeled]


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("name", METHODS)
def test_law(name: str, law: Callable[[Subject], None]) -> None:
    law(Subject(name))


@pytest.mark.parametrize("name", METHODS)
def test_a_teacher_starts_as_an_exact_copy(name: str) -> None:
    method = Subject(name).build()
    student = method.student.state_dict()
    for network in method.networks.values():
        assert all(torch.equal(value, student[key]) for key, value in network.state_dict().items())


@pytest.mark.parametrize("name", TAUGHT)
def test_before_their_start_unlabeled_images_change_nothing(name: str) -> None:
    """Nor do they cost a pass: the steps are supervised ones, class weights included."""
    subject = Subject(name, {"unlabeled_start_step": 2, "class_balance": 0.5})
    early = subject.run()
    shared = {"class_balance": 0.5, "labeled_normalize_by": subject.config().labeled_normalize_by}
    late = train_steps(Subject("supervised", shared).build(), batches())
    assert equal(early[:2], late[:2])
    assert not torch.equal(early[2], late[2])
    assert subject.config().least_steps == 3


def test_a_method_of_somebody_else_is_checked_by_its_import_path(
    tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "their_methods").mkdir()
    (tmp_path / "their_methods" / "entropy.py").write_text(ENTROPY)
    (tmp_path / "their_methods" / "forgetful.py").write_text(
        ENTROPY.replace("Entropy", "Forgetful")
        .replace('"entropy"', '"their_methods.forgetful"')
        .replace("self.temperature.exp()", "1.0")
    )
    monkeypatch.syspath_prepend(tmp_path)
    check_method("their_methods.entropy")
    with pytest.raises(AssertionError, match="temperature"):
        check_method("their_methods.forgetful")


ENTROPY = '''
"""Entropy minimization with a learned temperature: a method of its own parameter."""
from typing import Literal
import torch
from s4former.augment import Views
from s4former.methods import Method, MethodConfig

class EntropyConfig(MethodConfig):
    """Entropy of unlabeled images."""
    name: str = "their_methods.entropy"
    views: Views = Views()
    weight: float = 0.1

    def build(self, student):
        return Entropy(self, student)

class Entropy(Method):
    """One network and a temperature."""
    def __init__(self, config, student):
        super().__init__(config, student)
        self.temperature = torch.nn.Parameter(torch.zeros(()))

    def forward(self, batch, targets):
        supervised = self.labeled_loss(batch.labeled, targets)
        if batch.unlabeled is None:
            return self.output(supervised, {}, targets)
        p = (self.student(batch.unlabeled.weak) / self.temperature.exp()).softmax(1)
        entropy = -(p * p.clamp_min(1e-6).log()).sum() / targets.labeled_pixels
        return self.output(supervised + self.config.weight * entropy, {}, targets)
'''
