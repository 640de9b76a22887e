"""PASA's bias lies where the patches of the images lie, wherever CutMix and PatchShuffle have moved them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from s4former.methods.s4former import S4FormerConfig
from s4former.models.config import CustomViT, ModelConfig
from s4former.models.segmenter import build_segmenter
from s4former.ops.shuffle import Shuffle
from s4former.types import IGNORE, Batch, DrawKey, LabeledBatch, PseudoLabel, UnlabeledBatch

COUNT, SIZE, PATCH, CLASSES, WEIGHT = 3, 16, 4, 3, 5.0
EVERYWHERE = torch.ones(COUNT, SIZE, SIZE, dtype=torch.bool)


def biased_passes(
    monkeypatch: pytest.MonkeyPatch, confident: Tensor, valid: Tensor, **settings: Any
) -> list[tuple[Tensor, Tensor]]:
    """Return images and bias of each biased pass, on views that are 1 where the teacher is unsure."""
    sizes = CustomViT(embed_dim=8, depth=1, num_heads=1, patch_size=PATCH, image_size=(SIZE, SIZE))
    network = build_segmenter(ModelConfig(backbone="vit", custom=sizes, head="linear"), CLASSES, seed=0)
    method = S4FormerConfig(pasa_weight=WEIGHT, shuffle_block=1, **settings).build(network).train()
    labels = torch.zeros(COUNT, SIZE, SIZE, dtype=torch.int64).masked_fill(~confident, IGNORE)
    said = PseudoLabel(torch.zeros(COUNT, CLASSES, SIZE, SIZE), labels, confident)
    monkeypatch.setattr(method, "teach", lambda weak, valid: said)
    passes, encode = [], network.encode

    def recorded(images: Tensor, bias: Tensor | None = None) -> tuple[Tensor, ...]:
        if bias is not None:
            passes.append((images, bias))
        return encode(images, bias)

    monkeypatch.setattr(network, "encode", recorded)
    generator = torch.Generator().manual_seed(1)
    keep = torch.rand(COUNT, SIZE, SIZE, generator=generator) < 0.5
    permutation = torch.stack([torch.randperm(16, generator=generator) for _ in range(COUNT)])
    views = (~confident).float()[:, None].expand(-1, 3, -1, -1)
    batch = Batch(
        LabeledBatch(views, labels, EVERYWHERE), UnlabeledBatch(views, (views,), valid), DrawKey(0, 0)
    )
    method.step(batch, keep, Shuffle(permutation, 4, 4)).loss.backward()
    return passes


@pytest.mark.parametrize("pasa_pass", ["own", "mixed"])
def test_a_patch_pulls_as_far_as_it_is_unsure(monkeypatch: pytest.MonkeyPatch, pasa_pass: str) -> None:
    confident = torch.rand(COUNT, SIZE, SIZE, generator=torch.Generator().manual_seed(0)) < 0.5
    ((images, bias),) = biased_passes(monkeypatch, confident, EVERYWHERE, pasa_pass=pasa_pass)
    unsure = F.avg_pool2d(images[:, 0], PATCH).flatten(1)
    torch.testing.assert_close(
        bias[:, 0, 1:], WEIGHT * unsure
    )  # the class token's row, which is never silent


@pytest.mark.parametrize("pasa_pass", ["own", "mixed"])
def test_padding_pulls_no_attention(monkeypatch: pytest.MonkeyPatch, pasa_pass: str) -> None:
    valid = EVERYWHERE.clone()
    valid[:, :, SIZE // 2 :] = False
    nowhere = torch.zeros_like(EVERYWHERE)
    ((_, bias),) = biased_passes(monkeypatch, nowhere, valid, pasa_pass=pasa_pass)
    rows = bias[:, 0, 1:].reshape(COUNT, 4, 4)
    if pasa_pass == "own":  # the mixed pass is shuffled
        assert rows[:, :, :2].eq(WEIGHT).all()
        assert rows[:, :, 2:].eq(0).all()
    assert rows.sum() == WEIGHT * 8 * COUNT
