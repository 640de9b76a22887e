"""Pseudo-labels: who is confident."""

from __future__ import annotations

import torch

from s4former.ops.pseudo import confident_share, pseudo_labels
from s4former.types import IGNORE


def test_labels_are_the_likeliest_class_where_its_share_is_above_the_threshold():
    logits = torch.randn(2, 5, 16, 16, generator=torch.Generator().manual_seed(0)) * 2
    valid = torch.ones(2, 16, 16, dtype=torch.bool)
    valid[:, :4] = False
    pseudo = pseudo_labels(logits, 0.6, valid)
    expected = (logits.double().softmax(1).amax(1) > 0.6) & valid
    assert expected.any()
    assert torch.equal(pseudo.confident, expected)
    assert torch.equal(pseudo.labels[expected], logits.argmax(1)[expected])
    assert pseudo.labels[~expected].eq(IGNORE).all()
    assert pseudo.labels.dtype == torch.int64


def test_the_threshold_itself_is_not_enough():
    logits = torch.zeros(1, 2, 1, 1)
    valid = torch.ones(1, 1, 1, dtype=torch.bool)
    assert not pseudo_labels(logits, 0.5, valid).confident.any()
    assert pseudo_labels(logits, 0.499, valid).confident.all()


def test_no_gradient_and_float32():
    logits = torch.randn(1, 3, 2, 2, dtype=torch.bfloat16, requires_grad=True)
    pseudo = pseudo_labels(logits, 0.0, torch.ones(1, 2, 2, dtype=torch.bool))
    assert not pseudo.logits.requires_grad
    assert pseudo.logits.dtype == torch.float32


def test_the_confident_share_is_one_of_valid_pixels():
    logits = torch.tensor([[4.0, 0.0, 4.0, 4.0], [0.0, 0.0, 0.0, 0.0]]).view(1, 2, 1, 4)
    valid = torch.tensor([[[True, True, True, False]]])
    torch.testing.assert_close(confident_share(pseudo_labels(logits, 0.9, valid), valid), torch.tensor(2 / 3))
    nothing = torch.zeros_like(valid)
    assert confident_share(pseudo_labels(logits, 0.9, nothing), nothing) == 0
