"""Paper accounts: opened on a run that passed the gate, read back as of their last evening."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, text

from nexus.db.curve import CURVE, Curve, Trades
from nexus.db.engine import Writing, driver
from nexus.db.refusals import refusals
from nexus.errors import InputError

LOCK = 4201
"""First key of the advisory locks of accounts; the second is the account."""


@dataclass(frozen=True)
class PaperAccount:
    """A row of `paper_accounts`.

    spec : of its backtest, but for dates and capital
    opened_session : the first session it may process
    """

    account_id: int
    name: str
    backtest_id: int
    spec: Mapping[str, Any]
    capital: float
    opened_at: datetime
    opened_session: date
    closed_at: datetime | None
    closed_because: str | None


@dataclass(frozen=True)
class Processed:
    """An evening that was processed: status is opened, held, rebalanced or closed."""

    session: date
    status: str
    note: str | None
    load_id: int
    code_version: str
    processed_at: datetime


@dataclass(frozen=True)
class Order:
    """An order, to be filled at the next open there is.

    shares : as decided; negative: to sell
    dollar_volume, volatility : of the company, known at the decision; None unknown
    status : open, filled, lapsed (a later decision took its place) or cancelled (nothing is left to trade)
    open_shares : still to fill, restated for splits since the decision
    """

    order_no: int
    decided: date
    company_id: int
    shares: float
    reason: str
    dollar_volume: float | None
    volatility: float | None
    status: str
    open_shares: float
    ended: date | None


@dataclass(frozen=True)
class Position:
    """Shares held at a close (negative: sold short), and the last price of the company."""

    company_id: int
    shares: float
    price: float


@dataclass(frozen=True)
class State:
    """All that an account takes into its next session."""

    session: date
    cash: float
    positions: Sequence[Position]
    orders: Sequence[Order]

    @property
    def companies(self) -> set[int]:
        """Those it holds or has ordered."""
        return {one.company_id for one in self.positions} | {one.company_id for one in self.orders}


def try_lock(connection: Connection, account_id: int) -> bool:
    """Take the account for as long as this transaction lasts; False: another process has it."""
    return bool(connection.scalar(text("SELECT pg_try_advisory_xact_lock(:lock, :account)"), {
        "lock": LOCK, "account": account_id,
    }))  # fmt: skip


def open_account(
    connection: Writing, name: str, backtest_id: int, spec: Mapping[str, Any], capital: float, opened_session: date
) -> int:
    """Open an account and return its number.

    Raises
    ------
    RefusedError
        When the backtest is exploratory or of another spec, one of its signals does not stand today, or the name is
        taken.
    """
    values = {
        "name": name, "backtest_id": backtest_id, "spec": json.dumps(dict(spec), sort_keys=True), "capital": capital,
        "opened_session": opened_session,
    }  # fmt: skip
    with refusals():
        return int(connection.execute(_OPEN, values).scalar_one())


def close_account(connection: Writing, account_id: int, because: str) -> None:
    """Close an account for good; no session is processed after.

    Raises
    ------
    RefusedError
        When it is closed already.
    """
    with refusals():
        connection.execute(_CLOSE, {"account_id": account_id, "because": because})


def accounts(connection: Connection) -> list[PaperAccount]:
    """All accounts, oldest first."""
    return [PaperAccount(*row) for row in connection.execute(_ACCOUNTS)]


def account(connection: Connection, name: str) -> PaperAccount:
    """The account of that name.

    Raises
    ------
    InputError
        When there is none.
    """
    known = {one.name: one for one in accounts(connection)}
    if name not in known:
        raise InputError(f"account {name}: unknown ({', '.join(known) or 'none is open'}); see `nexus paper open`")
    return known[name]


def processed(connection: Connection, account_id: int) -> list[Processed]:
    """The evenings of an account, in order."""
    return [Processed(*row) for row in connection.execute(_PROCESSED, {"account": account_id})]


def state(connection: Connection, account_id: int) -> State | None:
    """The account after its last evening; None: it had none yet."""
    last = connection.execute(_LAST, {"account": account_id}).one_or_none()
    if last is None:
        return None
    return State(
        last.session, last.cash, positions(connection, account_id, last.session),
        [order for order in orders(connection, account_id) if order.status == "open"],
    )  # fmt: skip


def positions(connection: Connection, account_id: int, session: date) -> list[Position]:
    """What it held at the close of a session, by company."""
    return [Position(*row) for row in connection.execute(_POSITIONS, {"account": account_id, "session": session})]


def orders(connection: Connection, account_id: int) -> list[Order]:
    """Every order it made, in order."""
    return [Order(*row) for row in connection.execute(_ORDERS, {"account": account_id})]


def curve(connection: Connection, account_id: int) -> Curve:
    """Its account, evening by evening."""
    statement = f"SELECT {', '.join(CURVE)} FROM paper_equity WHERE account_id = %s ORDER BY session"
    return Curve.of(driver(connection).execute(statement.encode(), [account_id], binary=True).fetchall())


def trades(connection: Connection, account_id: int) -> Trades:
    """What it traded, in order of session, then company."""
    return Trades.of(driver(connection).execute(_TRADES, [account_id], binary=True).fetchall())


def _columns(row: type[Any]) -> str:
    return ", ".join(field.name for field in fields(row))


_OPEN = text(
    "INSERT INTO paper_accounts (name, backtest_id, spec, capital, opened_session) "
    "VALUES (:name, :backtest_id, CAST(:spec AS jsonb), :capital, :opened_session) RETURNING account_id"
)
_CLOSE = text("UPDATE paper_accounts SET closed_because = :because WHERE account_id = :account_id")
_ACCOUNTS = text(f"SELECT {_columns(PaperAccount)} FROM paper_accounts ORDER BY account_id")
_PROCESSED = text(f"SELECT {_columns(Processed)} FROM paper_sessions WHERE account_id = :account ORDER BY session")
_LAST = text("SELECT session, cash FROM paper_equity WHERE account_id = :account ORDER BY session DESC LIMIT 1")
_POSITIONS = text(
    f"SELECT {_columns(Position)} FROM paper_positions WHERE (account_id, session) = (:account, :session) "
    "ORDER BY company_id"
)
_ORDERS = text(f"SELECT {_columns(Order)} FROM paper_orders WHERE account_id = :account ORDER BY order_no")
_TRADES = (
    b"SELECT o.decided, f.session, o.company_id, f.shares, f.price, f.commission, f.spread, f.impact "
    b"FROM paper_fills f JOIN paper_orders o USING (account_id, order_no) WHERE f.account_id = %s "
    b"ORDER BY f.session, o.company_id"
)
