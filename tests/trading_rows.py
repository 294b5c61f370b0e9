"""Backtests and evenings for the gate, made without a backtester or a trader."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
from ledger_rows import declaration, declare, look
from sqlalchemy import text

from nexus.db import backtests
from nexus.db.backtests import Backtest, Traded
from nexus.db.curve import Curve, Trades
from nexus.db.engine import Database
from nexus.db.evening import Change, Evening, Fill, NewOrder
from nexus.db.paper import Position
from nexus.maths.stats import moments

SESSIONS = np.array(["2020-01-02", "2020-01-03", "2020-01-06"], "datetime64[D]")


def spec(*names: str) -> dict[str, Any]:
    """A spec of signals with these names."""
    signals = [{"name": name, "weight": 1.0} for name in names]
    return {"signals": signals, "start": "2020-01-01", "end": "2020-02-01", "capital": 100.0}


RUN = Backtest(
    name="run", spec=spec("good"), spec_hash="hash", code_version="0", code_hash="code", load_id=1,
    as_of=datetime(2026, 1, 1, tzinfo=UTC), fingerprint="data", universe="TEST", first_session=date(2020, 1, 2),
    last_session=date(2020, 1, 6), mode="fixed", reason=None, selection_cut=None, variants=3,
    net=moments(np.array([0.01, -0.02, 0.03])), figures={"sharpe": 1.5},
)  # fmt: skip
CURVE = Curve(
    sessions=SESSIONS, equity=np.array([100.0, 101.0, 99.0]), cash=np.array([100.0, 1.0, 1.0]),
    long=np.array([0.0, 110.0, 108.0]), short=np.array([0.0, 10.0, 10.0]), pnl=np.array([0.0, 1.4, -2.0]),
    traded=np.array([0.0, 120.0, 0.0]), costs=np.array([[0.0] * 4, [0.1, 0.2, 0.1, 0.0], [0.0] * 4]),
    benchmark=np.array([3000.0, np.nan, 3010.0]),
)  # fmt: skip
TRADES = Trades(
    decided=SESSIONS[:1].repeat(2), sessions=SESSIONS[1:2].repeat(2), companies=np.array([1, 2]),
    shares=np.array([11.0, -1.0]), price=np.array([10.0, 10.0]), costs=np.array([[0.05, 0.1, 0.05]] * 2),
)  # fmt: skip


FIRST, SECOND, THIRD = (day.item() for day in CURVE.sessions)


def only(n: int) -> Curve:
    """The curve of one session."""
    return Curve(**{name: values[n : n + 1] for name, values in vars(CURVE).items()})


OPENED = Evening(FIRST, "rebalanced", 7, "1.0", only(0), orders=[NewOrder(1, 10.0, "rebalance", 1e6, 0.02),
                                                                   NewOrder(2, -4.0, "rebalance")])  # fmt: skip
FILLED = Evening(
    SECOND, "held", 8, "1.0", only(1), positions=[Position(1, 10.0, 11.0)],
    fills=[Fill(1, 10.0, 10.5, 0.1, 0.2, 0.3)], changes=[Change(1, "filled"), Change(2, "open", -8.0)],
    note="company 2 did not trade",
)  # fmt: skip
CLOSED = Evening(THIRD, "closed", 9, "1.1", only(2), changes=[Change(2, "lapsed")],
                 orders=[NewOrder(1, -10.0, "signal good lost its approval")])  # fmt: skip


def company(database: Database, *names: str) -> None:
    """Companies that trades can name."""
    with database.write() as connection:
        for name in names:
            connection.execute(
                text("INSERT INTO entities (kind, identity, name) VALUES ('company', :name, :name)"), {"name": name}
            )


def judged(database: Database, name: str, **changes: Any) -> Traded:
    """A signal with one look, which stands unless `changes` say otherwise."""
    (hypothesis,) = declare(database, declaration(name))
    return Traded(look(database, hypothesis, **changes).evaluation_id, name, name, "1", 1.0)


def recorded(database: Database, *signals: Traded, **changes: Any) -> int:
    """Record a run on these signals."""
    with database.write() as connection:
        return backtests.record(connection, of(*signals, **changes), signals, CURVE, TRADES)


def of(*signals: Traded, **changes: Any) -> Backtest:
    """A run whose spec names these signals."""
    return replace(RUN, **({"spec": spec(*(signal.signal for signal in signals))} | changes))
