"""How an account stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np

from nexus.db import paper, tradable
from nexus.db.engine import Database
from nexus.db.paper import Order, PaperAccount, Position
from nexus.paper.schedule import Schedule


@dataclass(frozen=True)
class Status:
    """An account after its last evening; equity is its capital before the first.

    replayed : evenings processed when the next session had opened already: a replay, no forecast
    due : sessions that have closed and were not processed
    lost : signals that may not be traded any more, and why
    """

    account: PaperAccount
    session: date | None
    equity: float
    cash: float
    costs: float
    evenings: int
    replayed: int
    positions: Sequence[Position]
    orders: Sequence[Order]
    due: Sequence[date]
    lost: Mapping[str, str]


def status(database: Database, name: str, today: date | None = None) -> Status:
    """The account of that name."""
    with database.read() as connection:
        return _status(database, paper.account(connection, name), today)


def statuses(database: Database, today: date | None = None) -> list[Status]:
    """All accounts, oldest first."""
    with database.read() as connection:
        accounts = paper.accounts(connection)
    return [_status(database, account, today) for account in accounts]


def _status(database: Database, account: PaperAccount, today: date | None) -> Status:
    schedule = Schedule.at(database, today)
    with database.read() as connection:
        state, past = paper.state(connection, account.account_id), paper.processed(connection, account.account_id)
        curve = paper.curve(connection, account.account_id)
        lost = tradable.lost(connection, account.backtest_id)
    last = past[-1].session if past else None
    due = schedule.due(last, account.opened_session) if account.closed_at is None else []
    return Status(
        account=account,
        session=last,
        equity=float(curve.equity[-1]) if past else account.capital,
        cash=account.capital if state is None else state.cash,
        costs=float(curve.costs.sum()),
        evenings=len(past),
        replayed=sum(bool(_instant(one.processed_at) >= schedule.reopens(one.session)) for one in past),
        positions=[] if state is None else state.positions,
        orders=[] if state is None else state.orders,
        due=due,
        lost=lost,
    )


def _instant(moment: datetime) -> np.datetime64:
    return np.datetime64(moment.astimezone(UTC).replace(tzinfo=None), "us")
