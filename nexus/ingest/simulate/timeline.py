"""The sessions of a simulated market: New York's, so that closes and month-ends fall where a user expects them."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any

import exchange_calendars
import numpy as np

from nexus.maths.types import Dates, Ints

SPARE = 15
"""Sessions asked of the calendar beyond the last: they tell whether the last calendar month is complete."""


@dataclass(frozen=True)
class Timeline:
    """Sessions and the rebalance dates among them.

    dates : (n_sessions,) datetime64[D]
    closes : (n_sessions,) datetime64[s], UTC
    months : (n_months,) index of the last session of each complete calendar month
    """

    dates: Dates
    closes: Dates
    months: Ints

    def __len__(self) -> int:
        return len(self.dates)

    def acting(self) -> Ints:
        """Which month's scores act on each session: (n_sessions,), -1 before the first do.

        A score known at the close of t is entered at the close of t + 1, so it acts from t + 2 to the session after the
        next month-end: a calendar-time return is then the return of one month's scores and of no other's.
        """
        return np.searchsorted(self.months, np.arange(len(self)) - 2, side="right") - 1


@lru_cache(maxsize=8)
def timeline(start: date, sessions: int) -> Timeline:
    """Return the first `sessions` sessions of the New York Stock Exchange from `start` on."""
    enough = np.datetime64(start) + int((sessions + SPARE) * 1.5) + SPARE
    with warnings.catch_warnings():  # the library uses what pandas deprecates
        warnings.simplefilter("ignore", DeprecationWarning)
        calendar: Any = exchange_calendars.get_calendar("XNYS", start=str(start), end=str(enough))
    dates = calendar.sessions.to_numpy().astype("datetime64[D]")
    closes = calendar.closes.dt.tz_convert(None).to_numpy().astype("datetime64[s]")
    month = dates.astype("datetime64[M]")
    last_of_month = np.flatnonzero(month[1:] != month[:-1])
    return Timeline(dates[:sessions], closes[:sessions], last_of_month[last_of_month < sessions])
