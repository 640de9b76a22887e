"""A tiny network, random batches, and plain training steps: what the laws of methods are tried on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from s4former import collectives
from s4former.methods import METHODS, Method, MethodConfig
from s4former.models import ModelConfig, build_segmenter
from s4former.types import IGNORE, Batch, DrawKey, LabeledBatch, Segmenter, StepOutput, UnlabeledBatch

NUM_CLASSES = 5
SIZE = 32

AWAKE: Mapping[str, Any] = {
    "confidence_threshold": 0.35,
    "class_share": 0.5,
    "shuffle_block": 1,
    "ema_decay": 0.9,
    "cutmix_probability": 0.5,
    "class_mix_probability": 0.5,
    "patch_shuffle": True,
    "pasa": True,
    "ncr": True,
    "perturb": ("channel_dropout",),
}
"""Settings under which the parts of this package are at work within three steps."""


def awake(name: str, **changes: Any) -> MethodConfig:
    """Return the config of a method with every part at work; ``changes`` come last."""
    config = METHODS.config_class(name)
    settings = {field: value for field, value in AWAKE.items() if field in config.model_fields}
    return config(**(settings | changes))


def tiny_student(seed: int = 0) -> Segmenter:
    """Two blocks, and a classifier large enough to be sure of some pixels and unsure of others."""
    pup = {"name": "setr_pup", "channels": 8, "num_convs": 2}
    return _tiny(seed, head=pup, auxiliary_heads=[pup | {"out_indices": [0], "scale": 4}])


def tiny_student_without_batch_norm(seed: int = 0) -> Segmenter:
    """The same without batch norms, which see what they are given at once."""
    return _tiny(seed, head="linear")


def _tiny(seed: int, **heads: Any) -> Segmenter:
    sizes = {"name": "vit", "embed_dim": 16, "depth": 2, "num_heads": 2, "patch_size": 4}
    config = ModelConfig(backbone=sizes | {"image_size": [SIZE, SIZE]}, **heads)
    return confident(build_segmenter(config, NUM_CLASSES, seed))


def confident(student: Segmenter) -> Segmenter:
    """Enlarge the classifier of a student's head, in place."""
    with torch.no_grad():
        for name, parameter in student.named_parameters():
            if name.startswith("head.") and parameter.shape[0] == student.num_classes:
                parameter.mul_(100)
    return student


def random_batch(step: int, count: int = 4, size: int = SIZE) -> Batch:
    """Return a batch of noise with two strong views, unknown labels and padding."""
    generator = torch.Generator().manual_seed(100 + step)
    images = torch.rand(4, count, 3, size, size, generator=generator)
    labels = torch.randint(0, NUM_CLASSES, (count, size, size), generator=generator, dtype=torch.uint8)
    labels[:, :2] = IGNORE
    valid = torch.ones(count, size, size, dtype=torch.bool)
    valid[:, :, -3:] = False
    weak = images[1]
    strong = tuple((weak + 0.1 * images[number]).clamp(0, 1) for number in (2, 3))
    return Batch(
        labeled=LabeledBatch(images[0], labels, torch.ones_like(valid)),
        unlabeled=UnlabeledBatch(weak=weak, strong=strong, valid=valid),
        key=DrawKey(seed=3, step=step),
    )


def learn(method: Method, batch: Batch, parts: int = 1) -> StepOutput:
    """Return the loss of a batch that is learned in so many parts; gradients are added up."""
    targets = method.prepare(batch)
    loss, scalars = torch.zeros(()), dict[str, Tensor](targets.scalars)
    for index in range(parts):
        with collectives.learning_part(index, parts):
            out = method(batch.part(index, parts), targets.part(index, parts))
        out.loss.backward()
        loss = loss + out.loss.detach()
        for name, value in out.scalars.items():
            scalars[name] = scalars.get(name, torch.zeros(())) + value
    return StepOutput(loss, scalars)


def train_steps(method: Method, batches: Sequence[Batch], parts: int = 1) -> list[Tensor]:
    """Run plain steps; return losses and, last, a fingerprint of all weights of the method's networks."""
    groups = method.parameter_groups()
    optimizer = torch.optim.SGD([p for group in groups.values() for p in group], lr=0.05)
    method.train()
    losses = []
    for step, batch in enumerate(batches):
        optimizer.zero_grad()
        losses.append(learn(method, batch, parts).loss)
        optimizer.step()
        method.after_update(step)
    weights = [
        p.double().sum() + p.double().square().sum()
        for network in method.networks.values()
        for p in network.parameters()
    ]
    return [*losses, torch.stack(weights).detach()]
