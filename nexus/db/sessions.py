"""The days of the exchange, and the instants at which they opened and closed."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sqlalchemy import text

from nexus.db.copy import copy
from nexus.db.engine import Database
from nexus.db.shape import INSTANT
from nexus.errors import InputError

START = date(1962, 1, 2)  # the first day of the usual daily price files


@dataclass(frozen=True)
class Sessions:
    """Sessions of one calendar in order, and when they opened and closed (UTC)."""

    days: NDArray[np.datetime64]
    opens_at: NDArray[np.datetime64]
    closes_at: NDArray[np.datetime64]


def ensure_sessions(database: Database, calendar: str, until: date) -> Sessions:
    """Fill in the sessions of `calendar` from 1962 to `until` that are missing; return all that are there.

    Raises
    ------
    InputError
        When there is no calendar of that name.
    """
    with database.read() as connection:
        last = connection.scalar(_LAST, {"calendar": calendar})
    if last is None or last < until:
        computed = _compute(calendar, until)
        with database.write() as connection:
            connection.execute(_COMPUTED)
            copy(connection, "computed", computed)
            connection.execute(_ADD, {"calendar": calendar})
    return read_sessions(database, calendar)


def read_sessions(database: Database, calendar: str) -> Sessions:
    """The sessions of `calendar` that are in the database."""
    with database.read() as connection:
        rows = connection.execute(_READ, {"calendar": calendar}).all()
    days, opens, closes = np.array([tuple(row) for row in rows], np.int64).reshape(-1, 3).T
    instants = (seconds.astype("datetime64[s]").astype("datetime64[us]") for seconds in (opens, closes))
    return Sessions(days.astype("datetime64[D]"), *instants)


def _compute(calendar: str, until: date) -> pa.Table:
    import exchange_calendars  # slow to import, and rarely wanted

    try:
        with warnings.catch_warnings():  # it uses what pandas deprecates
            warnings.simplefilter("ignore", DeprecationWarning)
            schedule = exchange_calendars.get_calendar(calendar, start=START, end=until).schedule
    except exchange_calendars.errors.InvalidCalendarName as error:
        raise InputError(f"calendar {calendar}: unknown; name one that exchange_calendars has, such as XNYS") from error
    return pa.table(
        {
            "session": pa.array(schedule.index.to_numpy().astype("datetime64[D]"), pa.date32()),
            "opens_at": pa.array(schedule["open"].dt.tz_convert(None).to_numpy()).cast(INSTANT),
            "closes_at": pa.array(schedule["close"].dt.tz_convert(None).to_numpy()).cast(INSTANT),
        }
    )


_LAST = text("SELECT max(session) FROM sessions WHERE calendar = :calendar")
_COMPUTED = text(
    "CREATE TEMP TABLE computed (session date, opens_at timestamptz, closes_at timestamptz) ON COMMIT DROP"
)
_ADD = text(
    "INSERT INTO sessions (calendar, session, opens_at, closes_at) "
    "SELECT :calendar, session, opens_at, closes_at FROM computed ORDER BY session "
    "ON CONFLICT (calendar, session) DO NOTHING"
)
_READ = text(
    "SELECT session - date '1970-01-01', extract(epoch FROM opens_at)::bigint, extract(epoch FROM closes_at)::bigint "
    "FROM sessions WHERE calendar = :calendar ORDER BY session"
)
