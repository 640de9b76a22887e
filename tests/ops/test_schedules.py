"""Schedules at their ends; the released rates are in ``tests/golden/test_schedule.py``."""

from __future__ import annotations

import pytest

from s4former.ops import poly, ramp


def test_poly_goes_from_base_to_floor_and_stays():
    assert poly(0, 10, 1.0, 0.1) == pytest.approx(1.0)
    assert poly(5, 10, 1.0, 0.0, power=1.0) == pytest.approx(0.5)
    assert poly(10, 10, 1.0, 0.1) == poly(11, 10, 1.0, 0.1) == 0.1


def test_poly_of_no_steps_is_refused():
    with pytest.raises(ValueError, match="at least 1 step, got 0"):
        poly(0, 0, 1.0, 0.1)


def test_ramp_rises_evenly_to_one():
    assert [ramp(step, 4) for step in (0, 1, 2, 4, 9)] == [0, 0.25, 0.5, 1, 1]
    assert ramp(0, 0) == 1
