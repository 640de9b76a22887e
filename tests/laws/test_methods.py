"""Laws that every method obeys. Methods are found by listing the folder: a new one needs no edit here."""

from __future__ import annotations

import typing
from typing import Any

import pydantic
import pytest
import torch
from torch import Tensor

from s4former.methods import Method, MethodConfig, config_class, method_names
from s4former.models.segmenter import CustomViT, ModelConfig, build_segmenter
from s4former.types import IGNORE, Batch, DrawKey, LabeledBatch, Segmenter, UnlabeledBatch

NUM_CLASSES = 5
SIZE = 32
METHODS = method_names()

# Settings under which every part of a method is at work within three steps.
AWAKE: dict[str, Any] = {
    "confidence_threshold": 0.22,
    "shuffle_block": 1,
    "ema_decay": 0.9,
    "cutmix_probability": 0.5,
}


def awake(name: str, **changes: Any) -> MethodConfig:
    config = config_class(name)
    settings = {field: value for field, value in AWAKE.items() if field in config.model_fields}
    return config(**(settings | changes))


def tiny_student(seed: int = 0) -> Segmenter:
    """Two blocks, and a classifier large enough to be sure of some pixels and unsure of others."""
    segmenter = build_segmenter(
        ModelConfig(
            backbone="vit",
            custom=CustomViT(embed_dim=16, depth=2, num_heads=2, patch_size=4, image_size=(SIZE, SIZE)),
            taps=(1,),
            head="setr_pup",
            head_channels=8,
            head_convs=2,
            auxiliary_taps=(0,),
        ),
        NUM_CLASSES,
        seed,
    )
    with torch.no_grad():
        for name, parameter in segmenter.named_parameters():
            if name.startswith("head.") and parameter.shape[0] == NUM_CLASSES:
                parameter.mul_(100)
    return segmenter


def random_batch(step: int, count: int = 4, size: int = SIZE) -> Batch:
    generator = torch.Generator().manual_seed(100 + step)
    images = torch.rand(3, count, 3, size, size, generator=generator)
    labels = torch.randint(0, NUM_CLASSES, (count, size, size), generator=generator)
    labels[:, :2] = IGNORE
    valid = torch.ones(count, size, size, dtype=torch.bool)
    valid[:, :, -3:] = False
    weak = images[1]
    strong = (weak + 0.1 * images[2]).clamp(0, 1)
    return Batch(
        labeled=LabeledBatch(images[0], labels, torch.ones_like(valid)),
        unlabeled=UnlabeledBatch(weak=weak, strong=(strong,), valid=valid),
        key=DrawKey(seed=3, step=step),
    )


def train_steps(method: Method, batches: list[Batch]) -> list[Tensor]:
    """Run plain steps; return losses and, last, a fingerprint of all weights of the scored networks."""
    optimizer = torch.optim.SGD([p for p in method.parameters() if p.requires_grad], lr=0.05)
    method.train()
    losses = []
    for step, batch in enumerate(batches):
        output = method(batch)
        optimizer.zero_grad()
        output.loss.backward()
        optimizer.step()
        method.after_update(step)
        losses.append(output.loss.detach())
    weights = [
        p.double().sum() + p.double().square().sum()
        for net in method.scored.values()
        for p in net.parameters()
    ]
    return [*losses, torch.stack(weights)]


def run(config: MethodConfig, batches: list[Batch] | None = None, seed: int = 0) -> list[Tensor]:
    return train_steps(config.build(tiny_student(seed)), batches or [random_batch(step) for step in range(3)])


def equal(one: list[Tensor], other: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def another_value(config: MethodConfig, field: str) -> Any:
    """A legal value of ``field`` that differs from today's."""
    value, annotation = getattr(config, field), type(config).model_fields[field].annotation
    if isinstance(value, bool):
        candidates: list[Any] = [not value]
    elif typing.get_origin(annotation) is typing.Literal:
        candidates = [choice for choice in typing.get_args(annotation) if choice != value]
    elif isinstance(value, int):
        candidates = [value * 2 or 3, value + 1]
    else:
        candidates = [0.9 if value < 0.9 else 0.25, value * 2, value / 2]
    for candidate in candidates:
        try:
            config.__class__.model_validate(config.model_dump() | {field: candidate})
        except pydantic.ValidationError:
            continue
        return candidate
    raise AssertionError(f"found no other legal value for {field}={value!r}")


def knobs() -> list[tuple[str, str]]:
    return [(name, field) for name in METHODS for field in config_class(name).model_fields if field != "name"]


@pytest.mark.parametrize(("name", "field"), knobs())
def test_every_knob_turns(name: str, field: str) -> None:
    config = awake(name)
    changed = awake(name, **{field: another_value(config, field)})
    assert not equal(run(config), run(changed)), f"{name}.{field} = {getattr(changed, field)} changes nothing"


@pytest.mark.parametrize("name", METHODS)
def test_unlabeled_images_teach(name: str) -> None:
    def blanked(step: int) -> Batch:
        batch = random_batch(step)
        assert batch.unlabeled is not None
        blank = torch.zeros_like(batch.unlabeled.weak)
        return Batch(batch.labeled, UnlabeledBatch(blank, (blank,), batch.unlabeled.valid), batch.key)

    same = equal(run(awake(name)), run(awake(name), [blanked(step) for step in range(3)]))
    assert same == (not config_class(name)().build(tiny_student()).views.any)


@pytest.mark.parametrize("name", METHODS)
def test_the_teacher_gets_no_gradient_and_stays_in_eval(name: str) -> None:
    method = awake(name).build(tiny_student())
    method.train()
    method(random_batch(0)).loss.backward()
    assert method.student.training
    for network, part in method.scored.items():
        if network == "student":
            continue
        assert not any(module.training for module in part.modules())
        assert all(p.grad is None and not p.requires_grad for p in part.parameters())


@pytest.mark.parametrize("name", METHODS)
def test_a_teacher_starts_as_an_exact_copy(name: str) -> None:
    method = awake(name).build(tiny_student())
    student = method.student.state_dict()
    for part in method.scored.values():
        assert all(torch.equal(value, student[key]) for key, value in part.state_dict().items())


@pytest.mark.parametrize("name", METHODS)
def test_same_seed_same_losses(name: str) -> None:
    assert equal(run(awake(name)), run(awake(name)))


@pytest.mark.parametrize("name", METHODS)
def test_resume_is_exact(name: str) -> None:
    batches = [random_batch(step) for step in range(2)]
    first = awake(name).build(tiny_student())
    train_steps(first, batches)
    other = awake(name).build(tiny_student(seed=7))
    other.load_state_dict(first.state_dict())
    first.train()
    other.train()
    following = random_batch(2)
    assert torch.equal(first(following).loss, other(following).loss)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("threshold", [0.0, 0.4, 1.0])
def test_ignored_labels_and_an_empty_confident_set_are_finite(name: str, threshold: float) -> None:
    settings = (
        {"confidence_threshold": threshold}
        if "confidence_threshold" in config_class(name).model_fields
        else {}
    )
    for divisor in ("all", "valid"):
        divisors = {
            field: divisor
            for field in ("labeled_divisor", "unlabeled_divisor")
            if field in config_class(name).model_fields
        }
        method = awake(name, **settings, **divisors).build(tiny_student())
        batch = random_batch(0)
        ignored = LabeledBatch(
            batch.labeled.images, torch.full_like(batch.labeled.labels, IGNORE), batch.labeled.valid
        )
        method.train()
        loss = method(Batch(ignored, batch.unlabeled, batch.key)).loss
        loss.backward()
        assert torch.isfinite(loss)
        assert all(torch.isfinite(p.grad).all() for p in method.parameters() if p.grad is not None)


@pytest.mark.parametrize("name", METHODS)
def test_a_batch_without_unlabeled_images_is_supervised(name: str) -> None:
    batch = random_batch(0)
    alone = Batch(batch.labeled, None, batch.key)
    supervised = config_class("supervised")().build(tiny_student())
    method = awake(name).build(tiny_student())
    method.train()
    supervised.train()
    assert torch.equal(method(alone).loss, supervised(alone).loss)


@pytest.mark.parametrize(
    "name", [name for name in METHODS if "unlabeled_start_step" in config_class(name).model_fields]
)
def test_before_their_start_unlabeled_images_change_nothing(name: str) -> None:
    """Nor do they cost a pass: the steps are supervised ones, class weights included."""
    config = awake(name, unlabeled_start_step=2, class_balance=0.5)
    supervised = config_class("supervised")(class_balance=0.5)
    early, late = run(config), run(supervised)
    assert equal(early[:2], late[:2])
    assert not torch.equal(early[2], late[2])
    assert config.least_steps == 3
