"""Every gap to the backtester has a cause: what was restated, what came late, costs, or other code."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest
from evenings import rows
from small_trading import SOURCE, World

from nexus.backtest import account as engine
from nexus.db import paper
from nexus.db.curve import Trades
from nexus.db.engine import Database
from nexus.ingest.run import ingest_frames
from nexus.paper import settle
from nexus.paper.accounts import open_account
from nexus.paper.reconcile import Reconciled, reconcile
from nexus.paper.trader import run

CENT = 0.005


@pytest.fixture(scope="module")
def days(database: Database, world: World) -> list[date]:
    """The decision and the seven sessions after it, one of which has a split."""
    days = world.around(world.decided, 0, 7)
    world.deliver(database, world.live[0], days[-1])
    return days


@pytest.fixture(scope="module")
def accounts(database: Database, world: World, days: list[date]) -> list[str]:
    """Accounts to be disturbed, processed before anything is."""
    with pytest.MonkeyPatch.context() as patch:
        open_account(database, "other code", world.backtests["P1"], start=days[0])
        patch.setattr(settle, "code_version", lambda: "0.0.9+somethingelse")
        rebalance = engine.rebalance
        patch.setattr(engine, "rebalance", lambda *known: halved(rebalance(*known)))
        run(database, "other code", world.factors, days[-1])
    open_account(database, "plain", world.backtests["P1"], start=days[0])
    run(database, "plain", world.factors, days[-1])
    return ["other code", "plain"]


def halved(orders: engine.Orders) -> engine.Orders:
    return replace(orders, shares=orders.shares / 2)


def reconciled(database: Database, name: str) -> Reconciled:
    found = reconcile(database, name)
    assert found is not None
    assert found.gap == pytest.approx(found.code + found.timing + found.revision + found.cost, abs=1e-6)
    return found


def trades(database: Database, name: str) -> Trades:
    with database.read() as connection:
        return paper.trades(connection, paper.account(connection, name).account_id)


def test_nothing_to_reconcile(database: Database, world: World) -> None:
    open_account(database, "new", world.backtests["P1"], start=world.decided)
    assert reconcile(database, "new") is None


def test_no_gap(database: Database, accounts: list[str]) -> None:
    found = reconciled(database, "plain")
    assert found.agrees and not found.restated and not found.changed_code
    assert max(map(abs, (found.code, found.timing, found.revision, found.cost))) < CENT


def test_other_code(database: Database, accounts: list[str], days: list[date]) -> None:
    """An evening that ordered half of it: all of the gap is the code's, but for what its costs were."""
    found = reconciled(database, "other code")
    assert found.changed_code == len(days) and not found.agrees
    assert abs(found.code) > 1 and found.cost > 1
    assert abs(found.timing) < CENT and abs(found.revision) < CENT


def test_what_came_late_is_timing(database: Database, world: World, days: list[date], accounts: list[str]) -> None:
    """A dividend that was paid on the third session and loaded after the last."""
    done = trades(database, "plain")
    bought = done.companies[(done.shares > 0) & (done.sessions == np.datetime64(days[1]))]
    told = pd.DataFrame(
        {
            "ticker": [ticker(world, database, int(bought[0]))],
            "ex_date": [pd.Timestamp(days[2])],
            "kind": ["dividend"],
            "value": [1.5],
            "known_at": [pd.Timestamp(days[2], tz="UTC")],
        }
    )
    before = rows(database, "plain")
    ingest_frames(database, {"actions": told}, SOURCE)
    assert not run(database, "plain", world.factors, days[-1]).processed and rows(database, "plain") == before
    found = reconciled(database, "plain")
    shares = done.shares[(done.companies == bought[0]) & (done.sessions == np.datetime64(days[1]))][0]
    assert found.timing == pytest.approx(-1.5 * shares, abs=CENT)
    assert max(map(abs, (found.code, found.revision, found.cost))) < CENT


def test_the_next_evening_is_told_of_it(
    database: Database, world: World, days: list[date], accounts: list[str]
) -> None:
    """It is paid on what is held then, and the gap closes."""
    following = world.sessions[world.sessions.index(days[-1]) + 1]
    world.deliver(database, following, following)
    (evening,) = run(database, "plain", world.factors, following).processed
    assert abs(reconciled(database, "plain").timing) < CENT
    assert evening.session == following


def test_a_restated_price_changes_no_fill(
    database: Database, world: World, days: list[date], accounts: list[str]
) -> None:
    done, before = trades(database, "plain"), rows(database, "plain")
    company = int(done.companies[(done.shares > 0) & (done.sessions == np.datetime64(days[1]))][1])
    frame = world.rows("prices", days[1], days[1])
    row = frame[frame["ticker"] == ticker(world, database, company)].copy()
    assert len(row) == 1
    row[["open", "high"]] *= 1.01
    ingest_frames(database, {"prices": row}, SOURCE)
    assert not run(database, "plain", world.factors, days[-1]).processed and rows(database, "plain") == before
    found = reconciled(database, "plain")
    (restated,) = found.restated
    filled = done.price[(done.companies == company) & (done.sessions == np.datetime64(days[1]))][0]
    assert (restated.company_id, restated.session, restated.price) == (company, days[1], filled)
    assert restated.now == pytest.approx(1.01 * filled)
    assert found.revision == pytest.approx(0.01 * filled * restated.shares, abs=CENT)
    assert max(abs(found.code), abs(found.timing)) < CENT and found.cost > 0


def ticker(world: World, database: Database, company: int) -> str:
    """The ticker of a company in the live part."""
    with database.read() as connection:
        found: str = connection.exec_driver_sql(
            "SELECT ticker FROM symbols WHERE company_id = %s ORDER BY valid_from DESC LIMIT 1", (company,)
        ).scalar_one()
    return found
