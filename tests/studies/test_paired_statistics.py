"""Intervals against numbers worked out by hand and printed in tables."""

from __future__ import annotations

import pytest

from s4former.studies.scores import summarize, t_cdf, t_quantile

TABLE = {1: 12.7062, 2: 4.3027, 3: 3.1824, 4: 2.7764, 5: 2.5706, 8: 2.3060, 11: 2.2010, 30: 2.0423}
"""Student's t at 97.5 %, as printed in any textbook."""


@pytest.mark.parametrize(("degrees", "expected"), TABLE.items())
def test_quantiles_are_those_of_the_table(degrees: int, expected: float) -> None:
    assert t_quantile(0.975, degrees) == pytest.approx(expected, abs=1e-4)
    assert t_cdf(0.0, degrees) == 0.5
    assert t_cdf(-expected, degrees) == pytest.approx(0.025, abs=1e-5)


def test_interval_worked_out_by_hand() -> None:
    found = summarize([1.0, 2.0, 3.0])  # standard deviation 1, standard error 1 / sqrt(3)
    assert (found.count, found.mean, found.spread) == (3, 2.0, 1.0)
    assert found.low == pytest.approx(2 - 4.3027 / 3**0.5, abs=1e-4)
    assert found.high == pytest.approx(2 + 4.3027 / 3**0.5, abs=1e-4)


def test_a_single_number_has_no_interval() -> None:
    found = summarize([5.0])
    assert (found.mean, found.spread, found.low, found.high) == (5.0, None, None, None)
