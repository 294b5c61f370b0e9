"""One evening of a paper account, written in one transaction: all of it, once, or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

import numpy as np
import pyarrow as pa
from sqlalchemy import text

from nexus.db.copy import copy
from nexus.db.curve import Curve
from nexus.db.engine import Writing
from nexus.db.paper import Position
from nexus.db.refusals import refusals
from nexus.errors import InputError


@dataclass(frozen=True)
class Fill:
    """An order, or what was open of it, filled at the open of this session; the costs in cash."""

    order_no: int
    shares: float
    price: float
    commission: float
    spread: float
    impact: float


@dataclass(frozen=True)
class Change:
    """What became of an order that was open: its new status, and how many shares are still open, after splits."""

    order_no: int
    status: str
    open_shares: float = 0.0


@dataclass(frozen=True)
class NewOrder:
    """An order decided at this close; `reason` is kept in its row. See `paper.Order`."""

    company_id: int
    shares: float
    reason: str
    dollar_volume: float | None = None
    volatility: float | None = None


@dataclass(frozen=True)
class Evening:
    """What a session did to an account.

    status : opened, held, rebalanced or closed
    load_id : the highest load that was read
    curve : of this session alone
    changes : of the orders that were open before; one that is not named stays as it is
    """

    session: date
    status: str
    load_id: int
    code_version: str
    curve: Curve
    positions: Sequence[Position] = ()
    fills: Sequence[Fill] = ()
    changes: Sequence[Change] = ()
    orders: Sequence[NewOrder] = field(default=())
    note: str | None = None


def record(connection: Writing, account_id: int, evening: Evening) -> None:
    """Write an evening; it counts when the transaction commits.

    Raises
    ------
    RefusedError
        When the session was processed already or is earlier than the last, the account is closed, or an order that is
        filled is not open.
    """
    if evening.curve.sessions.tolist() != [evening.session]:
        raise InputError(
            f"evening {evening.session}: its curve is of {evening.curve.sessions.tolist()}; give this session"
        )
    key = {"account": account_id, "session": evening.session}
    with refusals():
        connection.execute(_SESSION, key | {
            "status": evening.status, "note": evening.note, "load_id": evening.load_id,
            "code_version": evening.code_version,
        })  # fmt: skip
        for statement, rows in ((_FILL, evening.fills), (_CHANGE, evening.changes)):
            if rows:
                connection.execute(statement, [key | vars(row) for row in rows])
        highest = int(connection.scalar(_HIGHEST, key) or 0)
        if evening.orders:
            numbered = enumerate(evening.orders, start=highest + 1)
            connection.execute(_ORDER, [key | {"order_no": number} | vars(order) for number, order in numbered])
    copy(connection, "paper_positions", _with_account(account_id, _positions(evening)))
    copy(connection, "paper_equity", _with_account(account_id, evening.curve.table()))


def _positions(evening: Evening) -> pa.Table:
    held = evening.positions
    shares, price = (np.array([getattr(one, name) for one in held], np.float64) for name in ("shares", "price"))
    return pa.table(
        {
            "session": pa.array([evening.session] * len(held), pa.date32()),
            "company_id": pa.array([one.company_id for one in held], pa.int32()),
            "shares": shares,
            "price": price,
            "value": shares * price,
        }
    )


def _with_account(account_id: int, rows: pa.Table) -> pa.Table:
    return rows.add_column(0, "account_id", pa.array(np.full(rows.num_rows, account_id, np.int32)))


_SESSION = text(
    "INSERT INTO paper_sessions (account_id, session, status, note, load_id, code_version) "
    "VALUES (:account, :session, :status, :note, :load_id, :code_version)"
)
_FILL = text(
    "INSERT INTO paper_fills (account_id, order_no, fill_no, session, shares, price, commission, spread, impact) "
    "SELECT :account, :order_no, (SELECT count(*) + 1 FROM paper_fills WHERE (account_id, order_no) = "
    "(:account, :order_no)), :session, :shares, :price, :commission, :spread, :impact"
)
_CHANGE = text(
    "UPDATE paper_orders SET status = :status, open_shares = :open_shares, "
    "ended = CASE WHEN :status <> 'open' THEN CAST(:session AS date) END "
    "WHERE (account_id, order_no) = (:account, :order_no)"
)
_HIGHEST = text("SELECT max(order_no) FROM paper_orders WHERE account_id = :account")
_ORDER = text(
    "INSERT INTO paper_orders "
    "(account_id, order_no, decided, company_id, shares, reason, dollar_volume, volatility, open_shares) VALUES "
    "(:account, :order_no, :session, :company_id, :shares, :reason, :dollar_volume, :volatility, :shares)"
)
