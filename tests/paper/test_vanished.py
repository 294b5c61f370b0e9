"""A company whose bars end without a word: held until it is plain that there are no more, then paid out."""

from __future__ import annotations

import pytest
from small_trading import SOURCE, World
from sqlalchemy import text

from nexus.backtest.market import GRACE
from nexus.db.engine import Database
from nexus.ingest.run import ingest_frames
from nexus.paper.accounts import open_account
from nexus.paper.reconcile import reconcile
from nexus.paper.trader import Ran, run

LAST = 2
"""Session after the decision on which it has its last bar."""


@pytest.fixture(scope="module")
def ran(database: Database, world: World) -> tuple[Ran, int]:
    """Evenings until two after it was paid out, and the company."""
    days = world.around(world.decided, 0, LAST + GRACE + 3)
    world.deliver(database, world.live[0], days[LAST])
    open_account(database, "holder", world.backtests["P1"], start=days[0])
    company = max(
        (held for held in run(database, "holder", world.factors, days[LAST]).processed[-1].positions),
        key=lambda held: held.shares * held.price,
    ).company_id
    with database.read() as connection:
        named = text("SELECT DISTINCT ticker FROM symbols WHERE company_id = :company")
        tickers = list(connection.scalars(named, {"company": company}))
    prices = world.rows("prices", days[LAST + 1], days[-1])
    kept = {
        "prices": prices[~prices["ticker"].isin(tickers)],
        "benchmarks": world.rows("benchmarks", days[LAST + 1], days[-1]),
    }
    ingest_frames(database, kept, SOURCE)
    return run(database, "holder", world.factors, days[-1]), company


def test_it_is_paid_out_once_it_is_plain(ran: tuple[Ran, int]) -> None:
    done, company = ran
    holds = [company in {held.company_id for held in one.positions} for one in done.processed]
    assert holds == [True] * GRACE + [False] * 3
    before, paid = done.processed[GRACE - 1 : GRACE + 1]
    (value,) = [held.shares * held.price for held in before.positions if held.company_id == company]
    others = paid.curve.cash[0] - before.curve.cash[0] - value
    assert value > 1e4 and abs(others) < 0.01 * value  # dividends and the fee for what is sold short


def test_the_backtester_knew_on_the_day(database: Database, ran: tuple[Ran, int]) -> None:
    """Without a return after the last price it makes no difference when it is paid."""
    found = reconcile(database, "holder")
    assert found is not None and found.agrees, found
