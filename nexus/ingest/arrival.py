"""What every kind needs to turn a file's rows into rows of a fact table, and the rules they share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from nexus.db.engine import Database
from nexus.db.load import Reject, SourceInfo
from nexus.db.sessions import Sessions
from nexus.ingest.identity import UNKNOWN, Ids, Who
from nexus.ingest.sieve import Sieve

DAY = pd.Timedelta(days=1)


@dataclass(frozen=True)
class Arrival:
    """Rows of one fact table, ready to be loaded.

    numbers : (n,), the row of the file that each came from
    rejects : what was found wrong while they were made, beside what the sieve kept
    """

    table: str
    rows: pa.Table
    numbers: NDArray[np.int64]
    rejects: tuple[Reject, ...] = ()


@dataclass(frozen=True)
class Desk:
    """What a file is read against.

    now : nothing may be known later than this
    label : the day on which the file's tickers were the current ones; None: each row's own day
    strangers : whether a ticker that nobody held is out of scope rather than wrong
    """

    database: Database
    who: Who
    sessions: Sessions
    now: pd.Timestamp
    source: SourceInfo
    label: date | None = None
    strangers: bool = False

    def companies(self, frame: pd.DataFrame, sieve: Sieve, day: str) -> Ids:
        """Company of each row by its ticker and CIK; rows about nobody we know fall out."""
        cik = frame.get("cik", pd.Series(np.nan, index=frame.index))
        found = self.who.companies(frame["ticker"], cik, frame[day] if self.label is None else self.label)
        if self.strangers:
            sieve.leave(found == UNKNOWN)
        else:
            remedy = "ticker {ticker} is no company's; add it with `nexus ingest reference`"
            sieve.refuse(found == UNKNOWN, "unknown ticker", remedy)
        return found

    def not_ahead(self, sieve: Sieve, known_at: pd.Series, default: pd.Series, day: str) -> None:
        """Nothing is taken before it is known."""
        ahead = known_at.fillna(default) > self.now
        sieve.refuse(ahead, "future date", f"{day} {{{day}}} is known only after now; give the known_at it was told at")

    def closes(self, day: pd.Series) -> tuple[pd.Series, pd.Series]:
        """When the session of each day closed (UTC), NaT where there was none; and whether there was one."""
        days = day.to_numpy().astype("datetime64[D]")
        place = np.searchsorted(self.sessions.days, days)
        place = np.minimum(place, len(self.sessions.days) - 1)
        held = (self.sessions.days[place] == days) & ~np.isnat(days)
        closes = np.where(held, self.sessions.closes_at[place], np.datetime64("NaT", "us"))
        return pd.Series(closes, index=day.index).dt.tz_localize("UTC"), pd.Series(held, index=day.index)


def next_day(day: pd.Series) -> pd.Series:
    """00:00 UTC of the day after: the rule for a date without a time."""
    following: pd.Series = (day + DAY).dt.tz_localize("UTC")
    return following


def check_spells(frame: pd.DataFrame, sieve: Sieve, now: pd.Timestamp) -> None:
    """Spells that end before they begin, or that nobody can know yet, fall out."""
    backwards = frame["valid_to"] <= frame["valid_from"]
    sieve.refuse(backwards, "spell ends before it begins", "valid_to {valid_to} is not after valid_from {valid_from}")
    known = frame["known_at"].fillna(next_day(frame["valid_to"].fillna(frame["valid_from"])))
    later = "valid_from {valid_from} or valid_to {valid_to} is after now; give the known_at it was told at"
    sieve.refuse(known > now, "future date", later)


def spells(
    frame: pd.DataFrame, key: list[str], sieve: Sieve, now: pd.Timestamp
) -> tuple[pd.DataFrame, NDArray[np.intp]]:
    """Vintages of the good spells of `frame`: a spell is known from the day after it began, its end from the day after.

    frame : the `key` columns, valid_from, valid_to, known_at and the values
    A row with a known_at is taken as a vintage of its own where the file also tells the spell while it was open;
    else its end is known when it ended, or at known_at if that is later.
    Returns the vintages, with default_known_at, and the row of `frame` that each came from.
    """
    check_spells(frame, sieve, now)
    frame = frame.reset_index(drop=True)[sieve.good]
    ended = frame["valid_to"].notna()
    told = frame["known_at"].notna()
    open_keys = pd.MultiIndex.from_frame(frame.loc[~ended, [*key, "valid_from"]])
    vintage = told & pd.MultiIndex.from_frame(frame[[*key, "valid_from"]]).isin(open_keys)
    end_known = next_day(frame["valid_to"])
    late = told & ~vintage & (frame["known_at"] >= end_known)
    opening = frame[~ended | ~(vintage | late)].assign(valid_to=pd.NaT)
    opening["default_known_at"] = next_day(opening["valid_from"])
    closing = frame[ended].assign(default_known_at=end_known[ended])
    own = (vintage | late)[ended]
    closing["known_at"] = closing["known_at"].where(own, closing["default_known_at"].where(told[ended]))
    both = pd.concat([opening, closing])
    return both, both.index.to_numpy(np.intp)


def spell_rows(vintages: pd.DataFrame, values: list[str]) -> pa.Table:
    """The `values` and stamps of vintages as `spells` makes them."""
    columns = {name: vintages[name] for name in (*values, "known_at", "default_known_at")}
    days = {name: vintages[name].to_numpy().astype("datetime64[D]") for name in ("valid_from", "valid_to")}
    return table({**columns, **days})


def table(columns: Mapping[str, Any]) -> pa.Table:
    """An Arrow table of pandas or numpy columns; NaT, None and NaN are null."""
    return pa.table({name: pa.array(values, from_pandas=True) for name, values in columns.items()})
