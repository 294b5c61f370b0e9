"""The account of a backtest or a paper trader, session by session, and what it traded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa

from nexus.maths.types import Dates, Floats, Ints

SERIES = ("equity", "cash", "long", "short", "pnl", "traded")
COSTS = ("commission", "spread", "impact", "borrow")
CURVE = ("session", *SERIES, *COSTS, "benchmark")
EPOCH = date(1970, 1, 1).toordinal()
TRADES = ("decided", "session", "company_id", "shares", "price", *COSTS[:3])


@dataclass(frozen=True)
class Curve:
    """Arrays (n,) at the close of each session.

    short : positive, equity = cash + long - short
    pnl : since the close before, before costs
    traded : value bought and sold, both counted
    costs : (n, 4), in the order of COSTS
    benchmark : level, NaN unknown
    """

    sessions: Dates
    equity: Floats
    cash: Floats
    long: Floats
    short: Floats
    pnl: Floats
    traded: Floats
    costs: Floats
    benchmark: Floats

    @classmethod
    def of(cls, rows: Sequence[Sequence[Any]]) -> Curve:
        """From rows with the columns CURVE."""
        columns = dict(zip(CURVE, zip(*rows, strict=True) if rows else [()] * len(CURVE), strict=True))
        series = {name: np.array(columns[name], np.float64) for name in (*SERIES, "benchmark")}  # None becomes NaN
        costs = np.column_stack([np.array(columns[name], np.float64) for name in COSTS])
        return cls(sessions=_days(columns["session"]), costs=costs, **series)

    def table(self) -> pa.Table:
        """Arrow columns CURVE."""
        columns = [self.sessions.astype("datetime64[D]"), *(getattr(self, name) for name in SERIES), *self.costs.T]
        benchmark = pa.array(self.benchmark, pa.float64(), from_pandas=True)  # NaN becomes null
        return pa.table([*map(pa.array, columns), benchmark], names=list(CURVE))


@dataclass(frozen=True)
class Trades:
    """Fills (n,) in order: shares (negative: sold) at a price on a session, ordered at the close of `decided`.

    companies : ids
    costs : (n, 3), in the order of COSTS, without borrow
    """

    decided: Dates
    sessions: Dates
    companies: Ints
    shares: Floats
    price: Floats
    costs: Floats

    @classmethod
    def of(cls, rows: Sequence[Sequence[Any]]) -> Trades:
        """From rows with the columns TRADES."""
        decided, sessions, companies, shares, price, *costs = zip(*rows, strict=True) if rows else [()] * len(TRADES)
        return cls(
            _days(decided), _days(sessions), np.array(companies, np.int64),
            np.array(shares, np.float64), np.array(price, np.float64), np.column_stack(costs).astype(np.float64),
        )  # fmt: skip

    def table(self) -> pa.Table:
        """Arrow columns TRADES."""
        days = (self.decided.astype("datetime64[D]"), self.sessions.astype("datetime64[D]"))
        columns = (*days, self.companies.astype(np.int32), self.shares, self.price, *self.costs.T)
        return pa.table([*map(pa.array, columns)], names=list(TRADES))


def _days(days: Sequence[date]) -> Dates:
    """As `np.array(days, "datetime64[D]")`, some fifteen times as fast."""
    return (np.array([day.toordinal() for day in days], np.int64) - EPOCH).astype("datetime64[D]")
