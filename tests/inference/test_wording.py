"""What is said of a score, on every screen alike."""

from __future__ import annotations

from typing import Any

import pytest

from s4former.inference import EvaluateConfig, protocol_record
from s4former.inference.wording import all_remarks, caption, differences, interval, mean, remarks


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, "whole images, own size, scale 1, no flip, float32"),
        ({"short_side": 512, "flip": True}, "whole images, short side 512, scale 1, with flip, float32"),
        (
            {"mode": "slide", "crop_size": (32, 48), "stride": 21, "scales": (0.5, 1.0)},
            "windows of 32 x 48, stride 21 x 21, own size, scales 0.5, 1, no flip, float32",
        ),
    ],
)
def test_caption_names_all_that_a_score_depends_on(fields: dict[str, Any], expected: str) -> None:
    assert caption(protocol_record(EvaluateConfig(**fields).resolved((64, 64)), "float32")) == expected


def test_differences_name_the_field_and_both_values() -> None:
    one = protocol_record(EvaluateConfig(), "float32")
    two = protocol_record(EvaluateConfig(short_side=40, flip=True), "bfloat16")
    assert differences(one, one) == []
    assert differences(one, two) == [
        "evaluate.short_side=null (then: 40)",
        "evaluate.flip=false (then: true)",
        "precision=float32 (then: bfloat16)",
    ]


def test_a_mean_has_its_interval_and_the_mean_over_present_classes_beside_it() -> None:
    ends = {"low": {"miou": 0.5, "iou": {"a": None}}, "high": {"miou": 0.8, "iou": {"a": None}}}
    line = {"miou": 0.777, "miou_present": 0.874, "counted_absent": ["a"], "interval": ends}
    assert mean(line) == "77.70 [50.00 to 80.00] (over present classes 87.40)"
    assert mean({"miou": None}) == "-"
    assert interval(line, "iou", "a") == "-"
    assert interval({"miou": 0.5, "interval": None}) == ""


def test_a_remark_names_the_networks_that_it_is_not_true_of_all() -> None:
    student = {"network": "student", "remarks": ["few", "absent"]}
    teacher = {"network": "teacher", "remarks": ["few"]}
    assert all_remarks([student, teacher]) == ["few", "student: absent"]


@pytest.mark.parametrize(
    ("absent", "words"),
    [
        (["a"], "is in no val mask, but some pixels were taken for it"),
        (["a", "b"], "are in no val mask, but some pixels were taken for them"),
    ],
)
def test_one_absent_class_and_several(absent: list[str], words: str) -> None:
    line = {"part": "val", "images": 50, "counted_absent": absent, "miou_present": 0.5, "interval": None}
    assert words in remarks(line)[0]
