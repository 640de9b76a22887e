"""Which pseudo-labels are learned."""

from __future__ import annotations

import torch

from s4former.methods.parts import ConfidentPixels, PseudoLabelConfig
from s4former.types import PseudoLabels

LABELS = torch.tensor([[[0] * 10 + [1] * 10]])
SURE = torch.cat([torch.linspace(0.9075, 0.9975, 10), torch.linspace(0.5075, 0.5975, 10)]).view(1, 1, 20)


def said(confidence: torch.Tensor = SURE, valid: torch.Tensor | None = None) -> PseudoLabels:
    valid = torch.ones_like(LABELS, dtype=torch.bool) if valid is None else valid
    return PseudoLabels(torch.zeros(1, 3, 1, 20), LABELS, confidence, valid)


def test_one_threshold_starves_the_class_that_is_never_sure() -> None:
    chosen = ConfidentPixels(PseudoLabelConfig(confidence_threshold=0.95), 3)(said())
    assert chosen.sum() == 5
    assert not chosen[LABELS == 1].any()


def test_a_share_of_each_class_is_learned_surest_first() -> None:
    chosen = ConfidentPixels(PseudoLabelConfig(confidence_threshold=0.95, class_share=0.55), 3)(said())
    assert chosen[LABELS == 1].tolist() == [False] * 4 + [True] * 6
    assert chosen[LABELS == 0].tolist() == [False] * 4 + [True] * 6


def test_thresholds_never_rise_above_the_common_one() -> None:
    part = ConfidentPixels(PseudoLabelConfig(confidence_threshold=0.95, class_share=0.1), 3)
    part(said())
    thresholds = part.thresholds()
    torch.testing.assert_close(thresholds, torch.tensor([0.95, 0.595, 0.95]), atol=0.006, rtol=0)


def test_padding_neither_counts_nor_is_chosen() -> None:
    padded = torch.zeros_like(LABELS, dtype=torch.bool)
    part = ConfidentPixels(PseudoLabelConfig(class_share=0.55), 3)
    assert not part(said(valid=padded)).any()
    assert part.seen.sum() == 0


def test_what_was_seen_fades() -> None:
    part = ConfidentPixels(PseudoLabelConfig(confidence_threshold=0.95, class_share=0.5), 3)
    for _ in range(3):
        part(said())
    before = part.thresholds()[1]
    for _ in range(400):
        part(said(SURE - 0.2))
    torch.testing.assert_close(part.thresholds()[1], before - 0.2, atol=0.011, rtol=0)


def test_what_is_no_number_is_neither_counted_nor_chosen() -> None:
    confidence = SURE.clone()
    confidence[..., 3] = torch.nan
    part = ConfidentPixels(PseudoLabelConfig(class_share=0.55), 3)
    assert not part(said(confidence))[..., 3].any()
    assert float(part.seen.sum()) == 19
