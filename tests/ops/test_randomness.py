"""Keyed draws: the same names give the same numbers, other names give others."""

from __future__ import annotations

import numpy as np
import pytest

from s4former.ops import keyed_generator


def test_a_draw_is_a_function_of_its_names():
    first = keyed_generator(7, "crop", 3, 5).random(8)
    keyed_generator(7, "crop", 3, 4).random(1000)
    np.testing.assert_array_equal(first, keyed_generator(7, "crop", 3, 5).random(8))


def test_numbers_are_the_same_in_every_version():
    # A change here breaks the exact resumption of runs that were started before it.
    assert keyed_generator(0, "crop", 1, 2).bit_generator.random_raw(2).tolist() == [
        6505511992755152834,
        5653527489236019422,
    ]


def test_any_other_name_gives_other_numbers():
    names = [
        (0, "a", 1, 2),
        (1, "a", 1, 2),
        (0, "b", 1, 2),
        (0, "a", 2, 1),
        (0, "a", 1, 3),
        (0, "a", 1, 2, 1),
    ]
    draws = {tuple(keyed_generator(*name).integers(0, 2**62, 4)) for name in names}
    assert len(draws) == len(names)


def test_long_draws_of_neighboring_counters_do_not_overlap():
    first, second = (keyed_generator(0, "crop", 1, index).integers(0, 2**62, 5000) for index in (0, 1))
    assert not set(first) & set(second)


@pytest.mark.parametrize("name", [(-1, "a"), (0, "a", -1), (0, "a", 1, 2, 3, 4)])
def test_names_out_of_range_are_refused(name):
    with pytest.raises(ValueError, match="up to three counters >= 0"):
        keyed_generator(*name)
