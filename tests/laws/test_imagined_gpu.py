"""Laws of a step on a GPU, shown without one: shapes, types and devices are followed, no number is computed.

An operation that mixes devices fails as it would on the GPU. So does one whose result the host would have to
wait for (a boolean selection, ``item``, ``if tensor``): a step keeps the GPU fed, and the loop asks once, at
its end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import test_hierarchical
import torch
from test_methods import METHODS
from torch import nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._pytree import tree_leaves

from s4former.augment import POLICIES
from s4former.data.crops import CroppedBatch, Crops, View
from s4former.inference import EvaluateConfig, logit_row_chunks
from s4former.methods import Method, config_class
from s4former.testing import SIZE, awake, random_batch, tiny_student
from s4former.testing.subjects import AWAKE
from s4former.types import Batch, DrawKey, StepOutput

pytestmark = pytest.mark.slow

CUDA = torch.device("cuda", 0)


class ImaginedGPU(FakeTensorMode):
    """Tensors on CUDA are imagined; those on the CPU stay real, as draws and indices are made there."""

    def __init__(self) -> None:
        super().__init__(allow_non_fake_inputs=True)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        leaves = tree_leaves((args, kwargs))
        if any(isinstance(leaf, FakeTensor) or leaf == CUDA for leaf in leaves if not _is_real(leaf)):
            return super().__torch_dispatch__(func, types, args, kwargs)
        return func(*args, **(kwargs or {}))


def _is_real(leaf: Any) -> bool:
    return isinstance(leaf, torch.Tensor) and not isinstance(leaf, FakeTensor)


def move(module: nn.Module) -> None:
    """Put every parameter and buffer on the GPU, below the mode that imagines it."""
    for part in module.modules():
        for name, parameter in part._parameters.items():
            if parameter is not None:
                moved = torch.empty(parameter.shape, dtype=parameter.dtype, device=CUDA)
                part._parameters[name] = nn.Parameter(moved, requires_grad=parameter.requires_grad)
        for name, buffer in part._buffers.items():
            if buffer is not None:
                part._buffers[name] = torch.empty(buffer.shape, dtype=buffer.dtype, device=CUDA)


@pytest.fixture(autouse=True)
def _bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let autocast work as on a GPU that has bfloat16: without one it would switch itself off."""
    monkeypatch.setattr("torch.cuda.amp.common.amp_definitely_not_available", lambda: False)
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda *_, **__: True)


def step_on_gpu(method: Method, batch: Batch) -> StepOutput:
    with ImaginedGPU():
        move(method.train())
        with torch.autocast("cuda", dtype=torch.bfloat16):
            batch = batch.to(CUDA)
            targets = method.prepare(batch)
            out = method(batch, targets)
            out = StepOutput(out.loss, {**out.scalars, **targets.scalars})
        method.after_update(0)
    return out


def settings() -> list[tuple[str, dict[str, Any]]]:
    """Each method as it is, and with each choice (a switch or a named alternative) of its own and its parts.

    A part is one code for all methods that have it, so its choices are turned in one of those that share the
    code of a step.
    """
    found: list[tuple[str, dict[str, Any]]] = []
    turned = set()
    for name in METHODS:
        config, step = config_class(name), type(awake(name).build(tiny_student()))
        found.append((name, {"class_balance": 0.5}))
        for field, info in config.model_fields.items():
            owner = next(base for base in config.__mro__ if field in base.__annotations__)
            value, annotation = AWAKE.get(field, info.default), info.annotation
            others: set[Any] = set()
            if isinstance(value, bool):
                others = {not value}
            elif isinstance(value, str) and field != "name" and annotation:
                others = {*annotation.__args__} - {value}
            for other in sorted(others):
                choice = (owner, field, other, step.prepare, step.forward)
                if choice not in turned:
                    turned.add(choice)
                    found.append((name, {field: other}))
    return found


@pytest.mark.parametrize(("name", "changes"), settings())
def test_a_step_stays_on_the_gpu_and_never_waits(name: str, changes: dict[str, Any]) -> None:
    check(step_on_gpu(awake(name, **changes).build(tiny_student()), random_batch(0)))


@pytest.mark.parametrize("recompute", ["none", "all"])
@pytest.mark.parametrize("name", METHODS)
def test_a_hierarchical_network_does_too(name: str, recompute: str) -> None:
    student = test_hierarchical.tiny_student(drop_path=0.2, recompute_activations=recompute)
    check(step_on_gpu(awake(name).build(student), random_batch(0, size=test_hierarchical.SIZE)))


def check(out: StepOutput) -> None:
    assert out.loss.device == CUDA
    assert out.loss.dtype == torch.float32
    assert {value.device for value in out.scalars.values()} == {CUDA}


@pytest.mark.parametrize("name", POLICIES.names())
def test_views_are_made_on_the_gpu_and_nobody_waits(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: tensor)
    policy, pixels = POLICIES.parse(name), torch.zeros(40, 3, 8, 9, dtype=torch.uint8)
    drawn = [policy.draw(np.random.default_rng(seed)) for seed in range(40)]
    crops = Crops(pixels, torch.ones(40, 8, 9, dtype=torch.bool), (View(policy, drawn),))
    batch = CroppedBatch(crops, torch.zeros(40, 8, 9, dtype=torch.uint8), crops, DrawKey(0, 0))
    with ImaginedGPU():
        views = batch.to(CUDA).make_views()
    for images in (views.labeled.images, views.unlabeled.weak):
        assert (images.device, images.dtype, images.shape) == (CUDA, torch.float32, pixels.shape)


@pytest.mark.parametrize(
    "protocol",
    [
        {"mode": "whole"},
        {"mode": "whole", "short_side": 40, "scales": (1.0, 1.5), "flip": True},
        {"mode": "slide", "crop_size": SIZE, "stride": 20},
        {"mode": "slide", "crop_size": SIZE, "stride": 20, "scales": (0.5, 1.0), "flip": True},
    ],
)
def test_scoring_stays_on_the_gpu(protocol: dict[str, Any]) -> None:
    network = tiny_student().eval()
    image = np.random.default_rng(0).integers(0, 255, (50, 70, 3), np.uint8)
    with ImaginedGPU(), torch.no_grad():
        move(network)
        config = EvaluateConfig(**protocol).resolved((SIZE, SIZE))
        row_chunks = list(logit_row_chunks(network, image[None], config, "cuda:0", "bfloat16"))
    assert sum(chunk.shape[2] for chunk in row_chunks) == 50
    assert {(chunk.device, chunk.dtype, chunk.shape[3]) for chunk in row_chunks} == {
        (CUDA, torch.float32, 70)
    }


def test_products_are_bfloat16() -> None:
    with ImaginedGPU(), torch.autocast("cuda", dtype=torch.bfloat16):
        assert (torch.ones(2, 2).to(CUDA) @ torch.ones(2, 2).to(CUDA)).dtype == torch.bfloat16


WRONG: dict[str, Callable[[torch.Tensor], Any]] = {
    "a tensor of the CPU": lambda logits: logits + torch.ones(4),
    "a number for the host": lambda logits: logits * logits.sum().item(),
    "a question of the host": lambda logits: logits if logits.isfinite().all() else -logits,
    "a selection": lambda logits: logits[logits > 0],
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=list(WRONG))
def test_the_imagined_gpu_notices(wrong: Callable[[torch.Tensor], Any]) -> None:
    with ImaginedGPU():
        logits = torch.ones(4).to(CUDA)
        with pytest.raises(Exception, match=r"device|nonzero|scalar"):
            wrong(logits)
