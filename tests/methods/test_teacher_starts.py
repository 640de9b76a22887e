"""What an averaged teacher is when its labels begin to count."""

from __future__ import annotations

import pytest
import torch

from s4former.methods import method_names
from s4former.ops import warmed_decay
from s4former.testing import awake, learn, random_batch, tiny_student

TAUGHT = [name for name in method_names() if "teacher_starts" in type(awake(name)).model_fields]


def states(name: str, **settings: object) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Train for five steps; return the first weights of student and teacher after each."""
    method = awake(name, unlabeled_start_step=3, ema_decay=0.5, **settings).build(tiny_student()).train()
    optimizer = torch.optim.SGD([p for group in method.parameter_groups().values() for p in group], lr=0.05)
    found = []
    for step in range(5):
        optimizer.zero_grad()
        learn(method, random_batch(step))
        optimizer.step()
        method.after_update(step)
        networks = method.networks["student"], method.networks["teacher"]
        found.append(tuple(next(network.parameters()).detach().clone() for network in networks))
    return found  # type: ignore[return-value]


@pytest.mark.parametrize("name", TAUGHT)
def test_a_copy_is_equal_to_the_bit_when_its_labels_begin_and_averages_from_there(name: str) -> None:
    copied, averaged = states(name, teacher_starts="copy_at_start"), states(name)
    assert all(torch.equal(one[1], other[1]) for one, other in zip(copied[:2], averaged[:2], strict=True))
    assert torch.equal(*copied[2])
    assert not torch.equal(*averaged[2])
    torch.testing.assert_close(copied[3][1], (copied[2][1] + copied[3][0]) / 2)


@pytest.mark.parametrize("name", TAUGHT)
def test_its_warm_up_begins_anew(name: str) -> None:
    found = states(name, teacher_starts="copy_at_start", ema_warmup_steps=4)
    assert torch.equal(*found[3])  # a memory of one step
    decay = warmed_decay(0.5, 1, 4)
    torch.testing.assert_close(found[4][1], decay * found[3][1] + (1 - decay) * found[4][0])
