"""PASA's bias lies where the patches of the images lie, wherever CutMix and PatchShuffle have moved them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from s4former.methods import S4FormerConfig
from s4former.methods.parts import View, perturbed
from s4former.testing import random_batch, tiny_student
from s4former.types import Batch, FactoredBias

COUNT, SIZE, PATCH, WEIGHT = 3, 32, 4, 5.0


def biased_passes(
    monkeypatch: pytest.MonkeyPatch, batch: Batch, **settings: Any
) -> list[tuple[Tensor, Tensor]]:
    """Return images and bias of each biased pass, on views that are 1 where the teacher is unsure."""
    method = S4FormerConfig(pasa_weight=WEIGHT, shuffle_block=1, confidence_threshold=0.5, **settings).build(
        tiny_student()
    )
    passes, encode, cutmix, mixed = [], method.student.encode, method.cutmix, method.cutmix.forward

    def recorded(images: Tensor, bias: FactoredBias | None = None) -> tuple[Tensor, ...]:
        if bias is not None:
            passes.append((images, bias.matrix()))
        return encode(images, bias)

    def show_uncertainty(view: View) -> View:
        return replace(view, images=view.uncertain.float()[:, None].expand(-1, 3, -1, -1))

    monkeypatch.setattr(method.student, "encode", recorded)
    monkeypatch.setattr(cutmix, "forward", lambda view: mixed(show_uncertainty(view)))
    views = method.prepare(batch).views
    if "pasa" in views:
        views = {**views, "pasa": show_uncertainty(views["pasa"])}
    for name, view in views.items():
        perturbed(method.student, view, method.passes[name])
    return passes


@pytest.mark.parametrize("pasa_pass", ["own", "mixed"])
def test_a_patch_pulls_as_far_as_it_is_unsure(monkeypatch: pytest.MonkeyPatch, pasa_pass: str) -> None:
    ((images, bias),) = biased_passes(monkeypatch, random_batch(0), pasa_pass=pasa_pass)
    unsure = F.avg_pool2d(images[:, 0], PATCH).flatten(1)
    assert 0 < unsure.mean() < 1
    # the class token's row, which is never silent
    torch.testing.assert_close(bias[:, 0, 1:], WEIGHT * unsure)


@pytest.mark.parametrize("pasa_pass", ["own", "mixed"])
def test_padding_pulls_no_attention(monkeypatch: pytest.MonkeyPatch, pasa_pass: str) -> None:
    batch = random_batch(0)
    assert batch.unlabeled is not None
    batch.unlabeled.valid[:] = True
    batch.unlabeled.valid[:, :, SIZE // 2 :] = False
    passes = biased_passes(monkeypatch, batch, pasa_pass=pasa_pass, cutmix_probability=0.0)
    ((images, bias),) = passes
    rows = bias[:, 0, 1:].reshape(-1, SIZE // PATCH, SIZE // PATCH)
    if pasa_pass == "own":  # the mixed pass is shuffled
        assert rows[:, :, : SIZE // PATCH // 2].sum() > 0
        assert rows[:, :, SIZE // PATCH // 2 :].eq(0).all()
    torch.testing.assert_close(rows.sum(), WEIGHT * images[:, 0].sum() / PATCH**2)
