"""One evening: yesterday's orders filled at today's open, marked at the close, and new orders for the next open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np

from nexus.backtest import account as engine
from nexus.backtest.account import Rules
from nexus.backtest.costs import Liquidity
from nexus.backtest.market import Session
from nexus.db.curve import Curve
from nexus.db.evening import Change, Evening, Fill, NewOrder
from nexus.maths.types import Bools, Floats
from nexus.paper.book import Book

REBALANCE = "rebalance"


@dataclass(frozen=True)
class Decision:
    """Target weights decided at a close, (n_companies,), and what was known of each company then.

    reason : kept with each order
    note : kept with the evening
    """

    target: Floats
    liquidity: Liquidity
    reason: str = REBALANCE
    note: str | None = None


@dataclass(frozen=True)
class Told:
    """What goes into the row of an evening besides the account: the last load it read, and a benchmark's level."""

    session: date
    load_id: int
    code_version: str
    benchmark: float


@dataclass(frozen=True)
class _Day:
    """What a session did, before anything is decided; costs (4,) in the order of `costs.KINDS`."""

    book: Book
    fills: Sequence[Fill]
    filled: Bools
    traded: float
    costs: Floats


def opening(book: Book, told: Told, rules: Rules, decision: Decision | None) -> Evening:
    """The evening on which an account begins: nothing but cash, and maybe its first orders."""
    day = _Day(book, (), np.zeros(len(book.companies), np.bool_), 0.0, np.zeros(4))
    return _evening(book, day, told, rules, decision, "opened" if decision is None else _decided(decision))


def process(
    book: Book, late: Sequence[Session], session: Session, told: Told, rules: Rules, decision: Decision | None
) -> Evening:
    """Take an account through a session.

    late : what happened to shares on earlier sessions and became known only now, in order; it is applied to what the
        account holds now, and nothing is charged for it
    """
    day = _step(_told_late(book, late, rules), session, rules)
    return _evening(book, day, told, rules, decision, "held" if decision is None else _decided(decision))


def _decided(decision: Decision) -> str:
    return "rebalanced" if decision.target.any() else "closed"


def _told_late(book: Book, late: Sequence[Session], rules: Rules) -> Book:
    account, orders = book.account, book.orders
    for session in late:
        stepped = engine.step(account, session, orders, Rules(whole=rules.whole))
        account, orders = stepped.account, stepped.waiting
    return replace(book, account=account, orders=orders)


def _step(book: Book, session: Session, rules: Rules) -> _Day:
    stepped = engine.step(book.account, session, book.orders, rules)
    fills = stepped.fills
    columns = book.numbers[fills.column], fills.shares, fills.price, *fills.costs.T
    filled = np.zeros(len(book.companies), np.bool_)
    filled[fills.column] = True
    return _Day(
        replace(book, account=stepped.account, orders=stepped.waiting),
        [Fill(*row) for row in zip(*(column.tolist() for column in columns), strict=True)],
        filled,
        float(np.abs(fills.shares * fills.price).sum()),
        np.append(fills.costs.sum(axis=0), stepped.borrow),
    )


def _evening(before: Book, day: _Day, told: Told, rules: Rules, decision: Decision | None, status: str) -> Evening:
    return Evening(
        session=told.session,
        status=status,
        load_id=told.load_id,
        code_version=told.code_version,
        curve=_curve(before, day, told),
        positions=day.book.positions(),
        fills=day.fills,
        changes=_changes(before, day, lapse=decision is not None),
        orders=[] if decision is None else _orders(day.book, decision, rules),
        note=None if decision is None else decision.note,
    )


def _curve(before: Book, day: _Day, told: Told) -> Curve:
    account = day.book.account
    value = account.value
    return Curve(
        sessions=np.array([told.session], "datetime64[D]"),
        equity=np.array([account.equity]),
        cash=np.array([account.cash]),
        long=np.array([value[value > 0].sum()]),
        short=np.array([-value[value < 0].sum()]),
        pnl=np.array([account.equity - before.account.equity + day.costs.sum()]),
        traded=np.array([day.traded]),
        costs=day.costs[None, :],
        benchmark=np.array([told.benchmark]),
    )


def _changes(before: Book, day: _Day, lapse: bool) -> list[Change]:
    """What became of the open orders; one that only goes on waiting did not change."""
    changes = []
    for column in np.flatnonzero(before.numbers):
        left = float(day.book.orders.shares[column])
        if day.filled[column]:
            status = "filled"
        elif left == 0:
            status = "cancelled"
        elif lapse:
            status = "lapsed"
        elif left != before.orders.shares[column]:
            status = "open"
        else:
            continue
        changes.append(Change(int(before.numbers[column]), status, left))
    return changes


def _orders(book: Book, decision: Decision, rules: Rules) -> list[NewOrder]:
    made = engine.rebalance(book.account, decision.target, decision.liquidity, rules)
    return [
        NewOrder(
            int(book.companies[column]),
            float(made.shares[column]),
            decision.reason,
            *(_known(values[column]) for values in decision.liquidity),
        )
        for column in np.flatnonzero(made.shares)
    ]


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
