"""Evenings of a paper account on a simulated market."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_trading import PLANTED, World, month_ends

from nexus.backtest.run import run as backtest
from nexus.backtest.run import trade
from nexus.backtest.spec import Spec
from nexus.db import backtests, paper
from nexus.db.curve import Trades
from nexus.db.engine import Database
from nexus.errors import InputError, RefusedError
from nexus.paper.accounts import Trading, close_account, open_account
from nexus.paper.reconcile import after
from nexus.paper.status import status
from nexus.paper.trader import run
from nexus.signals.user import from_file


@pytest.fixture(scope="module")
def arrived(database: Database, world: World) -> list[date]:
    """The live sessions, all delivered."""
    world.deliver(database, world.live[0], world.live[-1])
    return world.live


def test_the_same_days_through_the_backtester(database: Database, world: World, arrived: list[date]) -> None:
    """Among them a split, a delisting, dividends, and a company that does not trade on the day of the fills."""
    days = world.around(world.decided, 3, 24)
    trades = compared(database, world, "equal", world.backtests["P1"], days)
    assert (trades.sessions > np.datetime64(world.decided)).sum() > 60
    assert world.happened(database) <= set(trades.companies.tolist())


@pytest.mark.parametrize(
    "changes",
    [
        {"portfolio": {"quantiles": 5, "combine": "ic"}},
        {"portfolio": {"kind": "long_only", "quantiles": 4, "max_turnover": 0.3}, "shares": "whole"},
        {"portfolio": {"kind": "mean_variance", "neutral": ["beta", "sector"], "max_weight": 0.05}},
    ],
)
def test_other_portfolios_too(
    database: Database, world: World, arrived: list[date], changes: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    with database.read() as connection:
        spec = backtests.read(connection, world.backtests["P1+P4"]).backtest.spec
    number = backtest(database, Spec.of({**spec, **changes}), mode="fixed").backtest_id
    compared(database, world, request.node.name, number, world.around(world.decided, 0, 8))


def compared(database: Database, world: World, name: str, number: int, days: list[date]) -> Trades:
    """Open an account, run it over some days, hold it against the backtester; its trades."""
    open_account(database, name, number, start=days[0])
    done = run(database, name, world.factors, days[-1])
    assert [one.session for one in done.processed] == days and done.waiting is None
    trading = Trading.of(database, name, days[-1])
    spec = trading.spec.model_copy(update={"start": days[0], "end": days[-1]})
    tested = trade(database, spec, trading.signals, dict.fromkeys(trading.signals, "A"), "fixed", 400)
    with database.read() as connection:
        curve, trades = (read(connection, trading.account.account_id) for read in (paper.curve, paper.trades))
    first = int(np.searchsorted(curve.sessions, tested.curve.sessions[0]))
    assert (curve.equity[:first] == 1e6).all() and first == days.index(world.decided)
    np.testing.assert_array_equal(curve.sessions[first:], tested.curve.sessions)
    for series in ("equity", "cash", "long", "short", "pnl", "traded", "costs", "benchmark"):
        np.testing.assert_allclose(getattr(curve, series)[first:], getattr(tested.curve, series), rtol=0, atol=0.005)
    assert len(trades.companies) > 20
    for column in ("decided", "sessions", "companies", "price"):
        np.testing.assert_array_equal(getattr(trades, column), getattr(tested.trades, column))
    np.testing.assert_allclose(trades.shares, tested.trades.shares, rtol=1e-9)
    np.testing.assert_allclose(trades.costs, tested.trades.costs, rtol=1e-9, atol=1e-9)
    return trades


def test_it_goes_on_outside_the_database_as_inside(database: Database, world: World, arrived: list[date]) -> None:
    open_account(database, "folded", world.backtests["P1"], start=world.decided)
    ran = run(database, "folded", world.factors, world.around(world.decided, 0, 1)[-1])
    folded = None
    for one in ran.processed:
        folded = after(folded, one)
    with database.read() as connection:
        stored = paper.state(connection, paper.account(connection, "folded").account_id)
    assert folded is not None and stored is not None and stored.orders
    assert (folded.session, folded.cash, folded.positions) == (stored.session, stored.cash, stored.positions)
    assert [replace(one, order_no=0) for one in folded.orders] == [replace(one, order_no=0) for one in stored.orders]


def test_scores_are_published_by_the_code_that_was_judged(
    database: Database, world: World, arrived: list[date], tmp_path: Path
) -> None:
    """P4 is scored up to the last month-end before the live part; one of the live part needs its factor."""
    day = month_ends(arrived)[-1]
    open_account(database, "scoring", world.backtests["P4"], start=day)
    with pytest.raises(InputError, match=r"factor P4 version 1 is not at hand; name its file with --from"):
        run(database, "scoring", {}, day)
    newer = replace(world.factors["P4"], version="2")
    with pytest.raises(InputError, match=r"factor P4 version 1 is at hand in version 2"):
        run(database, "scoring", {"P4": newer}, day)
    other = tmp_path / "planted.py"
    other.write_text(PLANTED.read_text().replace("NOISE_LEFT = 0.01", "NOISE_LEFT = 0.02"))
    with pytest.raises(RefusedError, match="code of factor P4 version 1 is not what was judged"):
        run(database, "scoring", from_file(other), day)
    assert status(database, "scoring", day).evenings == 0
    assert [one.status for one in run(database, "scoring", world.factors, day).processed] == ["rebalanced"]
    open_account(database, "scored", world.backtests["P4"], start=day)
    assert len(run(database, "scored", {}, day).processed) == 1


def test_status_tells_a_replay(database: Database, world: World, arrived: list[date]) -> None:
    open_account(database, "told", world.backtests["P1"], capital=5e5, start=world.decided)
    days = world.around(world.decided, 0, 3)
    assert status(database, "told", days[1]).due == days[:2]
    ran = run(database, "told", world.factors, days[1])
    told = status(database, "told", days[-1])
    assert (told.session, told.evenings, told.replayed, told.due) == (days[1], 2, 2, days[2:])
    assert told.equity == ran.processed[-1].curve.equity[0] and told.account.capital == 5e5
    assert told.costs == pytest.approx(sum(one.curve.costs.sum() for one in ran.processed))
    assert told.positions == ran.processed[-1].positions and not told.lost


def test_a_closed_account_is_closed(database: Database, world: World, arrived: list[date]) -> None:
    open_account(database, "closing", world.backtests["P1"], start=world.decided)
    run(database, "closing", world.factors, world.decided)
    close_account(database, "closing", "enough of it")
    with pytest.raises(RefusedError, match=r"account closing: closed \(enough of it\)"):
        run(database, "closing", world.factors, arrived[-1])
    with pytest.raises(RefusedError, match="closed once"):
        close_account(database, "closing", "again")
    told = status(database, "closing", arrived[-1])
    assert told.evenings == 1 and told.due == []


def test_what_cannot_be_opened(database: Database, world: World, arrived: list[date]) -> None:
    number = world.backtests["P1"]
    with pytest.raises(InputError, match="start 2013-10-26: not a session"):
        open_account(database, "new", number, start=date(2013, 10, 26))
    with pytest.raises(InputError, match="capital -5"):
        open_account(database, "new", number, capital=-5)
    with pytest.raises(InputError, match="backtest 99: unknown"):
        open_account(database, "new", 99)
    with pytest.raises(InputError, match="account new: unknown"):
        run(database, "new", world.factors)
    open_account(database, "taken", number)
    with pytest.raises(RefusedError, match="taken"):
        open_account(database, "taken", number)


def test_an_account_needs_a_rule(database: Database, world: World) -> None:
    with database.read() as connection:
        spec = Spec.of(backtests.read(connection, world.backtests["P1"]).backtest.spec)
    own = [day for day in month_ends(world.sessions) if spec.start <= day <= spec.end]
    made = backtest(database, spec.model_copy(update={"rebalance": tuple(own)}), mode="fixed")
    with pytest.raises(InputError, match="decides on days of its own"):
        open_account(database, "days", made.backtest_id)
