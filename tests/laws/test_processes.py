"""One process and two give the same losses and weights, for every method and every way to count pixels."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from s4former import collectives
from s4former.engine import distributed
from s4former.engine.device import seed_layers
from s4former.engine.sharding import shard
from s4former.methods import config_class, method_names
from s4former.models import MiTConfig, ModelConfig, build_segmenter
from s4former.testing import NUM_CLASSES, SIZE, awake, random_batch, tiny_student
from s4former.types import Batch, Segmenter
from trials import server

pytestmark = pytest.mark.slow

STEPS = 2
COUNT = 4
Case = tuple[str, str, bool]


def variants() -> dict[str, dict[str, Any]]:
    """Settings in which images of a batch meet, or pixels of a batch are counted."""
    return {
        "default": {},
        "counted": {
            "labeled_normalize_by": "labeled",
            "unlabeled_normalize_by": "labeled",
            "pasa_pass": "mixed",
        },
        "balanced": {"class_balance": 0.5, "unlabeled_start_step": 1},
        "unpadded": {
            "unlabeled_normalize_by": "unpadded",
            "cutmix_partner": "reversed",
            "average_losses": True,
            "perturb": ["complementary_dropout"],
        },
        "kl": {"ncr_mode": "kl", "cutmix_per": "batch", "cutmix_probability": 1.0},
        "as_released": {"as_released": True},
        "supervised_batch": {},
        "segformer": {},  # with layers that draw from torch's generator
    }


def cases() -> list[tuple[str, str]]:
    """Return every method with every variant that it has a knob for."""
    return [
        (name, variant)
        for name in method_names()
        for variant, changes in variants().items()
        if not changes or changes.keys() & config_class(name).model_fields.keys()
    ]


def trained() -> list[Case]:
    """Return every case with whole weights, and some whose weights the processes share."""
    sharded = [(name, "default") for name in ("supervised", "s4former", "unimatch_v2")]
    return [(*case, False) for case in cases()] + [
        (*case, True) for case in [*sharded, ("s4former", "segformer")]
    ]


def tiny_segformer() -> Segmenter:
    """Return a SegFormer whose every step skips branches and leaves out channels."""
    sizes = MiTConfig(
        embed_dims=(4, 8, 12, 16), depths=(1, 2, 1, 1), num_heads=(1, 2, 3, 4), mlp_ratio=2, drop_path=0.3
    )
    config = ModelConfig(backbone=sizes, head={"name": "segformer", "channels": 8})
    network = build_segmenter(config, NUM_CLASSES, seed=0)
    assert any(isinstance(part, torch.nn.Dropout2d) and part.p > 0 for part in network.modules())
    return network


def uneven(batch: Batch) -> Batch:
    """Give the first images more unknown pixels and more padding than the last, so that shares differ."""
    assert batch.unlabeled is not None
    batch.labeled.labels[0, :20] = 255
    batch.unlabeled.valid[0, :, :10] = False
    return batch


def train(name: str, variant: str, sharded: bool = False) -> dict[str, Tensor]:
    """Train a method for a few steps with what process this is; return scalars, norms and all tensors."""
    fields = config_class(name).model_fields
    config = awake(name, **{key: value for key, value in variants()[variant].items() if key in fields})
    student = tiny_segformer() if variant == "segformer" else tiny_student()
    distributed.synchronize_layers(student, torch.device("cpu"))
    method = config.build(student).train()
    if sharded:
        shard(method, torch.device("cpu"))
    step_of = distributed.wrap(method)
    optimizer = torch.optim.SGD([p for p in method.parameters() if p.requires_grad], lr=0.05)
    record: dict[str, Tensor] = {}
    for step in range(STEPS):
        seed_layers(3, step)
        batch = uneven(random_batch(step, COUNT, size=64 if variant == "segformer" else SIZE))
        if variant == "supervised_batch":
            batch = Batch(batch.labeled, None, batch.key)
        batch = batch.part(collectives.rank(), collectives.world_size())
        targets = method.prepare(batch)
        out = step_of(batch, targets)
        optimizer.zero_grad()
        out.loss.backward()
        gradients = [p.grad for p in method.parameters() if p.grad is not None]
        record[f"{step}/norm"] = collectives.whole(torch.nn.utils.get_total_norm(gradients))
        scalars = distributed.averaged({"loss": out.loss.detach(), **out.scalars, **targets.scalars})
        record |= {f"{step}/{key}": value for key, value in scalars.items()}
        optimizer.step()
        method.after_update(step)
    return record | {
        f"state/{key}": collectives.whole(value).clone() for key, value in method.state_dict().items()
    }


_SCRIPT = """
import torch
from test_processes import train, trained
from s4former.engine import distributed
from s4former import collectives
torch.set_num_threads(1)
distributed.join()
records = {case: train(*case) for case in trained()}
order = collectives.next_images(torch.tensor([10 * RANK, 10 * RANK + 1]))
try:
    collectives.next_images(torch.ones(1, requires_grad=True))
    refused = False
except ValueError:
    refused = True
records["exchange", "", False] = {"order": order, "refused": torch.tensor(refused)}
torch.save(records, Path(sys.argv[1]) / f"{RANK}.pt")
"""


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> list[dict[Case, dict[str, Tensor]]]:
    """What each of two processes got."""
    folder = tmp_path_factory.mktemp("two")
    ends = server().script(_SCRIPT, folder, processes=2)
    assert [end.code for end in ends] == [0, 0], ends
    return [torch.load(folder / f"{rank}.pt") for rank in range(2)]


@pytest.mark.parametrize(("name", "variant", "sharded"), trained())
def test_two_processes_train_as_one_does(
    two: list[dict[Case, dict[str, Tensor]]], name: str, variant: str, sharded: bool
) -> None:
    with torch.random.fork_rng(devices=[]):
        one = train(name, variant)
    for record in (process[name, variant, sharded] for process in two):
        assert record.keys() == one.keys()
        for key, value in one.items():
            # In a histogram a pixel at the border of two bins may fall on either side.
            atol = 3 if key.endswith("confident_pixels.seen") else 1e-5
            assert torch.allclose(record[key].to(value.dtype), value, rtol=1e-5, atol=atol), key


@pytest.mark.parametrize(("name", "variant", "sharded"), trained())
def test_networks_are_the_same_bits_in_both_processes(
    two: list[dict[Case, dict[str, Tensor]]], name: str, variant: str, sharded: bool
) -> None:
    ours, theirs = (process[name, variant, sharded] for process in two)
    assert all(torch.equal(value, theirs[key]) for key, value in ours.items())


def test_the_next_image_is_that_of_the_global_batch_and_takes_no_gradient(
    two: list[dict[Case, dict[str, Tensor]]],
) -> None:
    orders = [record["exchange", "", False]["order"].tolist() for record in two]
    assert orders == [[1, 10], [11, 0]]
    assert all(record["exchange", "", False]["refused"] for record in two)
