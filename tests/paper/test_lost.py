"""A signal that loses its approval is closed out at the next session, with the reason in the row."""

from __future__ import annotations

from datetime import date

import pytest
from small_trading import World, month_ends
from sqlalchemy import insert, text

from nexus.db import paper
from nexus.db.engine import Database
from nexus.db.paper import PaperAccount
from nexus.db.tables import canaries
from nexus.errors import RefusedError
from nexus.paper.accounts import open_account
from nexus.paper.reconcile import reconcile
from nexus.paper.status import status
from nexus.paper.trader import Ran, run
from nexus.signals.factor import Factor

WHY = "rejected, the canary caught it reading the future"


@pytest.fixture(scope="module")
def days(database: Database, world: World) -> list[date]:
    """From the decision to the day after the next; P1 loses its approval after the fourth evening."""
    world.deliver(database, world.live[0], world.live[-1])
    following = month_ends(world.live)[2]
    return world.around(following, world.sessions.index(following) - world.sessions.index(world.decided), 1)


@pytest.fixture(scope="module")
def ran(database: Database, world: World, days: list[date]) -> dict[str, Ran]:
    """What the evenings after the loss did, by account."""
    for name in ("P1", "P1+P4", "P4"):
        open_account(database, name, world.backtests[name], start=days[0])
        assert len(run(database, name, world.factors, days[3]).processed) == 4
    fail(database, world.factors["P1"])
    return {name: run(database, name, world.factors, days[-1]) for name in ("P1", "P1+P4", "P4")}


def fail(database: Database, factor: Factor) -> None:
    with database.write() as connection:
        given = {"version": factor.version, "code_hash": factor.code_hash, "params_hash": factor.params_hash}
        connection.execute(insert(canaries).values(factor=factor.name, passed=False, days=[], load_id=1, **given))


def account(database: Database, name: str) -> PaperAccount:
    with database.read() as connection:
        return paper.account(connection, name)


def test_it_is_closed_out_at_the_next_session(database: Database, ran: dict[str, Ran], days: list[date]) -> None:
    first, second, *_ = ran["P1"].processed
    assert (first.session, first.status, first.note) == (days[4], "closed", f"without P1: {WHY}")
    assert {order.reason for order in first.orders} == {f"P1 lost its approval: {WHY}"}
    assert {(order.company_id, -order.shares) for order in first.orders} == {
        (held.company_id, held.shares) for held in first.positions
    }
    assert len(second.fills) == len(first.orders) and not second.positions
    with database.read() as connection:
        reasons = connection.scalars(
            text("SELECT DISTINCT reason FROM paper_orders WHERE account_id = :account AND decided = :day"),
            {"account": account(database, "P1").account_id, "day": days[4]},
        )
        assert reasons.all() == [f"P1 lost its approval: {WHY}"]


def test_it_is_not_bought_again(ran: dict[str, Ran], days: list[date]) -> None:
    later = ran["P1"].processed[2:]
    assert [one.session for one in ran["P1"].processed] == days[4:]
    assert [one.status for one in later].count("closed") == 1  # at the month-end
    assert not any(one.orders or one.fills or one.positions for one in later)
    assert len({one.curve.equity[0] for one in later}) == 1


def test_the_others_are_traded_on(ran: dict[str, Ran], days: list[date]) -> None:
    """From the next session on the account of both holds what that of P4 alone would decide then."""
    first, second, *_ = ran["P1+P4"].processed
    assert (first.session, first.status, first.note) == (days[4], "rebalanced", f"without P1: {WHY}")
    assert {order.reason for order in first.orders} == {f"P1 lost its approval: {WHY}"}
    assert second.positions
    month_end = next(one for one in ran["P1+P4"].processed[1:] if one.status == "rebalanced")
    assert {order.reason for order in month_end.orders} == {"rebalance"}
    assert month_end.note == f"without P1: {WHY}"


def test_who_lost_nothing_goes_on(ran: dict[str, Ran], days: list[date]) -> None:
    assert {one.note for one in ran["P4"].processed} == {None}
    assert ran["P4"].processed[0].status == "held" and ran["P4"].processed[-1].positions


def test_it_is_said(database: Database, ran: dict[str, Ran], days: list[date]) -> None:
    assert status(database, "P1").lost == status(database, "P1+P4").lost == {"P1": WHY}


def test_the_backtester_makes_the_same_of_it(database: Database, ran: dict[str, Ran]) -> None:
    for name in ran:
        found = reconcile(database, name)
        assert found is not None and found.agrees, found
        assert max(abs(found.code), abs(found.timing), abs(found.revision), abs(found.cost)) < 0.005


def test_no_account_is_opened_on_it(database: Database, world: World, ran: dict[str, Ran]) -> None:
    with pytest.raises(RefusedError, match="may not be traded any more"):
        open_account(database, "late", world.backtests["P1"])
