"""Rebalance dates on an exchange calendar, and on how many of them a holding window is open."""

from __future__ import annotations

import numpy as np

from nexus.maths.types import Dates

MONTH = 21.0
"""Sessions in a month, by convention."""
YEAR = 252
"""Sessions in a year, by convention."""


def increasing(dates: Dates, what: str) -> Dates:
    """The dates as days, refused unless each is later than the one before."""
    days = np.asarray(dates).astype("datetime64[D]")
    late = np.flatnonzero(np.diff(days) <= np.timedelta64(0, "D"))
    if len(late):
        raise ValueError(f"{what}: {days[late[0] + 1]} comes after {days[late[0]]}; sort by date, each once")
    return days


def month_ends(sessions: Dates, last: np.datetime64) -> Dates:
    """Last session of each calendar month that is over by `last`, ascending.

    sessions : (n,), the whole calendar, which must go on beyond a month for that month to be known as complete
    last : the last session of the data
    """
    days = increasing(sessions, "month_ends")
    months = days.astype("datetime64[M]")
    ends: Dates = days[:-1][months[:-1] != months[1:]]
    over: Dates = ends[ends <= last]
    return over


def median_gap(sessions: Dates, dates: Dates) -> float:
    """Median number of sessions from one date to the next.

    sessions : (n,), the calendar
    dates : (n_dates,), at least 2, all of them sessions
    """
    days, chosen = increasing(sessions, "median_gap: sessions"), increasing(dates, "median_gap: dates")
    if len(chosen) < 2:
        raise ValueError(f"median_gap: {len(chosen)} dates have no gap; give at least 2")
    rows = np.searchsorted(days, chosen)
    unknown = chosen[(rows == len(days)) | (days[np.minimum(rows, len(days) - 1)] != chosen)]
    if len(unknown):
        raise ValueError(f"median_gap: {unknown[0]} is not a session; give dates of the calendar")
    return float(np.median(np.diff(rows)))


def overlap(horizon: int, gap: float = MONTH) -> int:
    """On how many rebalance dates a window of `horizon` sessions is open: at least 1, else the rounded ratio to `gap`.

    gap : median sessions between dates; the default is a month's
    """
    if horizon < 1 or gap <= 0:
        raise ValueError(f"overlap: horizon {horizon} and gap {gap} must be at least one session")
    return max(1, round(horizon / gap))
