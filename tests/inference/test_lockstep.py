"""Passes of sharded networks that break: who fails says so alone, as no agreement is possible any more."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from s4former import collectives
from s4former.collectives import agreement, batch
from s4former.inference.lockstep import passes_in_lockstep
from s4former.testing import tiny_student
from s4former.types import Segmenter

IMAGES = torch.zeros(1, 3, 32, 32)


class Broken(nn.Module):
    def forward(self, *_: object) -> None:
        raise RuntimeError("out of memory")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What this process, one of two, asks the other; its network counts as sharded, and the other is done."""
    found: list[object] = []
    others = [(0, 3, False)]  # a pass that the other one takes first

    def gathered(mine: object) -> list[object]:
        found.append(mine)
        return [mine, others.pop() if others else (1, 0, False)]

    monkeypatch.setattr(collectives, "gathered", gathered)
    monkeypatch.setattr(collectives, "any_sharded", lambda _: True)
    monkeypatch.setattr(batch, "world_size", lambda: 2)
    monkeypatch.setattr(agreement, "any_rank", lambda _: pytest.fail("the other one waits elsewhere"))
    return found


def broken() -> Segmenter:
    network = tiny_student().eval()
    network.head = Broken()
    return network


@pytest.mark.parametrize("act", [lambda network: network(IMAGES), lambda _: None], ids=["own", "blank"])
def test_a_pass_that_breaks_is_raised_alone(asked: list[object], act: Callable[[Segmenter], object]) -> None:
    network = broken()
    with (
        pytest.raises(RuntimeError, match="out of memory"),
        collectives.raise_on_all_ranks(),
        passes_in_lockstep({"student": network}),
    ):
        act(network)
    assert len(asked) == 1, "nothing is agreed on once a pass broke"


def test_what_fails_between_passes_takes_part_until_all_are_done(asked: list[object]) -> None:
    network = tiny_student().eval()
    with pytest.raises(ValueError, match="a bad file"), passes_in_lockstep({"student": network}):
        raise ValueError("a bad file")
    assert asked == [(1, 0, False)] * 2
