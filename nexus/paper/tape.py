"""What an evening reads of the market: some companies, up to one session, as far as the loads tell."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np

from nexus.backtest.market import Events, Market, Session
from nexus.backtest.tape import FIELDS, market_of
from nexus.db.engine import Database
from nexus.db.panel import Panel
from nexus.maths.types import Dates, Ints
from nexus.settings import settings
from nexus.signals.scores import WARM_UP_DAYS

SHORT = 45
"""Calendar days before an evening without a decision: enough to miss a company."""
LONG = WARM_UP_DAYS
"""Calendar days before a decision: for averages over a quarter, and for the last trade of who does not trade."""


@dataclass(frozen=True)
class Seen:
    """Which facts are read: of loads up to `load_id`, known by `as_of`; None: all there are."""

    load_id: int | None = None
    as_of: datetime | None = None


@dataclass(frozen=True)
class Tape:
    """Market of (n_sessions, n_companies) that ends with the evening's session.

    level : of the market's benchmark at its close, NaN unknown
    """

    sessions: Dates
    companies: Ints
    market: Market
    level: float
    load_id: int

    @property
    def row(self) -> int:
        """Of the evening's session."""
        return len(self.sessions) - 1

    def session(self) -> Session:
        """The evening's session."""
        return self.market.session(self.row)

    def told_late(self, before: Tape) -> list[Session]:
        """What had happened to shares by the session before and was not on the tape that the account read then."""
        then = set(before._happened())
        own = self.market.events
        earlier = (own.row < self.row) & (self.sessions[own.row] >= before.sessions[0])
        late = [e for e, key in enumerate(self._happened()) if earlier[e] and key not in then]
        quiet = np.full(self.market.close.shape, np.nan)
        market = Market(quiet, quiet, quiet, Events(own.row[late], own.column[late], own.kind[late], own.value[late]))
        return [market.session(int(row)) for row in np.unique(market.events.row)]

    def _happened(self) -> list[tuple[object, int, int]]:
        """Session, company and kind of each event."""
        row, column, kind, _ = self.market.events
        return list(zip(self.sessions[row].tolist(), self.companies[column].tolist(), kind.tolist(), strict=True))


def read_tape(database: Database, companies: Iterable[int], end: date, seen: Seen, *, days: int = SHORT) -> Tape:
    """Read the market of some companies from `days` calendar days before a session to its close."""
    series = settings().market
    panel = Panel.open(
        database,
        start=end - timedelta(days),
        end=end,
        companies=sorted(set(companies)) or None,
        inputs=[*(f"prices.{name}" for name in FIELDS), f"benchmarks.{series}"],
        load_id=seen.load_id,
        as_of=seen.as_of,
        calendar=settings().calendar,
    )
    n, columns = len(panel.sessions), np.arange(len(panel.companies))
    market = market_of(panel.ahead, n, columns, panel.companies)
    return Tape(panel.sessions, panel.companies, market, float(panel.ahead.benchmark(series)[-1]), panel.load_id)
