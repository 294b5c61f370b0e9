"""What a backtest trades in: prices as traded, and what happened to the shares, on sessions x companies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from nexus.db.actions import DELISTING, DIVIDEND, SPLIT
from nexus.errors import InputError
from nexus.maths.compiled import by_rows, kernel
from nexus.maths.types import Bools, Floats, Ints

GRACE = 5
"""Sessions without a bar after which a company is taken to be delisted, as in the forward returns."""
SMALLEST = float(np.finfo(np.float64).tiny)


class Events(NamedTuple):
    """Corporate actions (k,) by row, then dividends, splits and delistings, then by column.

    value : dividend, cash for each share held at the close before; split, new shares for one old; delisting, return
        after the last price, as a fraction
    """

    row: Ints
    column: Ints
    kind: Ints
    value: Floats

    @classmethod
    def of(cls, row: Ints, column: Ints, kind: Ints, value: Floats) -> Events:
        """Sorted copies; the same action must not be there twice."""
        row, column, kind = (np.asarray(part, np.int64) for part in (row, column, kind))
        order = np.lexsort((column, kind, row))
        return cls(row[order], column[order], kind[order], np.asarray(value, np.float64)[order])

    @classmethod
    def none(cls) -> Events:
        """No action at all."""
        nothing = np.empty(0, np.int64)
        return cls(nothing, nothing, nothing, np.empty(0))


@dataclass(frozen=True)
class Session:
    """One session of (n_companies,): prices as traded, NaN no bar; split 1, dividend 0 and delisting NaN: none."""

    open: Floats
    close: Floats
    volume: Floats
    split: Floats
    dividend: Floats
    delisting: Floats

    @property
    def trades(self) -> Bools:
        """Whom an order can be filled in: an open, and somebody who traded."""
        return np.isfinite(self.open) & (self.volume > 0)


@dataclass(frozen=True)
class Market:
    """Prices and volumes (n_sessions, n_companies) as traded, NaN where there is no bar, and corporate actions.

    On a row without a bar, or with no volume, nothing is filled; the last close stays the value of what is held.
    Everything is checked when it is made: InputError names the first cell that cannot be.
    """

    open: Floats
    close: Floats
    volume: Floats
    events: Events

    def __post_init__(self) -> None:
        for name in ("open", "close", "volume"):
            array = getattr(self, name)
            if array.shape != self.close.shape or array.ndim != 2:
                raise InputError(
                    f"market: {name} is {array.shape}, close {self.close.shape}; pass sessions x companies"
                )
            object.__setattr__(self, name, np.ascontiguousarray(array, np.float64))
            _check_values(name, getattr(self, name))
        _check_events(self.events, *self.close.shape)

    @property
    def n_sessions(self) -> int:
        """Rows."""
        return len(self.close)

    @property
    def n_companies(self) -> int:
        """Columns."""
        return len(self.close[0])

    def session(self, row: int) -> Session:
        """What happened on one row."""
        n = self.n_companies
        dense = {DIVIDEND: np.zeros(n), SPLIT: np.ones(n), DELISTING: np.full(n, np.nan)}
        first, last = np.searchsorted(self.events.row, [row, row + 1])
        for k in range(first, last):
            dense[int(self.events.kind[k])][self.events.column[k]] = self.events.value[k]
        return Session(
            self.open[row],
            self.close[row],
            self.volume[row],
            split=dense[SPLIT],
            dividend=dense[DIVIDEND],
            delisting=dense[DELISTING],
        )


def delistings(close: Floats, returns: Floats, unknown: float = 0.0) -> Events:
    """Delistings of those whose last bar is more than 5 sessions before the market's last; paid the session after it.

    close : (n_sessions, n_companies), NaN no bar
    returns : (n_companies,), return after the last price, NaN unknown
    unknown : the return where it is not known
    """
    bars = np.isfinite(close)
    last = len(close) - 1 - bars[::-1].argmax(axis=0)
    gone = np.flatnonzero(bars.any(axis=0) & (last < last.max(initial=0, where=bars.any(axis=0)) - GRACE))
    paid = np.where(np.isnan(returns), unknown, returns)
    return Events.of(last[gone] + 1, gone, np.full(len(gone), DELISTING), paid[gone])


def _check_values(name: str, values: Floats) -> None:
    """Prices are positive, volumes 0 or more, NaN no bar."""
    least, needed = (0.0, "0 or more") if name == "volume" else (SMALLEST, "positive")
    found = np.zeros(len(values), np.bool_)
    by_rows(lambda rows: _outside(values[rows], least, found[rows]), *values.shape)
    if found.any():
        row = int(found.argmax())
        column = int(np.flatnonzero((values[row] < least) | np.isinf(values[row]))[0])
        raise InputError(
            f"market: {name} {values[row, column]} in row {row}, column {column}; it must be {needed}, NaN where no bar"
        )


@kernel
def _outside(values: Floats, least: float, found: Bools) -> None:
    """Whether anything in a row is infinite or less than the least; without a branch, for the vector units."""
    for t in range(len(values)):
        wrong = 0
        for i in range(values.shape[1]):
            wrong |= (values[t, i] < least) | (values[t, i] == np.inf)
        found[t] = wrong != 0


def _check_events(events: Events, n_sessions: int, n_companies: int) -> None:
    row, column, kind, value = events
    tests = {
        "is outside the market": (row < 0) | (row >= n_sessions) | (column < 0) | (column >= n_companies),
        "is of no known kind": (kind < DIVIDEND) | (kind > DELISTING),
        "has no finite value": ~np.isfinite(value),
        "is negative": (kind == DIVIDEND) & (value < 0),
        "gives no shares": (kind == SPLIT) & (value <= 0),
        "loses more than everything": (kind == DELISTING) & (value < -1),
    }
    if len(row) > 1:
        same = (np.diff(row) == 0) & (np.diff(kind) == 0) & (np.diff(column) == 0)
        tests["is there twice; add them up first"] = np.append(False, same)
        tests["is out of order; make them with Events.of"] = np.append(False, np.diff(row) < 0)
    for what, wrong in tests.items():
        if wrong.any():
            k = int(np.flatnonzero(wrong)[0])
            raise InputError(f"market: action {value[k]} of kind {kind[k]} in row {row[k]}, column {column[k]} {what}")
