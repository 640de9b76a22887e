"""Which labeled images are held out: no class is lost, and each that can spare an image has one in val."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s4former.config import UserError
from s4former.curation.init import holding_out
from s4former.curation.init.holding_out import choose_val, classes_shown, fold, hold_out, share_count
from s4former.data import LabelMap

shown = st.lists(st.frozensets(st.integers(0, 4)), min_size=1, max_size=14).map(
    lambda each: {f"i/{number}": classes for number, classes in enumerate(each)}
)


def classes_of(ids: object, of: dict[str, frozenset[int]]) -> set[int]:
    return set().union(*(of[id] for id in ids))  # type: ignore[attr-defined]


@settings(max_examples=80, deadline=None)
@given(shown, st.integers(0, 5))
def test_no_class_is_taken_from_training(of: dict[str, frozenset[int]], count: int) -> None:
    ids = tuple(of)
    chosen = hold_out(ids, of, count, len(ids))
    assert classes_of(set(ids) - set(chosen), of) == classes_of(ids, of)
    assert hold_out(ids[::-1], of, count, len(ids)) == chosen


@settings(max_examples=80, deadline=None)
@given(shown, st.integers(2, 4))
def test_folds_share_no_image_and_lose_no_class(of: dict[str, frozenset[int]], count: int) -> None:
    found = fold(tuple(of), of, count)
    held_out = [id for each in found for id in each]
    assert len(held_out) == len(set(held_out))
    for each in found:
        assert classes_of(set(of) - set(each), of) == classes_of(of, of)
    alone = {
        id for id, own in of.items() if any(sum(index in its for its in of.values()) == 1 for index in own)
    }
    assert not alone & set(held_out)


def test_a_class_that_can_spare_an_image_has_one_in_val() -> None:
    of = {f"i/{number}": frozenset({0, 1 + number // 2}) for number in range(10)}  # each of 5 classes twice
    chosen = hold_out(tuple(of), of, 2, 10)
    assert classes_of(chosen, of) == set(range(6))
    assert len(chosen) == 5
    assert len(hold_out(tuple(of), of, 2, 3)) == 3


def test_few_images_are_said_and_folds_offered() -> None:
    said: list[str] = []
    of = {f"i/{number}": frozenset({0}) for number in range(12)}
    (chosen,) = choose_val(tuple(of), of, None, 0, said)
    assert len(chosen) == 3
    assert any("--folds 5" in text for text in said)
    assert choose_val(tuple(of)[:9], of, None, 0, said) == []
    assert "--folds 3" in said[-1]


@pytest.mark.parametrize("count", range(1, 12))
@pytest.mark.parametrize("rare", [False, True])
def test_folds_that_are_offered_can_be_had(count: int, rare: bool) -> None:
    of = {f"i/{number}": frozenset({0, number} if rare else {0}) for number in range(count)}
    said: list[str] = []
    choose_val(tuple(of), of, None, 0, said)
    offered = [int(found) for text in said for found in re.findall(r"--folds (\d+)", text)]
    assert bool(offered) == (count > 1 and not rare)
    for folds in offered:
        assert len(choose_val(tuple(of), of, None, folds, [])) == folds


def test_too_many_folds_say_how_many_can_be_had() -> None:
    of = {f"i/{number}": frozenset({0}) for number in range(2)}
    with pytest.raises(UserError, match="--folds 3: expected 2 for 2 labeled"):
        choose_val(tuple(of), of, None, 3, [])


class Labels(LabelMap):
    """Stands for a label map: the classes of an image by its mask's name."""

    def __init__(self, of: dict[str, frozenset[int]]) -> None:
        self.of, self.read_ = of, []

    def read(self, path: object) -> np.ndarray:
        self.read_.append(str(path))
        return np.array([255, *self.of[str(path)]])


@pytest.mark.parametrize("rare", [3, 40])
def test_of_many_images_no_class_is_lost_and_few_masks_are_read(
    rare: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holding_out, "MANY", 30)
    of = {f"i/{number}": frozenset({0, 1 + number % 5}) for number in range(60)}
    first = sorted(of, key=lambda id: holding_out._ranked([*of]).index(id))
    of[first[rare]] |= {9}  # the only one of its class: among those that come first, or not
    labels = Labels(of)
    shown = classes_shown({id: id for id in of}, labels, share_count(60, None), lambda *_: None)
    (chosen,) = choose_val(tuple(of), shown, None, 0, [])
    assert classes_of(set(of) - set(chosen), of) == classes_of(of, of)
    assert 9 <= len(chosen) <= 12
    assert len(labels.read_) == (60 if rare == 3 else len(shown))
    assert len(shown) < 30 or rare == 3
