"""All that a spec needs to be run, as arrays: whoever reads the database fills this, and nothing below it reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

import numpy as np

from nexus.backtest.market import Market
from nexus.backtest.spec import Rule, Spec
from nexus.db.actions import DIVIDEND, SPLIT
from nexus.errors import InputError
from nexus.maths.calendar import increasing
from nexus.maths.types import Bools, Dates, Floats, Ints


@dataclass(frozen=True)
class Inputs:
    """Market of (n_sessions, n_companies), and what was known at the close of each possible decision.

    sessions : (n_sessions,), days
    companies : (n_companies,), ids
    rows : (n_decisions,), ascending rows of the sessions; a spec uses all of them or some
    scores : by name of the signal, (n_decisions, n_companies), NaN no opinion
    members : (n_decisions, n_companies), the universe
    sectors : the same shape, codes, -1 unknown; None: unknown, and nothing can be sector-neutral
    betas : the same shape, NaN unknown; None: likewise
    on : by name of the signal, (n_decisions,), whether it may be traded on then; a signal that is not there always may.
        A decision for which no signal may holds cash
    earned : (n_decisions, n_companies), return from the close after each decision to the close after the next one, as
        known when it was over, NaN unknown; None: no composite can learn from it
    """

    sessions: Dates
    companies: Ints
    market: Market
    rows: Ints
    scores: Mapping[str, Floats]
    members: Bools
    sectors: Ints | None = None
    betas: Floats | None = None
    on: Mapping[str, Bools] = field(default_factory=dict)
    earned: Floats | None = None

    def __post_init__(self) -> None:
        increasing(self.sessions, "sessions")
        wide = len(self.rows), self.market.n_companies
        shapes: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
            "sessions": (self.sessions.shape, (self.market.n_sessions,)),
            "companies": (self.companies.shape, (self.market.n_companies,)),
        }
        for name, array in {
            **self.scores,
            "members": self.members,
            "sectors": self.sectors,
            "betas": self.betas,
            "earned": self.earned,
        }.items():
            if array is not None:
                shapes[name] = array.shape, wide
        shapes |= {f"on of {name}": (array.shape, wide[:1]) for name, array in self.on.items()}
        for name, (shape, wanted) in shapes.items():
            if shape != wanted:
                raise InputError(f"backtest: {name} is {shape}; the market and the decisions need {wanted}")

    def chosen(self, spec: Spec) -> Ints:
        """Which of the decisions the spec makes, (n,) positions in `rows`."""
        wanted = decision_rows(self.sessions, spec.rebalance, spec.start, spec.end)
        places = np.searchsorted(self.rows, wanted)
        known = self.rows[np.minimum(places, len(self.rows) - 1)] == wanted
        if not known.all():
            day = self.sessions[wanted[~known][0]]
            raise InputError(f"backtest: no scores were read for {day}; read the scores of every day of the rebalance")
        return places

    def stop(self, spec: Spec) -> int:
        """Row after the spec's last session."""
        return int(np.searchsorted(self.sessions, np.datetime64(spec.end), "right"))

    def may(self, signal: str) -> Bools:
        """(n_decisions,), whether the signal may be traded on."""
        return self.on[signal] if signal in self.on else np.ones(len(self.rows), np.bool_)

    def day(self, decision: int) -> np.datetime64:
        """Of one of the possible decisions."""
        return np.datetime64(self.sessions[self.rows[decision]], "D")


def decision_rows(sessions: Dates, rebalance: Rule | tuple[date, ...], start: date, end: date) -> Ints:
    """Rows of the sessions at whose close is decided, from start to end, both counted.

    sessions : the calendar, which must go on beyond a period for its end to be known
    """
    days = increasing(sessions, "sessions")
    if isinstance(rebalance, str):
        rows = np.flatnonzero(np.diff(_periods(days, rebalance)) != 0)
        rows = rows[(days[rows] >= np.datetime64(start)) & (days[rows] <= np.datetime64(end))]
    else:
        wanted = np.array(rebalance, "datetime64[D]")
        rows = np.searchsorted(days, wanted)
        unknown = wanted[days[np.minimum(rows, len(days) - 1)] != wanted]
        if len(unknown):
            raise InputError(f"backtest: {unknown[0]} is not a session; rebalance on days of the calendar")
    if not len(rows):
        raise InputError(f"backtest: no {rebalance} decision between {start} and {end}; take a longer window")
    return rows


def _periods(days: Dates, rule: Rule) -> Ints:
    """Number of the period each day is in; weeks begin on Monday."""
    count = days.astype(np.int64)
    if rule == "daily":
        return count
    if rule == "weekly":
        return (count + 3) // 7  # 1970-01-01 was a Thursday
    months = days.astype("datetime64[M]").astype(np.int64)
    return months if rule == "monthly" else months // 3


def trailing_returns(market: Market, row: int, columns: Ints, window: int) -> Floats:
    """Total returns of the sessions up to a row, (window, n), 0 on a session without a bar.

    columns : (n,), ascending; the first sessions of the market have fewer rows
    """
    first = max(row - window, 0)
    close = market.close[first : row + 1, columns]
    bars = np.isfinite(close)
    latest = np.maximum.accumulate(np.where(bars, np.arange(len(close))[:, None], 0), axis=0)
    filled = np.take_along_axis(close, latest, axis=0)
    with np.errstate(invalid="ignore"):
        out = filled[1:] / filled[:-1]
    events = market.events
    for e in range(*np.searchsorted(events.row, [first + 1, row + 1])):
        column = int(np.searchsorted(columns, events.column[e]))
        if column == len(columns) or columns[column] != events.column[e]:
            continue
        t = events.row[e] - first - 1
        if events.kind[e] == DIVIDEND:
            out[t, column] += events.value[e] / filled[t, column]
        elif events.kind[e] == SPLIT:
            out[t, column] *= events.value[e]
    return np.nan_to_num(out - 1)
