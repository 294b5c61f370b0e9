"""What is due, what decides, and what can still be traded on."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from nexus.db.sessions import Sessions
from nexus.paper.schedule import Schedule

DAYS = np.arange("2020-01-01", "2020-12-31", dtype="datetime64[D]")
DAYS = DAYS[np.is_busday(DAYS)]
HOUR = np.timedelta64(1, "h")


def at(instant: str) -> Schedule:
    midnight = DAYS.astype("datetime64[us]")
    return Schedule(Sessions(DAYS, midnight + 14 * HOUR, midnight + 21 * HOUR), np.datetime64(instant, "us"))


def test_a_session_is_due_once_it_has_closed() -> None:
    first = date(2020, 6, 1)
    assert at("2020-06-03T20:59").due(None, first) == [first, date(2020, 6, 2)]
    assert at("2020-06-03T21:00").due(date(2020, 6, 1), first) == [date(2020, 6, 2), date(2020, 6, 3)]
    assert at("2020-06-07T12:00").due(date(2020, 6, 5), first) == []
    assert at("2020-05-29T22:00").due(None, first) == []


@pytest.mark.parametrize(
    ("instant", "session"),
    [
        ("2020-06-03T13:59", date(2020, 6, 2)),
        ("2020-06-03T14:00", date(2020, 6, 3)),  # yesterday's close could be traded on at an open that has passed
        ("2020-06-03T22:00", date(2020, 6, 3)),
        ("2020-06-07T12:00", date(2020, 6, 5)),
    ],
)
def test_an_account_begins_with_a_close_that_can_still_be_traded_on(instant: str, session: date) -> None:
    assert at(instant).opening() == session


@pytest.mark.parametrize(
    ("rule", "days"),
    [
        ("monthly", [date(2020, 6, 30), date(2020, 7, 31)]),
        ("quarterly", [date(2020, 6, 30)]),
        ("weekly", [date(2020, 6, 26), *(date(2020, 7, day) for day in (3, 10, 17, 24, 31))]),
    ],
)
def test_a_period_ends_with_its_last_session(rule: str, days: list[date]) -> None:
    now = at("2020-07-31T22:00")
    spell = DAYS[slice(*np.searchsorted(DAYS, np.array(["2020-06-22", "2020-08-01"], "datetime64[D]")))].tolist()
    assert [day for day in spell if now.decides(rule, day)] == days  # type: ignore[arg-type]


def test_neighbours() -> None:
    now = at("2020-06-08T09:00")
    assert now.before(date(2020, 6, 8), 2) == [date(2020, 6, 4), date(2020, 6, 5)]
    assert now.reopens(date(2020, 6, 5)) == np.datetime64("2020-06-08T14:00", "us")
    assert now.hours_since(date(2020, 6, 5)) == 60
    assert now.is_session(date(2020, 6, 5)) and not now.is_session(date(2020, 6, 6))
