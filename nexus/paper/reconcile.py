"""An account against the backtester on the same days: where every dollar of the gap comes from.

The evenings are gone through again, first on what each could read then, then on what had become known by then whenever
it was loaded, last by the backtester on what is known today. Each step changes one thing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np

from nexus.backtest.engine import Plan
from nexus.backtest.engine import run as trade
from nexus.db import paper
from nexus.db.curve import Trades
from nexus.db.engine import Database
from nexus.db.evening import Evening
from nexus.db.paper import Order, Processed, State
from nexus.maths.types import Floats
from nexus.paper.accounts import Trading
from nexus.paper.decide import DECIDED, Occasion, left_out, targets
from nexus.paper.settle import code_version, settle
from nexus.paper.tape import LONG, Seen, Tape, read_tape

CENT = 0.005


@dataclass(frozen=True)
class Restated:
    """A fill whose session's open is another price today; the fill stays as it was."""

    session: date
    company_id: int
    shares: float
    price: float
    now: float


@dataclass(frozen=True)
class Reconciled:
    """Equity of the account less that of the backtester after the same session, and its parts, which add up to it.

    code : before costs, what another version of the code did to what the evenings read
    timing : before costs, what had happened by an evening and was loaded after it
    revision : before costs, what was restated after an evening
    cost : what the account paid less in costs
    changed_code : evenings processed by another version of the code than this one
    """

    session: date
    equity: float
    backtest: float
    code: float
    timing: float
    revision: float
    cost: float
    changed_code: int
    restated: Sequence[Restated]

    @property
    def gap(self) -> float:
        """The sum of the parts."""
        return self.equity - self.backtest

    @property
    def agrees(self) -> bool:
        """To the cent."""
        return abs(self.gap) < CENT


@dataclass(frozen=True)
class _Outcome:
    """Equity at the end, and all costs until then."""

    equity: float
    costs: float

    @property
    def gross(self) -> float:
        return self.equity + self.costs


def reconcile(database: Database, name: str) -> Reconciled | None:
    """Compare an account with the backtester; None: it has processed no evening yet."""
    trading = Trading.of(database, name)
    number = trading.account.account_id
    with database.read() as connection:
        past, curve = paper.processed(connection, number), paper.curve(connection, number)
        trades = paper.trades(connection, number)
    if not past:
        return None
    account = _of(curve.equity, curve.costs)
    same_facts = _again(database, trading, past, lambda one: Seen(one.load_id))
    same_time = _again(database, trading, past, lambda one: Seen(None, one.processed_at))
    backtest, restated = _backtest(database, trading, past, trades)
    return Reconciled(
        session=past[-1].session,
        equity=account.equity,
        backtest=backtest.equity,
        code=account.gross - same_facts.gross,
        timing=same_facts.gross - same_time.gross,
        revision=same_time.gross - backtest.gross,
        cost=backtest.costs - account.costs,
        changed_code=sum(one.code_version != code_version() for one in past),
        restated=restated,
    )


def _of(equity: Floats, costs: Floats) -> _Outcome:
    return _Outcome(float(equity[-1]), float(costs.sum()))


def _again(
    database: Database, trading: Trading, past: Sequence[Processed], seen: Callable[[Processed], Seen]
) -> _Outcome:
    """Go through the evenings again, each on what `seen` says."""
    state, before, costs, equity = None, Seen(), 0.0, trading.account.capital
    for one in past:
        why = Occasion(dict.fromkeys(left_out(one.note, trading.spec), "")) if one.status in DECIDED else None
        made = settle(database, trading, one.session, state, why, seen(one), before)
        state, before = after(state, made), seen(one)
        costs, equity = costs + float(made.curve.costs.sum()), float(made.curve.equity[0])
    return _Outcome(equity, costs)


def after(state: State | None, made: Evening) -> State:
    """The account after an evening that is not in the database; open orders keep numbers of their own."""
    orders = {} if state is None else {one.order_no: one for one in state.orders}
    for change in made.changes:
        if change.status == "open":
            orders[change.order_no] = replace(orders[change.order_no], open_shares=change.open_shares)
        else:
            del orders[change.order_no]
    for number, new in enumerate(made.orders, start=max(orders, default=0) + 1):
        orders[number] = Order(
            number, made.session, new.company_id, new.shares, new.reason, new.dollar_volume, new.volatility, "open",
            new.shares, None,
        )  # fmt: skip
    return State(made.session, float(made.curve.cash[0]), made.positions, list(orders.values()))


def _backtest(
    database: Database, trading: Trading, past: Sequence[Processed], trades: Trades
) -> tuple[_Outcome, list[Restated]]:
    """The backtester on the account's decisions and today's facts; and fills at prices that are others now."""
    decided = [one for one in past if one.status in DECIDED]
    if not decided:
        return _Outcome(trading.account.capital, 0.0), []
    wanted = [
        targets(database, trading.spec, trading.signals, one.session, left_out(one.note, trading.spec), Seen())
        for one in decided
    ]
    companies = set(trades.companies.tolist()).union(*(one.companies.tolist() for one in wanted))
    span = (past[-1].session - decided[0].session).days
    tape = read_tape(database, companies, past[-1].session, Seen(), days=span + LONG)
    weights = np.zeros((len(decided), len(tape.companies)))
    for row, one in zip(weights, wanted, strict=True):
        row[np.searchsorted(tape.companies, one.companies)] = one.weights
    rows = np.searchsorted(tape.sessions, np.array([one.session for one in decided], "datetime64[D]"))
    result = trade(tape.market, Plan(rows, weights), trading.spec.rules, trading.account.capital)
    return _of(result.equity, result.costs), _restated(tape, trades)


def _restated(tape: Tape, trades: Trades) -> list[Restated]:
    rows = np.searchsorted(tape.sessions, trades.sessions)
    columns = np.searchsorted(tape.companies, trades.companies)
    now = tape.market.open[rows, columns]
    changed = np.flatnonzero(now != trades.price)
    cells = trades.sessions, trades.companies, trades.shares, trades.price, now
    return [Restated(*row) for row in zip(*(cell[changed].tolist() for cell in cells), strict=True)]
