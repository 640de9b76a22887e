"""What depends on the global batch, in one process and in three; for whole steps in two see the laws."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from s4former import collectives
from trials import server


def test_alone_the_global_batch_is_the_own() -> None:
    batch = torch.arange(6).view(3, 2)
    assert (collectives.rank(), collectives.world_size()) == (0, 1)
    assert list(collectives.global_indices(3)) == [0, 1, 2]
    assert collectives.next_images(batch).tolist() == [[2, 3], [4, 5], [0, 1]]
    assert collectives.reversed_images(batch).tolist() == [[4, 5], [2, 3], [0, 1]]
    assert collectives.total(batch) is batch
    assert [int(collectives.normalize_by(torch.tensor(count))) for count in (0, 1, 7)] == [1, 1, 7]


def test_partners_are_found_among_the_images_of_three_processes() -> None:
    # With two, the process before is the one after: only a third tells them apart.
    ends = server().script(
        """
from datetime import timedelta
import torch
from torch import distributed as dist
from s4former import collectives

dist.init_process_group("gloo", timeout=timedelta(seconds=20))
own = torch.tensor(list(collectives.global_indices(2)))
assert own.tolist() == [2 * RANK, 2 * RANK + 1]
assert collectives.next_images(own).tolist() == [2 * RANK + 1, (2 * RANK + 2) % 6]
assert collectives.reversed_images(own).tolist() == [5 - 2 * RANK, 4 - 2 * RANK]
assert int(collectives.total(own.sum())) == 15
dist.destroy_process_group()
""",
        processes=3,
    )
    assert [end.code for end in ends] == [0, 0, 0], ends


def test_what_stays_of_an_image_makes_up_for_what_is_dropped() -> None:
    ones = torch.ones(400, 3)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        whole, single = (collectives.drop(ones, 0.25, shape) for shape in ((1,), (3,)))
        unscaled = collectives.drop(ones, 0.25, (3,), scale=False)
    kept = whole != 0
    assert torch.equal(kept, kept[:, :1].expand_as(kept))  # all of an image at once
    assert 0.7 < kept.float().mean() < 0.8
    torch.testing.assert_close(whole[kept], torch.full_like(whole[kept], 4 / 3))
    assert not torch.equal(single != 0, (single != 0)[:, :1].expand_as(single))
    assert unscaled.unique().tolist() == [0, 1]


def test_batch_norm_is_torchs() -> None:
    generator = torch.Generator().manual_seed(0)
    results = []
    for norm in (collectives.batch_norm, None):
        generator.manual_seed(0)
        x = (5 + 3 * torch.randn(4, 6, 7, 5, generator=generator)).requires_grad_()
        weight = torch.rand(6, generator=generator).requires_grad_()
        bias = torch.rand(6, generator=generator).requires_grad_()
        mean, variance = torch.zeros(6), torch.ones(6)
        if norm:
            y = norm(x, weight, bias, mean, variance, momentum=0.1, eps=1e-5)
        else:
            y = F.batch_norm(x, mean, variance, weight, bias, training=True, momentum=0.1, eps=1e-5)
        (y * torch.randn(y.shape, generator=generator)).sum().backward()
        results.append([y, mean, variance, x.grad, weight.grad, bias.grad])
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_batch_norm_keeps_the_format_of_its_input() -> None:
    x = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0)).bfloat16()
    y = collectives.batch_norm(x, torch.ones(3), torch.zeros(3), torch.zeros(3), torch.ones(3), 0.1, 1e-5)
    assert y.dtype == torch.bfloat16
