"""Which classes are suggested for masks that nobody has described."""

from __future__ import annotations

from collections import Counter

import pytest

from s4former.config.errors import DataError
from s4former.data.dataset_yaml.mask_survey import MaskSurvey, suggest_classes
from s4former.data.sources.classes import default_colors

VOC = dict(enumerate(default_colors(256)))


def survey(*values: object, palette: dict[int, tuple[int, int, int]] | None = None) -> MaskSurvey:
    return MaskSurvey(pixels=Counter(dict.fromkeys(values, 10)), palette=palette or {})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("found", "names", "values", "ignore"),
    [
        (survey(0, 255), "background foreground", [(0,), (255,)], ()),
        (survey(0, 1), "background foreground", [(0,), (1,)], ()),
        (survey(0, 7), "background foreground", [(0,), (7,)], ()),
        (survey(255), "background foreground", [(0,), (255,)], ()),
        (survey(0), "background foreground", [(0,), (1,)], ()),
        (survey(0, 1, 255), "background foreground", [(0,), (1,)], (255,)),
        (survey(1, 2), "class_1 class_2", [(1,), (2,)], ()),
        (survey(0, 1, 2), "class_0 class_1 class_2", [(0,), (1,), (2,)], ()),
        (survey(0, 1, 3, 255), "class_0 class_1 class_2 class_3", [(0,), (1,), (2,), (3,)], (255,)),
        (survey(1, 2, 3), "class_1 class_2 class_3", [(1,), (2,), (3,)], ()),
        (survey(0, 100, 200), "class_0 class_100 class_200", [(0,), (100,), (200,)], ()),
        (survey((0, 0, 0), (1, 2, 3)), "background class_1", [((0, 0, 0),), ((1, 2, 3),)], ()),
        (survey(0, (1, 2, 3)), "background class_1", [((0, 0, 0),), ((1, 2, 3),)], ()),
    ],
)
def test_suggestions(found: MaskSurvey, names: str, values: list[object], ignore: tuple[int, ...]) -> None:
    suggestion = suggest_classes(found)
    assert " ".join(entry.name for entry in suggestion.names) == names
    assert [entry.values for entry in suggestion.names] == values
    assert suggestion.ignore == ignore
    assert suggestion.said


def test_pascal_voc_is_known_by_its_palette_and_its_colors() -> None:
    suggestion = suggest_classes(survey(0, 3, 15, 255, palette=VOC))
    assert [entry.name for entry in suggestion.names][:2] == ["background", "aeroplane"]
    assert (len(suggestion.names), suggestion.ignore) == (21, (255,))
    suggestion = suggest_classes(survey((0, 0, 0), VOC[1], (224, 224, 192)))
    assert (len(suggestion.names), suggestion.ignore) == (2, ((224, 224, 192),))


def test_soft_edges_and_instances_are_no_classes() -> None:
    soft = survey(*range(0, 256, 5))
    soft.pixels |= Counter({0: 9000, 255: 5000})
    with pytest.raises(DataError, match="nearly all pixels 0 or 255 and the rest between them"):
        suggest_classes(soft)
    with pytest.raises(DataError, match=r"more than 255 different values.*instances"):
        suggest_classes(survey(*range(400)))
    with pytest.raises(DataError, match="more than 255 different colors"):
        suggest_classes(survey(*((level, 0, 1) for level in range(256))))


def test_150_classes_are_classes() -> None:
    assert len(suggest_classes(survey(*range(150))).names) == 150
