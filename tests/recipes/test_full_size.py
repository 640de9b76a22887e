"""The network of the published config at its true size, and one step of it on half a crop."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from s4former.models import build_segmenter
from s4former.recipes import load_run
from s4former.testing import learn
from s4former.types import Batch, DrawKey, LabeledBatch, UnlabeledBatch

NAME = "setr_deit-base_pup_bs_8_512x512_80k_pascal_1over16_split_classic_semi_beta_1_th_0.95_MT_w_ours.py"
CONFIG = Path(__file__).parents[2] / "configs" / "setr" / NAME
CLASSES, WIDTH, CHANNELS, SIDE = 21, 768, 256, 512
STEP_SIDE = 256  # the least that PatchShuffle can move blocks in: 2 x 2 of 8 x 8 patches


def backbone_size() -> int:
    """DeiT-B without its last norm and classifier, with positions for a class token and 32 x 32 patches."""
    embedding = 3 * 16 * 16 * WIDTH + WIDTH + WIDTH * (1 + 32 * 32) + WIDTH
    block = 4 * WIDTH + 4 * WIDTH * (WIDTH + 1) + 2 * 4 * WIDTH * WIDTH + 5 * WIDTH
    return embedding + 12 * block


def head_size(convs: int) -> int:
    """A norm, 3 x 3 convolutions without bias, each with a batch norm, and the classifier."""
    kernels = 9 * WIDTH * CHANNELS + (convs - 1) * 9 * CHANNELS * CHANNELS
    return 2 * WIDTH + kernels + convs * 2 * CHANNELS + CHANNELS * CLASSES + CLASSES


@pytest.mark.slow
def test_the_published_network_at_full_size_and_one_step() -> None:
    run, _ = load_run(CONFIG, {"model.pretrained": "none", "model.recompute_activations": "heads"})
    student = build_segmenter(run.model, CLASSES, seed=0)
    count = sum(parameter.numel() for parameter in student.parameters())
    assert count == backbone_size() + head_size(4) + 4 * head_size(2)

    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        features = student.encode(torch.rand(1, 3, SIDE, SIDE, generator=generator))
    assert [tuple(grid.shape) for grid in features] == [(1, WIDTH, 32, 32)] * 4  # blocks 4, 7, 9 and 11

    images, weak, strong = torch.rand(3, 1, 3, STEP_SIDE, STEP_SIDE, generator=generator)
    labels = torch.randint(0, CLASSES, (1, STEP_SIDE, STEP_SIDE), generator=generator)
    everywhere = torch.ones(1, STEP_SIDE, STEP_SIDE, dtype=torch.bool)
    batch = Batch(
        LabeledBatch(images, labels, everywhere),
        UnlabeledBatch(weak, (strong,), everywhere),
        DrawKey(seed=1999, step=0),
    )
    method = run.method.model_copy(update={"confidence_threshold": 0.06}).build(student).train()
    out = learn(method, batch)
    assert out.loss.isfinite()
    assert out.scalars["pseudo/confident"] > 0
    assert {"loss/supervised", "loss/pasa", "loss/mixed", "loss/ncr"} <= set(out.scalars)
    assert all(parameter.grad is not None for parameter in student.parameters())
    assert all(parameter.grad is None for parameter in method.teacher.network.parameters())
