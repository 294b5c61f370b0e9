"""Evenings of a paper account on a simulated market."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from small_trading import World

from nexus.backtest.run import trade
from nexus.db import paper
from nexus.db.engine import Database
from nexus.paper.trader import Trading, open_account, run


@pytest.fixture(scope="module")
def arrived(database: Database, world: World) -> list[date]:
    """The live sessions, all delivered."""
    world.deliver(database, world.live[0], world.live[-1])
    return world.live


def test_the_same_days_through_the_backtester(database: Database, world: World, arrived: list[date]) -> None:
    open_account(database, "equal", world.backtests["P1"], start=arrived[0])
    done = run(database, "equal", world.factors, arrived[-1])
    assert [one.session for one in done.processed] == arrived and done.waiting is None
    trading = Trading.of(database, "equal", arrived[-1])
    spec = trading.spec.model_copy(update={"start": arrived[0], "end": arrived[-1]})
    tested = trade(database, spec, trading.signals, {"P1": "A"}, "fixed", 400)
    with database.read() as connection:
        curve, trades = (read(connection, trading.account.account_id) for read in (paper.curve, paper.trades))
    first = int(np.searchsorted(curve.sessions, tested.curve.sessions[0]))
    assert (curve.equity[:first] == 1e6).all() and first > 0
    np.testing.assert_array_equal(curve.sessions[first:], tested.curve.sessions)
    for name in ("equity", "cash", "long", "short", "pnl", "traded", "costs", "benchmark"):
        np.testing.assert_allclose(getattr(curve, name)[first:], getattr(tested.curve, name), rtol=0, atol=0.005)
    assert len(trades.companies) > 100
    for name in ("decided", "sessions", "companies", "price"):
        np.testing.assert_array_equal(getattr(trades, name), getattr(tested.trades, name))
    np.testing.assert_allclose(trades.shares, tested.trades.shares, rtol=1e-9)
    np.testing.assert_allclose(trades.costs, tested.trades.costs, rtol=1e-9, atol=1e-9)
