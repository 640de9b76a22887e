"""Complementary channel dropout: outputs for recorded factors to the bit, and draws by the same law."""

from __future__ import annotations

import re

import pytest
import torch
from golden_data import Case, load_arrays
from torch import Tensor
from unimatch_v2 import Golden

from s4former.methods.parts import View
from s4former.methods.parts.perturbations.complementary_dropout import ComplementaryDropoutConfig
from s4former.testing import tiny_student
from s4former.types import DrawKey


@pytest.fixture(scope="module")
def recorded(golden: Golden) -> Case:
    return load_arrays(golden("unimatch_v2/dropout.npz"))


def view_of(images: int, number: int, step: int = 0) -> View:
    pixels = torch.zeros(images, 2, 2, dtype=torch.long)
    return View(
        images=torch.zeros(images, 3, 2, 2),
        labels=pixels,
        uncertain=pixels > 0,
        teacher_logits=None,
        pixels=1,
        indices=torch.arange(images),
        key=DrawKey(seed=0, step=step),
        batch_size=images,
        number=number,
    )


def dropout():
    return ComplementaryDropoutConfig().build(tiny_student())


def counts(recorded: Case, pattern: str) -> list[int]:
    found = [int(match[1]) for key in recorded if (match := re.fullmatch(pattern, key))]
    assert found
    return found


def test_outputs(recorded: Case) -> None:
    for images in counts(recorded, r"n(\d+)\.mask"):
        case = {key.removeprefix(f"n{images}."): value for key, value in recorded.items()}
        part, halves = dropout(), case["mask"].float().chunk(2)
        part.draw = lambda view, channels, halves=halves: halves[view.number]
        for number in (0, 1):
            grids = tuple(grid(case[f"feat{tap}"], number) for tap in range(4))
            for tap, ours in enumerate(part.after(grids, view_of(images, number))):
                assert torch.equal(ours, grid(case[f"out{tap}"], number))


def grid(tokens: Tensor, number: int) -> Tensor:
    return tokens.float().chunk(2)[number].transpose(1, 2).unflatten(2, (2, 2))


def drawn(images: int, channels: int, steps: int) -> Tensor:
    """Return our factors of some steps, laid out as theirs."""
    part = dropout()
    pairs = [
        [part.draw(view_of(images, number, step), channels) for number in (0, 1)] for step in range(steps)
    ]
    return torch.stack([torch.cat(pair) for pair in pairs])


def test_draws(recorded: Case) -> None:
    for images in counts(recorded, r"draws_n(\d+)\.mask"):
        theirs = recorded[f"draws_n{images}.mask"].float()
        for masks in (theirs, drawn(images, theirs.shape[2], len(theirs))):
            first, second = masks.chunk(2, dim=1)
            assert torch.equal(first + second, torch.full_like(first, 2))
            spared = (first == 1).all(2)
            assert torch.equal((first == 1).any(2), spared)
            assert (spared.sum(1) == images // 2).all()
            # Each image is spared as often as the others, each channel kept half of the time: 4.5 deviations.
            often = spared.float().mean(0) - (images // 2) / images
            assert often.abs().max() < 4.5 * 0.5 / len(masks) ** 0.5
            kept = first[~spared] / 2
            assert (kept.mean(0) - 0.5).abs().max() < 4.5 * 0.5 / len(kept) ** 0.5
            assert len(kept.unique(dim=0)) > 0.99 * len(kept)


def test_of_one_image_none_is_spared(recorded: Case) -> None:
    for masks in (recorded["n1.mask"].float()[None], drawn(1, 24, 20)):
        assert not (masks == 1).any()


def test_a_part_of_a_batch_has_the_draws_of_the_whole() -> None:
    part, whole = dropout(), view_of(4, 1)
    halves = [part.draw(whole.part(index, 2), 24) for index in (0, 1)]
    assert torch.equal(part.draw(whole, 24), torch.cat(halves))
