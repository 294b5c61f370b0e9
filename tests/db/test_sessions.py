"""Sessions of the exchange: a day is not an instant."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from sqlalchemy import text

from nexus.db.engine import Database
from nexus.db.sessions import ensure_sessions, read_sessions
from nexus.errors import InputError


def test_days_and_instants_of_new_york(database: Database) -> None:
    sessions = ensure_sessions(database, "XNYS", date(2020, 12, 31))
    days = sessions.days.tolist()
    assert days[0] == date(1962, 1, 2) and days[-1] == date(2020, 12, 31)
    assert np.all(np.diff(sessions.days) > np.timedelta64(0))
    assert date(2020, 11, 26) not in days  # Thanksgiving
    summer, early = days.index(date(2020, 7, 1)), days.index(date(2020, 11, 27))
    assert sessions.opens_at[summer] == np.datetime64("2020-07-01T13:30:00")
    assert sessions.closes_at[summer] == np.datetime64("2020-07-01T20:00:00")
    assert sessions.closes_at[early] == np.datetime64("2020-11-27T18:00:00")


def test_later_days_are_added_and_earlier_ones_stay(database: Database) -> None:
    before = ensure_sessions(database, "XNYS", date(2020, 12, 31))
    after = ensure_sessions(database, "XNYS", date(2021, 1, 31))
    assert after.days[: len(before.days)].tolist() == before.days.tolist()
    assert after.days[-1] == np.datetime64("2021-01-29")
    again = ensure_sessions(database, "XNYS", date(2020, 6, 30))
    assert again.days.tolist() == after.days.tolist()
    with database.read() as connection:
        stored = connection.scalar(text("SELECT count(*) FROM sessions WHERE calendar = 'XNYS'"))
    assert stored == len(after.days)


def test_a_calendar_that_is_not_filled_is_empty(database: Database) -> None:
    assert len(read_sessions(database, "XLON").days) == 0


def test_an_unknown_calendar_says_so(database: Database) -> None:
    with pytest.raises(InputError, match="calendar MARS: unknown"):
        ensure_sessions(database, "MARS", date(2020, 1, 1))
