"""With CutMix the pseudo-labels come from where the pixels come from."""

from __future__ import annotations

import pytest
import torch

from s4former.methods import config_class, method_names
from s4former.ops import pseudo_labels
from s4former.testing import Subject, awake, random_batch, tiny_student
from s4former.types import IGNORE

TAUGHT = [name for name in method_names() if Subject(name).config().views.unlabeled]


@pytest.mark.parametrize("name", TAUGHT)
def test_pixels_keep_what_was_said_of_them(name: str) -> None:
    """The view of a batch in which every image tells its own number holds that image's labels there."""
    settings = {"cutmix_probability": 1.0, "confidence_threshold": 0.0, "class_mix_probability": 0.0}
    fields = settings.keys() & config_class(name).model_fields.keys()
    method = awake(name, **{field: settings[field] for field in fields}).build(tiny_student()).train()
    batch = random_batch(0)
    assert batch.unlabeled is not None
    numbers = torch.arange(4)[:, None, None, None].expand_as(batch.unlabeled.strong[0]) / 4
    for strong in batch.unlabeled.strong:
        strong.copy_(numbers)
    labeler = method.networks[method.deployed].eval()
    with torch.no_grad():
        said = pseudo_labels(labeler(batch.unlabeled.weak), batch.unlabeled.valid)
    method.train()
    for name, view in method.prepare(batch).views.items():
        if name == "features":  # the weak view as it is
            continue
        whose = (4 * view.images[:, 0]).round().long()
        mixed = (whose != torch.arange(4)[:, None, None]).any()
        assert mixed == (name != "pasa")
        assert view.teacher_logits is not None
        learned = batch.unlabeled.valid
        assert torch.equal(view.labels[learned], said.labels.gather(0, whose)[learned])
        logits = said.logits.gather(0, whose[:, None].expand_as(said.logits))
        torch.testing.assert_close(view.teacher_logits, logits)


@pytest.mark.parametrize("name", TAUGHT)
def test_a_mixed_loss_is_divided_by_the_pixels_that_the_mixed_view_knows(name: str) -> None:
    method = (
        awake(name, cutmix_probability=1.0, unlabeled_normalize_by="labeled").build(tiny_student()).train()
    )
    batch = random_batch(0)
    assert batch.unlabeled is not None
    batch.unlabeled.valid[0, :20] = False  # so that boxes bring and take known pixels
    views = [
        view for name, view in method.prepare(batch).views.items() if name.startswith(("mixed", "strong"))
    ]
    assert views
    for view in views:
        assert int(view.pixels) == int((view.labels != IGNORE).sum())
