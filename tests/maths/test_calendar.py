from __future__ import annotations

import numpy as np
import pytest

from nexus.maths.calendar import median_gap, month_ends, overlap

WEEKDAYS = np.array([d for d in np.arange("2024-01-01", "2024-07-01", dtype="datetime64[D]") if np.is_busday(d)])


def test_month_ends_are_last_sessions_of_months_that_are_over() -> None:
    expected = np.array(["2024-01-31", "2024-02-29", "2024-03-29"], "datetime64[D]")
    np.testing.assert_array_equal(month_ends(WEEKDAYS, np.datetime64("2024-03-29")), expected)
    np.testing.assert_array_equal(month_ends(WEEKDAYS, np.datetime64("2024-04-29")), expected)
    np.testing.assert_array_equal(month_ends(WEEKDAYS, np.datetime64("2024-03-28")), expected[:2])


def test_the_calendars_own_last_month_is_never_known_to_be_over() -> None:
    assert month_ends(WEEKDAYS, np.datetime64("2024-12-31"))[-1] == np.datetime64("2024-05-31")


def test_month_ends_of_a_data_set_that_ends_on_the_eighth() -> None:
    """The real pack's prices end on 2024-03-08: March does not count."""
    assert month_ends(WEEKDAYS, np.datetime64("2024-03-08"))[-1] == np.datetime64("2024-02-29")


def test_unsorted_sessions_are_refused() -> None:
    with pytest.raises(ValueError, match="2024-01-01 comes after 2024-01-02; sort by date"):
        month_ends(WEEKDAYS[[1, 0]], WEEKDAYS[-1])


def test_median_gap_counts_sessions() -> None:
    assert median_gap(WEEKDAYS, WEEKDAYS[::5]) == 5
    assert median_gap(WEEKDAYS, WEEKDAYS[[0, 10, 30, 52]]) == 20


def test_median_gap_refuses_what_is_not_a_session() -> None:
    with pytest.raises(ValueError, match="2024-01-06 is not a session"):
        median_gap(WEEKDAYS, np.array(["2024-01-05", "2024-01-06"], "datetime64[D]"))
    with pytest.raises(ValueError, match="at least 2"):
        median_gap(WEEKDAYS, WEEKDAYS[:1])


@pytest.mark.parametrize(("horizon", "months"), [(1, 1), (5, 1), (21, 1), (42, 2), (63, 3), (126, 6), (252, 12)])
def test_overlap_in_months(horizon: int, months: int) -> None:
    assert overlap(horizon) == months


def test_overlap_of_other_dates() -> None:
    assert overlap(21, 5) == 4
    assert overlap(21, 1) == 21
    with pytest.raises(ValueError, match="horizon 0"):
        overlap(0)
