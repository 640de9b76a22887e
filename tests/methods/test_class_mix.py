"""Classes of labeled images, pasted onto strong views with their labels."""

from __future__ import annotations

from dataclasses import replace

import torch

from s4former.methods.parts import (
    ClassMix,
    ClassMixConfig,
    Diagnosis,
    Perturbations,
    View,
    diagnosing,
    perturbed,
)
from s4former.testing import NUM_CLASSES, SIZE, tiny_student
from s4former.types import IGNORE, DrawKey, LabeledBatch

CLASSES = 6


def labeled(count: int = 2, size: int = 8) -> LabeledBatch:
    """Images of ones, which show classes 1 to 4 in quarters, and a row that nobody knows."""
    labels = torch.ones(count, size, size, dtype=torch.uint8)
    labels[:, :, size // 2 :] += 1
    labels[:, size // 2 :] += 2
    labels[:, 0] = IGNORE
    return LabeledBatch(torch.ones(count, 3, size, size), labels, torch.ones(count, size, size) > 0)


def view(count: int = 3, size: int = 8, step: int = 0) -> View:
    """Black images that a network calls 0 where it is sure, and is unsure of elsewhere."""
    uncertain = torch.zeros(count, size, size, dtype=torch.bool)
    uncertain[:, :, ::2] = True
    labels = torch.zeros(count, size, size, dtype=torch.int64).masked_fill(uncertain, IGNORE)
    key = DrawKey(seed=5, step=step)
    images = torch.zeros(count, 3, size, size)
    return View(images, labels, uncertain, None, labels.numel(), torch.arange(count), key, count)


def test_half_of_the_classes_come_with_their_pixels_and_labels() -> None:
    known = labeled()
    found = ClassMix(ClassMixConfig(class_mix_probability=1), "labeled", CLASSES)(view(), known)
    assert found.pasted is not None
    for index in range(3):
        pasted, source = found.pasted[index], known.labels[index % 2]
        classes = source[pasted].unique().tolist()
        assert len(classes) == 2
        assert IGNORE not in classes
        assert pasted.equal(torch.isin(source, torch.tensor(classes)))
        assert found.labels[index][pasted].equal(source[pasted].long())
        assert (found.images[index] == pasted).all()
    assert not (found.uncertain & found.pasted).any()
    assert int(found.pixels) == int((found.labels != IGNORE).sum())


def test_what_is_not_pasted_stays() -> None:
    before = view()
    found = ClassMix(ClassMixConfig(class_mix_probability=1), "all", CLASSES)(before, labeled())
    assert found.pasted is not None
    assert found.labels[~found.pasted].equal(before.labels[~found.pasted])
    assert found.uncertain[~found.pasted].equal(before.uncertain[~found.pasted])
    assert found.pseudo_labels.equal(before.labels.masked_fill(found.pasted, IGNORE))


def test_images_take_part_by_chance_and_draws_have_names() -> None:
    mix = ClassMix(ClassMixConfig(class_mix_probability=0.5), "all", CLASSES)
    chosen = [mix(view(40, step=step), labeled()).pasted for step in (0, 0, 1)]
    first, again, other = (pasted for pasted in chosen if pasted is not None)
    assert first.equal(again)
    assert not first.equal(other)
    assert 8 < first.flatten(1).any(1).sum() < 32


def test_nothing_known_nothing_pasted() -> None:
    known = labeled()
    unknown = LabeledBatch(known.images, torch.full_like(known.labels, IGNORE), known.valid)
    found = ClassMix(ClassMixConfig(class_mix_probability=1), "all", CLASSES)(view(), unknown)
    assert found.pasted is not None
    assert not found.pasted.any()
    assert found.labels.equal(view().labels)


def test_pasted_labels_are_no_pseudo_labels_to_the_diagnosis() -> None:
    mix = ClassMix(ClassMixConfig(class_mix_probability=1), "all", NUM_CLASSES)
    found = mix(view(2, SIZE), labeled(2, SIZE))
    counted = Diagnosis(NUM_CLASSES, torch.device("cpu"))
    with diagnosing(counted):
        perturbed(tiny_student(), found, Perturbations())
    learned = counted.counts[5]
    assert learned[0] == (found.pseudo_labels == 0).sum() > 0
    assert not learned[1:].any()


def test_a_part_of_both_batches_holds_the_partners_of_its_images() -> None:
    part, known = ClassMix(ClassMixConfig(class_mix_probability=1), "all", CLASSES), labeled()
    known.images[1] += 1
    whole = part(view(4), known)
    for number in range(2):
        mine, own = slice(2 * number, 2 * number + 2), slice(number, number + 1)
        half = replace(view(2), indices=torch.arange(4)[mine])
        found = part(half, LabeledBatch(known.images[own], known.labels[own], known.valid[own]))
        assert found.images.equal(whole.images[mine])
