"""Whatever happens to the machine or beside it, the account ends where an undisturbed one does."""

from __future__ import annotations

import multiprocessing
import signal
import time
from datetime import date

import pytest
from evenings import begun, finished, in_a_child, killed_at, rows, taken_at_once, trading
from small_trading import World

from nexus.db import paper
from nexus.db.engine import Database
from nexus.errors import BusyError
from nexus.paper.accounts import open_account
from nexus.paper.trader import run


@pytest.fixture(scope="module")
def days(database: Database, world: World) -> list[date]:
    """The evening before a decision, that of the decision, and two of fills; all has arrived."""
    world.deliver(database, world.live[0], world.live[-1])
    return world.around(world.decided, 1, 2)


@pytest.fixture(scope="module")
def undisturbed(database: Database, world: World, days: list[date]) -> str:
    open_account(database, "undisturbed", world.backtests["P1"], start=days[0])
    assert len(run(database, "undisturbed", world.factors, days[-1]).processed) == len(days)
    assert len(rows(database, "undisturbed")["paper_fills"]) > 20
    return "undisturbed"


def test_killed_at_every_step(database: Database, world: World, days: list[date], undisturbed: str) -> None:
    """Each time it writes or commits: right before it; then it is run again, and killed one step later."""
    open_account(database, "killed", world.backtests["P1"], start=days[0])
    step, steps, done = 1, 0, 0

    def doomed() -> int:
        killed_at(step)
        return trading(database, world, "killed", days[-1])

    while (status := in_a_child(doomed)) != 0:
        if status == BusyError.exit_status:  # the server has not noticed yet that the last one is dead
            time.sleep(0.02)
            continue
        assert status == -signal.SIGKILL
        steps += 1
        with database.read() as connection:
            past = paper.processed(connection, paper.account(connection, "killed").account_id)
        whole = rows(database, undisturbed, past[-1].session if past else date.min)
        there = rows(database, "killed")
        assert [len(there[table]) for table in there] == [len(whole[table]) for table in there]
        assert there["paper_equity"] == whole["paper_equity"] and there["paper_fills"] == whole["paper_fills"]
        step, done = (step + 1, done) if len(past) == done else (1, len(past))
    assert steps > 6 * len(days)
    assert rows(database, "killed") == rows(database, undisturbed)


def test_twice_in_an_evening(database: Database, world: World, days: list[date], undisturbed: str) -> None:
    before = rows(database, undisturbed)
    assert not run(database, undisturbed, world.factors, days[-1]).processed
    assert rows(database, undisturbed) == before


def test_two_at_once(database: Database, world: World, days: list[date], undisturbed: str) -> None:
    open_account(database, "crowded", world.backtests["P1"], start=days[0])
    barrier = multiprocessing.Barrier(3)

    def crowding() -> int:
        taken_at_once(barrier)
        return trading(database, world, "crowded", days[-1])

    children = [begun(crowding) for _ in range(3)]
    assert sorted(finished(child) for child in children) == [0, BusyError.exit_status, BusyError.exit_status]
    assert rows(database, "crowded") == rows(database, undisturbed)


def test_one_that_finds_the_account_taken_says_so(database: Database, world: World, undisturbed: str) -> None:
    with database.write() as guard:
        account = paper.account(guard, undisturbed)
        assert paper.try_lock(guard, account.account_id)
        with pytest.raises(BusyError, match="account undisturbed: another run has it"):
            run(database, undisturbed, world.factors, world.live[-1])


def test_missed_days_are_caught_up_in_order(
    database: Database, world: World, days: list[date], undisturbed: str
) -> None:
    open_account(database, "daily", world.backtests["P1"], start=days[0])
    for day in (days[0], days[0], *days[1:]):
        run(database, "daily", world.factors, day)
    assert rows(database, "daily") == rows(database, undisturbed)
