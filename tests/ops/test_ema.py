"""The averaged teacher: names, buffers, and the warm-up of its memory."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from s4former.ops import update_teacher, warmed_decay


def network():
    return nn.ModuleDict({"body": nn.Linear(3, 4), "norm": nn.BatchNorm1d(4)})


def moved(module):
    """Return a copy with other parameters and statistics."""
    other = copy.deepcopy(module)
    with torch.no_grad():
        for tensor in other.state_dict().values():
            tensor += 1 if tensor.dtype == torch.int64 else torch.randn_like(tensor)
    return other


def test_every_float_tensor_is_averaged_by_name():
    teacher = network()
    student = moved(teacher)
    student["auxiliary"] = nn.Linear(2, 2)
    before = copy.deepcopy(teacher.state_dict())
    update_teacher(teacher, student, 0.9)
    for name, value in teacher.state_dict().items():
        if name.endswith("num_batches_tracked"):
            assert torch.equal(value, before[name])
        else:
            torch.testing.assert_close(value, 0.9 * before[name] + 0.1 * student.state_dict()[name])
            assert not torch.equal(value, before[name])


def test_the_student_stays_and_the_ends_are_exact():
    teacher = network()
    student = moved(teacher)
    before, own = copy.deepcopy(student.state_dict()), copy.deepcopy(teacher.state_dict())
    update_teacher(teacher, student, 1.0)
    assert all(torch.equal(value, own[name]) for name, value in teacher.state_dict().items())
    update_teacher(teacher, student, 0.0)
    assert all(torch.equal(*pair) for pair in zip(teacher.parameters(), student.parameters(), strict=True))
    assert all(torch.equal(value, before[name]) for name, value in student.state_dict().items())


@pytest.mark.parametrize(
    "other", [nn.ModuleDict({"body": nn.Linear(3, 4)}), nn.ModuleDict({"norm": nn.BatchNorm1d(5)})]
)
def test_a_tensor_without_a_counterpart_is_named(other):
    teacher = nn.ModuleDict({"norm": nn.BatchNorm1d(4)})
    with pytest.raises(ValueError, match=r"4 tensors of the teacher.*'norm\.weight'"):
        update_teacher(teacher, other, 0.9)


def test_memory_grows_evenly_to_its_full_length():
    decays = [warmed_decay(0.99, step, 50) for step in (0, 25, 50, 80)]
    assert decays == pytest.approx([0, 1 - 1 / 50.5, 0.99, 0.99])
    assert warmed_decay(0.99, 7, 99) == pytest.approx(1 - 1 / 8)
    assert warmed_decay(0.99, 0, 0) == 0.99
    assert warmed_decay(1.0, 3, 10) == 1.0
