"""Pseudo-labels: what a network says, and how sure it is."""

from __future__ import annotations

import torch

from s4former.ops import pseudo_labels, share_of


def test_labels_are_the_likeliest_class_with_its_probability():
    logits = torch.randn(2, 5, 16, 16, generator=torch.Generator().manual_seed(0)) * 2
    valid = torch.ones(2, 16, 16, dtype=torch.bool)
    valid[:, :4] = False
    pseudo = pseudo_labels(logits, valid)
    assert torch.equal(pseudo.labels, logits.argmax(1))
    torch.testing.assert_close(pseudo.confidence, logits.double().softmax(1).amax(1).float())
    assert torch.equal(pseudo.valid, valid)
    assert pseudo.labels.dtype == torch.int64


def test_no_gradient_and_float32():
    logits = torch.randn(1, 3, 2, 2, dtype=torch.bfloat16, requires_grad=True)
    pseudo = pseudo_labels(logits, torch.ones(1, 2, 2, dtype=torch.bool))
    assert not pseudo.logits.requires_grad
    assert {pseudo.logits.dtype, pseudo.confidence.dtype} == {torch.float32}


def test_a_share_is_one_of_valid_pixels():
    chosen = torch.tensor([[[True, False, True, True]]])
    valid = torch.tensor([[[True, True, True, False]]])
    torch.testing.assert_close(share_of(chosen, valid), torch.tensor(2 / 3))
    assert share_of(chosen, torch.zeros_like(valid)) == 0
