"""When a portfolio would be formed: the last session of each complete month, week or quarter."""

from __future__ import annotations

import numpy as np

from nexus.errors import InputError
from nexus.maths.calendar import month_ends
from nexus.maths.types import Dates

RULES = ("monthly", "weekly", "quarterly")


def rebalance_dates(sessions: Dates, last: np.datetime64, rule: str) -> Dates:
    """Last session of each period that is over by `last`, ascending.

    sessions : (n,), the calendar, going on beyond `last`
    last : the market's last session

    Raises
    ------
    InputError
        For an unknown rule.
    """
    if rule == "weekly":
        weeks = (sessions.astype("datetime64[D]").astype(np.int64) + 3) // 7  # Monday to Sunday
        ends = sessions[:-1][weeks[:-1] != weeks[1:]]
        return np.asarray(ends[ends <= last])
    if rule not in RULES:
        raise InputError(f"rebalance {rule!r}: unknown; one of {', '.join(RULES)}")
    months = month_ends(sessions, last)
    if rule == "monthly":
        return months
    return np.asarray(months[(months.astype("datetime64[M]").astype(np.int64) + 1) % 3 == 0])
