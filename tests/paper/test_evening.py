"""Evenings worked by hand: three companies, prices one can check in the head."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from nexus.backtest.account import Rules
from nexus.backtest.costs import Costs, Liquidity
from nexus.backtest.market import Events, Market
from nexus.db.actions import DELISTING, DIVIDEND, SPLIT
from nexus.db.evening import Change, Evening, Fill, NewOrder
from nexus.db.paper import Order, Position, State
from nexus.errors import InputError
from nexus.paper.book import Book, last_closes
from nexus.paper.evening import Decision, Told, opening, process
from nexus.paper.reconcile import after
from nexus.paper.tape import Tape

NAN = np.nan
YESTERDAY, TODAY = date(2020, 1, 2), date(2020, 1, 3)
COMPANIES = np.array([7, 8, 9])
UNKNOWN = Liquidity(np.full(3, NAN), np.full(3, NAN))
RULES = Rules(Costs(commission=0.01))
TOLD = Told(TODAY, 12, "code", 3000.0)


def order(number: int, company: int, shares: float) -> Order:
    return Order(number, YESTERDAY, company, shares, "rebalance", None, None, "open", shares, None)


def state(positions: dict[int, tuple[float, float]], orders: list[Order], cash: float = 1000.0) -> State:
    return State(YESTERDAY, cash, [Position(company, *held) for company, held in positions.items()], orders)


def market(open: list[float], close: list[float], *events: tuple[int, int, float]) -> Market:
    """Two sessions of three companies that closed at 10 on the first; events (column, kind, value) on the second."""
    column, kind, value = zip(*events, strict=True) if events else ((), (), ())
    rows = np.full((2, 3), 10.0)
    opens, closes = rows.copy(), rows.copy()
    opens[1], closes[1] = open, close
    volume = np.where(np.isfinite(opens), 100.0, NAN)
    happened = Events.of(np.ones(len(column)), np.array(column), np.array(kind), np.array(value, np.float64))
    return Market(opens, closes, volume, happened)


def evening(traded: Market, before: State, decision: Decision | None = None, late: Market | None = None) -> Evening:
    book = Book.of(COMPANIES, before, last_closes(traded, 0))
    return process(book, [] if late is None else [late.session(1)], traded.session(1), TOLD, RULES, decision)


def test_an_order_is_filled_at_the_open_and_marked_at_the_close() -> None:
    made = evening(market([11, 10, 10], [12, 10, 10]), state({}, [order(4, 7, 20)]))
    assert made.fills == [Fill(4, 20.0, 11.0, pytest.approx(2.2), 0.0, 0.0)]
    assert made.changes == [Change(4, "filled", 0.0)]
    assert made.positions == [Position(7, 20.0, 12.0)]
    assert (made.session, made.status, made.load_id, made.code_version) == (TODAY, "held", 12, "code")
    curve = made.curve
    assert curve.cash[0] == pytest.approx(1000 - 220 - 2.2) and curve.equity[0] == pytest.approx(1017.8)
    assert (curve.long[0], curve.short[0], curve.traded[0], curve.benchmark[0]) == (240, 0, 220, 3000)
    assert curve.pnl[0] == pytest.approx(20) and curve.costs[0] == pytest.approx([2.2, 0, 0, 0])


def test_without_a_bar_it_waits_and_nothing_is_written_of_it() -> None:
    made = evening(market([NAN, 10, 10], [NAN, 10, 10]), state({}, [order(4, 7, 20)]))
    assert (made.fills, made.changes, made.positions) == ([], [], [])


def test_a_split_restates_what_waits() -> None:
    made = evening(market([NAN, 10, 10], [NAN, 10, 10], (0, SPLIT, 2.0)), state({}, [order(4, 7, 20)]))
    assert made.changes == [Change(4, "open", 40.0)]


def test_a_delisting_pays_and_cancels() -> None:
    before = state({7: (10.0, 10.0)}, [order(4, 7, 5)])
    made = evening(market([NAN, 10, 10], [NAN, 10, 10], (0, DELISTING, -0.3)), before)
    assert made.changes == [Change(4, "cancelled", 0.0)] and not made.positions
    assert made.curve.cash[0] == 1070 and made.curve.pnl[0] == -30


def test_what_still_waits_at_a_decision_lapses() -> None:
    before = state({8: (-5.0, 10.0)}, [order(4, 7, 20), order(5, 8, 1)])
    decision = Decision(np.array([0.5, 0, 0]), UNKNOWN, "because", "a note")
    made = evening(market([NAN, 10, 10], [NAN, 10, 10]), before, decision)
    assert made.changes == [Change(4, "lapsed", 20.0), Change(5, "filled", 0.0)]
    equity = 1000 - 50 - 0.1
    assert made.orders == [
        NewOrder(7, pytest.approx(equity / 20), "because"),
        NewOrder(8, 4.0, "because"),
    ]
    assert (made.status, made.note) == ("rebalanced", "a note")


def test_to_hold_nothing_is_to_close() -> None:
    made = evening(market([10, 10, 10], [10, 10, 10]), state({8: (-5.0, 10.0)}, []), Decision(np.zeros(3), UNKNOWN))
    assert made.status == "closed" and made.orders == [NewOrder(8, 5.0, "rebalance")]


def test_what_is_told_late_happens_first_and_costs_nothing() -> None:
    """A dividend of 1 and a split told today count for what is held today, at yesterday's prices."""
    late = market([NAN] * 3, [NAN] * 3, (0, DIVIDEND, 1.0), (0, SPLIT, 2.0))
    rules = replace(RULES, costs=replace(RULES.costs, borrow=2.52))
    book = Book.of(COMPANIES, state({7: (10.0, 10.0)}, [order(4, 7, 1)], cash=-100.0), np.full(3, 10.0))
    made = process(book, [late.session(1)], market([5, 10, 10], [5, 10, 10]).session(1), TOLD, rules, None)
    assert made.positions == [Position(7, 22.0, 5.0)] and made.fills[0].shares == 2.0
    assert made.curve.costs[0] == pytest.approx([0.1, 0, 0, 0.9])  # what was borrowed is -100 and the 10 that came
    assert made.curve.pnl[0] == pytest.approx(10)


def test_the_first_evening_is_cash() -> None:
    decided = Decision(np.array([0.5, 0, -0.5]), UNKNOWN)
    book = Book.opened(COMPANIES, 1000.0, np.full(3, 10.0))
    held, opened = opening(book, TOLD, RULES, None), opening(book, TOLD, RULES, decided)
    assert (held.status, opened.status) == ("opened", "rebalanced")
    assert [(made.curve.equity[0], made.curve.pnl[0], made.curve.costs.sum()) for made in (held, opened)] == [
        (1000, 0, 0)
    ] * 2
    assert opened.orders == [NewOrder(7, 50.0, "rebalance"), NewOrder(9, -50.0, "rebalance")]


def test_the_state_after_an_evening() -> None:
    before = state({8: (-5.0, 10.0)}, [order(4, 7, 20), order(5, 8, 1), order(6, 9, 2)])
    made = evening(market([NAN, 10, NAN], [NAN, 10, NAN], (2, SPLIT, 3.0)), before)
    left = after(before, made)
    assert (left.session, left.cash, left.positions) == (TODAY, made.curve.cash[0], made.positions)
    assert left.orders == [order(4, 7, 20), replace(order(6, 9, 2), open_shares=6.0)]
    decided = after(None, opening(Book.opened(COMPANIES, 1000.0, np.full(3, 10.0)), TOLD, RULES,
                                  Decision(np.array([0.5, 0, 0]), UNKNOWN)))  # fmt: skip
    assert [(one.order_no, one.company_id, one.open_shares, one.status) for one in decided.orders] == [
        (1, 7, 50.0, "open")
    ]


def test_marks_are_on_todays_basis() -> None:
    close = np.array([[10.0, 10, NAN], [NAN, NAN, NAN], [NAN, 6, NAN]])
    split = Events.of(np.array([1, 2]), np.array([0, 1]), np.array([SPLIT, SPLIT]), np.array([2.0, 2.0]))
    found = last_closes(Market(close, close, np.where(np.isfinite(close), 1.0, NAN), split), 2)
    np.testing.assert_array_equal(found, [5, 6, NAN])


def test_only_what_the_tape_of_before_did_not_tell_is_late() -> None:
    days = np.array(["2020-01-02", "2020-01-03"], "datetime64[D]")
    before = Tape(days, COMPANIES, market([10] * 3, [10] * 3, (0, DIVIDEND, 1.0)), NAN, 1)
    longer = np.full((3, 3), 10.0)
    told = Events.of(np.ones(2), np.array([0, 1]), np.full(2, DIVIDEND), np.array([1.0, 2.0]))
    now = Tape(np.append(days, np.datetime64("2020-01-06")), COMPANIES, Market(longer, longer, longer, told), NAN, 2)
    (late,) = now.told_late(before)
    np.testing.assert_array_equal(late.dividend, [0, 2, 0])
    assert not late.trades.any() and np.isnan(late.close).all()


def test_a_company_that_was_not_read_is_named() -> None:
    with pytest.raises(InputError, match="company 11"):
        Book.of(COMPANIES, state({11: (1.0, 1.0)}, []), np.full(3, 10.0))
