"""Data that come late, in part, or not at all: it waits and says so, then alarms; told to, it goes on without them."""

from __future__ import annotations

from datetime import date, timedelta

import pandas as pd
import pytest
from evenings import rows
from small_trading import SOURCE, World

from nexus.db import paper
from nexus.db.engine import Database
from nexus.ingest.run import ingest_frames
from nexus.paper.accounts import open_account
from nexus.paper.reconcile import reconcile
from nexus.paper.status import status
from nexus.paper.trader import run


@pytest.fixture(scope="module")
def days(database: Database, world: World) -> list[date]:
    """Sessions around the decision, of which the first two have arrived: the second is the decision's."""
    days = world.around(world.decided, 1, 4)
    world.deliver(database, world.live[0], days[1])
    for name in ("account", "as is"):
        open_account(database, name, world.backtests["P1"], start=days[0])
        run(database, name, world.factors, days[1])
    return days


def test_it_waits_and_says_so(database: Database, world: World, days: list[date]) -> None:
    ran = run(database, "account", world.factors, days[2])
    assert not ran.processed and ran.waiting is not None
    assert (ran.waiting.session, ran.waiting.overdue) == (days[2], False)
    assert ran.waiting.reason.startswith("prices of 0 companies have arrived, 1")


def test_a_day_later_it_alarms(database: Database, world: World, days: list[date]) -> None:
    ran = run(database, "account", world.factors, days[2] + timedelta(days=1))
    assert ran.waiting is not None and ran.waiting.overdue
    patient = run(database, "account", world.factors, days[2] + timedelta(days=1), patience=48)
    assert patient.waiting is not None and not patient.waiting.overdue


def test_half_of_the_prices_are_not_the_prices(database: Database, world: World, days: list[date]) -> None:
    first = world.rows("prices", days[2], days[2])
    ingest_frames(database, {"prices": first[: len(first) // 2]}, SOURCE)
    ran = run(database, "account", world.factors, days[2])
    assert ran.waiting is not None and f"prices of {len(first) // 2} companies" in ran.waiting.reason


def test_told_to_it_goes_on_with_what_is_there(database: Database, world: World, days: list[date]) -> None:
    (ordered,) = [made for made in _processed(database, "as is") if made.session == days[1]]
    assert ordered.status == "rebalanced"
    ran = run(database, "as is", world.factors, days[2], as_is=True)
    assert [one.session for one in ran.processed] == [days[2]]
    with database.read() as connection:
        orders = paper.orders(connection, paper.account(connection, "as is").account_id)
    there = {one.status for one in orders}
    assert there == {"filled", "open"} and sum(one.status == "open" for one in orders) > 10


def test_when_they_come_it_catches_up(database: Database, world: World, days: list[date]) -> None:
    world.deliver(database, days[2], days[3])
    assert [one.session for one in run(database, "account", world.factors, days[3]).processed] == days[2:4]
    assert status(database, "account", days[4]).due == [days[4]]


def test_prices_of_another_day_are_no_prices_of_this_one(database: Database, world: World, days: list[date]) -> None:
    before = rows(database, "account")
    frame = world.rows("prices", days[3], days[3])
    ingest_frames(database, {"prices": frame.assign(date=frame["date"] + pd.Timedelta(days=300))}, SOURCE)
    assert not run(database, "account", world.factors, days[3]).processed
    assert rows(database, "account") == before


def test_what_came_after_it_went_on_is_a_matter_of_timing(database: Database, days: list[date]) -> None:
    """The backtester fills on the day what the account filled later or not at all."""
    found = reconcile(database, "as is")
    assert found is not None and found.session == days[2]
    assert abs(found.timing) > 1 and max(abs(found.code), abs(found.revision)) < 0.005
    assert found.gap == pytest.approx(found.timing + found.cost)


def _processed(database: Database, name: str) -> list[paper.Processed]:
    with database.read() as connection:
        return paper.processed(connection, paper.account(connection, name).account_id)
