"""Paper accounts: opened on what passed, an evening once and whole."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import psycopg
import pytest
from clients import client, wait_for_lock, waiting
from ledger_rows import N, declaration, declare, look, months
from sqlalchemy import insert, text
from trading_rows import (
    CLOSED,
    CURVE,
    FILLED,
    FIRST,
    OPENED,
    SECOND,
    company,
    judged,
    only,
    recorded,
)

from nexus.db import admin, backtests, evening, paper, tradable
from nexus.db.backtests import Traded
from nexus.db.engine import Database, Writing
from nexus.db.evening import Change, Evening, Fill, NewOrder
from nexus.db.paper import Order, Position, State
from nexus.db.tables import canaries
from nexus.errors import DatabaseError, InputError, RefusedError


@pytest.fixture(scope="module")
def run(database: Database) -> int:
    company(database, "one", "two")
    return recorded(database, judged(database, "good"))


@pytest.fixture
def account(database: Database, run: int, request: pytest.FixtureRequest) -> int:
    return opened(database, run, request.node.name)


def opened(database: Database, run: int, name: str, **changes: object) -> int:
    with database.write() as connection:
        own = {**backtests.read(connection, run).backtest.spec, **changes}
        return paper.open_account(connection, name, run, own, 1000.0, FIRST)


def passed(database: Database, account: int, *evenings: Evening) -> None:
    for one in evenings:
        with database.write() as connection:
            evening.record(connection, account, one)


def test_evenings_come_back_as_they_were_written(database: Database, account: int) -> None:
    with database.read() as connection:
        assert paper.state(connection, account) is None
    passed(database, account, OPENED, FILLED)
    waits = Order(2, FIRST, 2, -4.0, "rebalance", None, None, "open", -8.0, None)
    with database.read() as connection:
        assert paper.state(connection, account) == State(SECOND, 1.0, FILLED.positions, [waits])
        done, sent = paper.processed(connection, account), paper.orders(connection, account)
        curve, trades = paper.curve(connection, account), paper.trades(connection, account)
        held = connection.scalar(text("SELECT value FROM paper_positions WHERE account_id = :a"), {"a": account})
    assert [(one.session, one.status, one.load_id) for one in done] == [(FIRST, "rebalanced", 7), (SECOND, "held", 8)]
    assert sent == [Order(1, FIRST, 1, 10.0, "rebalance", 1e6, 0.02, "filled", 0.0, SECOND), waits]
    assert curve.table().equals(CURVE.table().slice(0, 2)) and held == 110.0
    assert (trades.decided[0], trades.sessions[0]) == (np.datetime64(FIRST), np.datetime64(SECOND))
    assert (trades.companies[0], trades.shares[0], trades.price[0]) == (1, 10.0, 10.5)
    assert trades.costs.tolist() == [[0.1, 0.2, 0.3]]


def test_a_closed_account_stays_closed(database: Database, account: int) -> None:
    passed(database, account, OPENED, FILLED)
    with database.write() as connection:
        paper.close_account(connection, account, "enough")
    with pytest.raises(RefusedError, match=r"closed \(enough\)"):
        passed(database, account, CLOSED)
    with pytest.raises(RefusedError, match="closed once"), database.write() as connection:
        paper.close_account(connection, account, "again")
    with database.read() as connection:
        found = paper.account(connection, "test_a_closed_account_stays_closed")
    assert found.closed_because == "enough" and found.closed_at is not None and found.closed_at >= found.opened_at


@pytest.mark.parametrize("again", [OPENED, FILLED, replace(OPENED, session=date(2019, 12, 31))])
def test_no_session_is_processed_twice_or_backwards(database: Database, account: int, again: Evening) -> None:
    passed(database, account, OPENED, FILLED)
    again = replace(again, curve=replace(again.curve, sessions=np.array([again.session], "datetime64[D]")))
    before = rows(database, account)
    with pytest.raises(RefusedError, match="processed once, in order"):
        passed(database, account, again)
    assert rows(database, account) == before


def test_an_evening_that_fails_late_leaves_nothing(database: Database, account: int) -> None:
    passed(database, account, OPENED)
    before = rows(database, account)
    with pytest.raises(DatabaseError):
        passed(database, account, replace(FILLED, positions=[Position(1, 10.0, 11.0), Position(99, 1.0, 1.0)]))
    assert rows(database, account) == before
    passed(database, account, FILLED)


def test_the_curve_is_of_the_session(database: Database, account: int) -> None:
    with pytest.raises(InputError, match="give this session"):
        passed(database, account, replace(OPENED, curve=CURVE))


@pytest.mark.parametrize(
    ("fills", "changes", "why"),
    [
        ([FILLED.fills[0]] * 2, [], "uq_paper_fills_session"),
        ([replace(FILLED.fills[0], order_no=9)], [], "paper_orders"),
        ([replace(FILLED.fills[0], price=float("nan"))], [], "ck_paper_fills_price"),
        ([], [Change(1, "filled"), Change(1, "open", 5.0)], "only an open order changes"),
    ],
)
def test_no_fill_twice(database: Database, account: int, fills: list[Fill], changes: list[Change], why: str) -> None:
    passed(database, account, OPENED)
    with pytest.raises(RefusedError, match=why):
        passed(database, account, replace(FILLED, fills=fills, changes=changes))


def test_what_is_filled_is_not_filled_again(database: Database, account: int) -> None:
    passed(database, account, OPENED, FILLED)
    with pytest.raises(RefusedError, match=r"order 1 of account \d+: filled"):
        passed(database, account, replace(CLOSED, fills=FILLED.fills))


def test_an_order_is_not_filled_on_the_day_it_is_decided(database: Database, account: int) -> None:
    passed(database, account, OPENED)
    statement = text("INSERT INTO paper_fills VALUES (:a, 1, 1, :s, 1, 1, 0, 0, 0)")
    with pytest.raises(Exception, match="Known at the close"), database.write() as connection:
        connection.execute(statement, {"a": account, "s": FIRST})


def test_one_order_a_company_is_open(database: Database, account: int) -> None:
    passed(database, account, OPENED)
    with pytest.raises(RefusedError, match="uq_paper_orders_open"):
        passed(database, account, replace(FILLED, changes=[], fills=[], orders=[NewOrder(2, 1.0, "rebalance")]))


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO paper_orders (account_id, order_no, decided, company_id, shares, reason, open_shares) "
        "VALUES (%(a)s, 9, %(s)s, 1, 1, 'mine', 1)",
        "INSERT INTO paper_fills VALUES (%(a)s, 2, 9, %(s)s, 1, 1, 0, 0, 0)",
        "INSERT INTO paper_positions VALUES (%(a)s, %(s)s, 2, 1, 1, 1)",
        "INSERT INTO paper_equity VALUES (%(a)s, %(s)s, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0)",
    ],
)
def test_nothing_is_added_to_an_evening_later(database: Database, account: int, statement: str) -> None:
    passed(database, account, OPENED, replace(FILLED, curve=only(1)))
    refused = pytest.raises(psycopg.errors.IntegrityError, match=r"not opened by this transaction|duplicate key")
    with refused, client(database) as connection:
        connection.execute(statement.encode(), {"a": account, "s": SECOND})


@pytest.mark.parametrize("role", ["nexus_app", "owner"])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE paper_fills SET price = 1 WHERE account_id = %s",
        "UPDATE paper_positions SET shares = 1 WHERE account_id = %s",
        "UPDATE paper_equity SET equity = 1 WHERE account_id = %s",
        "UPDATE paper_sessions SET load_id = 1 WHERE account_id = %s",
        "UPDATE paper_orders SET shares = 1 WHERE account_id = %s",
        "UPDATE paper_accounts SET backtest_id = backtest_id + 1 WHERE account_id = %s",
        "UPDATE paper_accounts SET closed_at = NULL WHERE account_id = %s",
        "DELETE FROM paper_fills WHERE account_id = %s",
        "DELETE FROM paper_orders WHERE account_id = %s",
        "DELETE FROM paper_accounts WHERE account_id = %s",
    ],
)
def test_the_past_of_an_account_does_not_change(database: Database, account: int, statement: str, role: str) -> None:
    passed(database, account, OPENED, FILLED)
    refused = pytest.raises(psycopg.Error, match=r"insert-only|permission denied|nothing changes|only an open order")
    with refused, client(database, role) as connection:
        connection.execute(statement.encode(), [account])


def test_an_exploratory_run_opens_no_account(database: Database, run: int) -> None:
    seen = recorded(database, judged(database, "seen"), reason="only to look")
    with pytest.raises(RefusedError, match=r"backtest \d+ is EXPLORATORY \(only to look\)"):
        opened(database, seen, "exploratory")
    with pytest.raises(psycopg.errors.IntegrityError, match="EXPLORATORY"), client(database) as connection:
        connection.execute(
            "INSERT INTO paper_accounts (name, backtest_id, spec, capital, opened_session) "
            "SELECT 'raw', backtest_id, spec, 1, first_session FROM backtests WHERE backtest_id = %s", [seen]
        )  # fmt: skip


def test_an_account_trades_the_spec_of_its_run(database: Database, run: int) -> None:
    opened(database, run, "other dates", start="2021-01-01", end="2030-01-01", capital=5)
    for changes in ({"signals": [{"name": "other", "weight": 1.0}]}, {"universe": "MORE"}):
        with pytest.raises(RefusedError, match="its spec is not that of backtest"):
            opened(database, run, f"other {changes}", **changes)
    with pytest.raises(RefusedError, match="uq_paper_accounts_name"):
        opened(database, run, "other dates")


def test_an_account_on_a_later_look_that_approved_again_is_fine(database: Database, run: int) -> None:
    (hypothesis,) = declare(database, declaration("twice"))
    first = look(database, hypothesis)
    on_first = recorded(database, Traded(first.evaluation_id, "twice", "twice", "1", 1.0))
    assert look(database, hypothesis, dates=months(N + 12)).look_no == 2
    opened(database, on_first, "kept")


def test_a_signal_that_lost_its_approval_is_named_and_opens_nothing(database: Database, run: int) -> None:
    fading = recorded(database, judged(database, "fading"))
    with database.read() as connection:
        assert tradable.lost(connection, fading) == {}
    with database.write() as connection:
        given = {"version": "1", "code_hash": "code of fading", "params_hash": "none", "days": [], "load_id": 1}
        connection.execute(insert(canaries).values(factor="fading", passed=False, **given))
        assert tradable.lost(connection, fading) == {"fading": "rejected, the canary caught it reading the future"}
    with pytest.raises(RefusedError, match=r"signal fading.*not be traded any more.*canary"):
        opened(database, fading, "faded")


def test_an_unknown_account_is_named(database: Database, run: int) -> None:
    with pytest.raises(InputError, match="account nobody: unknown"), database.read() as connection:
        paper.account(connection, "nobody")


def test_one_process_holds_an_account(database: Database, account: int) -> None:
    with database.read() as one, database.read() as other:
        assert paper.try_lock(one, account) and paper.try_lock(other, account + 1)
        assert not paper.try_lock(other, account)
    with database.read() as other:
        assert paper.try_lock(other, account)


def test_two_clients_on_one_evening(database: Database, account: int) -> None:
    def second(connection: Writing) -> None:
        evening.record(connection, account, OPENED)

    with database.write() as first:
        evening.record(first, account, OPENED)
        late = waiting(database, second)
        wait_for_lock(database)
    with pytest.raises(RefusedError, match="processed once"):
        late.result(timeout=10)
    assert rows(database, account)["paper_orders"] == 2


def test_downgrade_says_why_not(database: Database, account: int) -> None:
    with pytest.raises(DatabaseError, match="there are paper accounts"):
        admin.downgrade(database, "0007")
    with database.read() as connection:
        assert paper.accounts(connection)


def rows(database: Database, account: int) -> dict[str, int]:
    """How many of each kind it has."""
    with database.read() as connection:
        return {
            table: connection.scalar(text(f"SELECT count(*) FROM {table} WHERE account_id = :a"), {"a": account}) or 0
            for table in ("paper_sessions", "paper_orders", "paper_fills", "paper_positions", "paper_equity")
        }
