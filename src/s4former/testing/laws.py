"""Laws that every training method obeys; each takes the name of a method and fails with a sentence."""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pydantic
import torch
from torch import Tensor

from s4former.config.base import Config
from s4former.methods import Method, MethodConfig
from s4former.testing.subjects import (
    awake,
    learn,
    random_batch,
    tiny_student,
    tiny_student_without_batch_norm,
    train_steps,
)
from s4former.types import IGNORE, Batch, LabeledBatch, Segmenter, UnlabeledBatch

STEPS = 3
TURNS_WITH: Mapping[str, Mapping[str, Any]] = {
    "cutmix_partner": {"cutmix_probability": 1.0},
    "teacher_starts": {"unlabeled_start_step": 1},
}
"""Fields of parts of this package that are at work beside other settings than the usual ones."""


@dataclass(frozen=True)
class Subject:
    """A method, and the settings under which all of its parts are at work within three steps.

    Attributes:
        name: The method: its name, or the import path of its file.
        settings: Fields of its config.
        student: Builds a network from a seed.
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    student: Callable[[int], Segmenter] = tiny_student

    def config(self, **changes: Any) -> MethodConfig:
        """Return its config."""
        return awake(self.name, **{**self.settings, **changes})

    def build(self, seed: int = 0, **changes: Any) -> Method:
        """Return the method around its student."""
        return self.config(**changes).build(self.student(seed)).train()

    def run(self, steps: int = STEPS, /, **changes: Any) -> list[Tensor]:
        """Train for some steps; return losses and a fingerprint of the weights."""
        return train_steps(self.build(**changes), batches()[:steps])


def check_method(name: str, **settings: Any) -> None:
    """Check that a method obeys all laws.

    Args:
        name: The method: the name of its file in ``methods/``, or the import path of a file of your own.
        settings: Fields of its config under which all of its parts are at work within three steps.

    Raises:
        AssertionError: With the law that it breaks.
    """
    for law in LAWS:
        law(Subject(name, settings))


def every_knob_turns(subject: Subject) -> None:
    """Changing any field of the config changes a loss or a weight within three steps."""
    config, known = subject.config(), dict[str, list[Tensor]]()

    def differs(steps: int, beside: Mapping[str, Any], changes: Mapping[str, Any]) -> bool:
        key = f"{steps} {beside}"
        known[key] = known[key] if key in known else subject.run(steps, **beside)
        return not equal(known[key], subject.run(steps, **{**beside, **changes}))

    for name in type(config).model_fields:
        if name == "name" or isinstance(getattr(config, name), Config):
            continue  # views are turned by the loader of images
        value = another_value(config, name)
        beside = TURNS_WITH.get(name, {})
        # Most knobs show in the first step.
        shows = differs(1, beside, {name: value}) or differs(STEPS, beside, {name: value})
        assert shows, f"{subject.name}.{name}={value!r} changes nothing"


def unlabeled_images_teach(subject: Subject) -> None:
    """Blanking unlabeled images changes what is learned, if the method looks at any."""

    def blanked(batch: Batch) -> Batch:
        assert batch.unlabeled is not None
        blank = torch.zeros_like(batch.unlabeled.weak)
        strong = tuple(blank for _ in batch.unlabeled.strong)
        return replace(batch, unlabeled=UnlabeledBatch(blank, strong, batch.unlabeled.valid))

    same = equal(subject.run(), train_steps(subject.build(), [blanked(batch) for batch in batches()]))
    looks = subject.config().views.unlabeled
    assert same != looks, f"{subject.name} {'does not learn' if looks else 'learns'} from unlabeled images"


def teachers_stand_still_and_the_rest_learns(subject: Subject) -> None:
    """Networks without a trainable parameter stay in eval; all other parameters learn."""
    method = subject.build()
    grouped = [id(p) for group in method.parameter_groups().values() for p in group]
    trainable = {id(p): name for name, p in method.named_parameters() if p.requires_grad}
    assert len(grouped) == len(set(grouped)), f"{subject.name}: a parameter is in two groups"
    assert set(grouped) == set(trainable), f"{subject.name}: not every trainable parameter is in a group"
    for batch in batches():
        learn(method, batch)
    for name, parameter in method.named_parameters():
        learns = parameter.grad is not None
        assert learns == parameter.requires_grad, f"{subject.name}: {name} learns: {learns}"
    assert method.student.training
    assert method.deployed in method.networks, f"{subject.name}: there is no network {method.deployed!r}"
    for name, network in method.networks.items():
        if not any(p.requires_grad for p in network.parameters()):
            assert not any(part.training for part in network.modules()), f"{subject.name}: {name} trains"


def same_seed_same_losses(subject: Subject) -> None:
    """Two runs with the same seed are equal to the bit."""
    assert equal(subject.run(), subject.run()), f"{subject.name}: two runs of one seed differ"


def resume_is_exact(subject: Subject) -> None:
    """A state dict holds all that the next step depends on."""
    first, other = subject.build(), subject.build(seed=7)
    train_steps(first, batches()[:2])
    other.load_state_dict(first.state_dict())
    following = random_batch(2)
    assert torch.equal(learn(first, following).loss, learn(other, following).loss), (
        f"{subject.name}: its state dict does not hold all of its state"
    )


def losses_are_finite(subject: Subject) -> None:
    """Labels that are all unknown, and thresholds that leave all or no pixel, give finite losses."""
    batch = random_batch(0)
    unknown = torch.full_like(batch.labeled.labels, IGNORE)
    batch = replace(batch, labeled=LabeledBatch(batch.labeled.images, unknown, batch.labeled.valid))
    fields = type(subject.config()).model_fields
    for threshold in (0.0, 0.4, 1.0):
        for normalize_by in ("all", "labeled", "unpadded"):
            settings: dict[str, Any] = {
                "confidence_threshold": threshold,
                "labeled_normalize_by": "all" if normalize_by == "all" else "labeled",
                "unlabeled_normalize_by": normalize_by,
            }
            method = subject.build(**{key: value for key, value in settings.items() if key in fields})
            loss = learn(method, batch).loss
            gradients = [p.grad for p in method.parameters() if p.grad is not None]
            finite = torch.isfinite(loss) and all(bool(g.isfinite().all()) for g in gradients)
            assert finite, f"{subject.name}: a loss or gradient is not finite with {settings}"


def without_unlabeled_images_it_is_supervised(subject: Subject) -> None:
    """Steps in which no unlabeled image takes part have a loss proportional to supervised learning's."""
    config = subject.config()
    shared = {name: getattr(config, name) for name in ("class_balance", "auxiliary_weight")}
    ratios = []
    for step in range(2):
        alone = replace(random_batch(step), unlabeled=None)
        supervised = learn(Subject("supervised").build(**shared), alone).loss
        ratios.append(learn(subject.build(), alone).loss / supervised)
    torch.testing.assert_close(ratios[0], ratios[1], msg=lambda m: f"{subject.name}: {m}")


def accumulation_equals_a_whole_batch(subject: Subject) -> None:
    """A batch learned in parts gives the losses and weights of the whole, on a network without batch norm."""
    whole, parts = (
        train_steps(subject.config().build(tiny_student_without_batch_norm()), batches(), parts=count)
        for count in (1, 2)
    )
    for one, other in zip(whole, parts, strict=True):
        torch.testing.assert_close(one, other, rtol=2e-5, atol=1e-5, msg=lambda m: f"{subject.name}: {m}")


LAWS: tuple[Callable[[Subject], None], ...] = (
    every_knob_turns,
    unlabeled_images_teach,
    teachers_stand_still_and_the_rest_learns,
    same_seed_same_losses,
    resume_is_exact,
    losses_are_finite,
    without_unlabeled_images_it_is_supervised,
    accumulation_equals_a_whole_batch,
)
"""All laws. What needs data on disk or several processes is tested by this package's own tests."""


def batches() -> list[Batch]:
    """Return the batches of the steps that laws look at."""
    return [random_batch(step) for step in range(STEPS)]


def equal(one: list[Tensor], other: list[Tensor]) -> bool:
    """Return whether two lists of tensors are the same, to the bit."""
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def another_value(config: MethodConfig, name: str) -> Any:
    """Return a legal value of a field that differs from today's."""
    value, annotation = getattr(config, name), type(config).model_fields[name].annotation
    if isinstance(value, bool):
        candidates: list[Any] = [not value]
    elif typing.get_origin(annotation) is typing.Literal:
        candidates = [choice for choice in typing.get_args(annotation) if choice != value]
    elif isinstance(value, tuple):
        candidates = [value[1:]]
    elif isinstance(value, int):
        candidates = [value * 2 or 3, value + 1]
    else:
        candidates = [0.9 if value < 0.9 else 0.25, value * 2, value / 2]
    for candidate in candidates:
        try:
            type(config).model_validate(config.model_dump() | {name: candidate})
        except pydantic.ValidationError:
            continue
        return candidate
    raise AssertionError(f"found no other legal value for {name}={value!r}")
