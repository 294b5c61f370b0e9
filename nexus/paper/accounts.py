"""Accounts: opened on a run that passed the gate, held by one process at a time, closed for good."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection

from nexus.backtest.spec import Spec
from nexus.db import backtests, paper, tradable
from nexus.db.declared import Declared, declared
from nexus.db.engine import Database
from nexus.db.paper import PaperAccount
from nexus.errors import BusyError, InputError
from nexus.paper.schedule import Schedule

OWN = ("start", "end", "capital")
"""Keys of a spec that an account has of its own."""


@dataclass(frozen=True)
class Trading:
    """An account and what it trades on.

    signals : by the name that the spec gives them
    """

    account: PaperAccount
    spec: Spec
    signals: Mapping[str, Declared]
    schedule: Schedule

    @classmethod
    def of(cls, database: Database, name: str, today: date | None = None) -> Trading:
        """The account of that name."""
        schedule = Schedule.at(database, today)
        with database.read() as connection:
            account = paper.account(connection, name)
            run = backtests.read(connection, account.backtest_id)
            names = [signal.signal for signal in run.signals]
            chosen = tradable.signals(connection, names, exploratory=True)
            found = declared(connection, [one.verdict.declaration_no for one in chosen])
        span = {"start": run.backtest.spec["start"], "end": schedule.calendar.days[-1].item()}
        spec = Spec.of({**account.spec, **span, "capital": account.capital})
        return cls(account, spec, {one.name: found[one.verdict.declaration_no] for one in chosen}, schedule)


def open_account(
    database: Database, name: str, backtest_id: int, capital: float | None = None, start: date | None = None
) -> PaperAccount:
    """Open an account on a recorded run.

    capital : default the run's
    start : the first session it processes; default the newest whose close can still be traded on. An earlier one makes
        of the account a replay

    Raises
    ------
    RefusedError
        When the run is exploratory, one of its signals does not stand today, or the name is taken.
    InputError
        When the run is unknown, its decisions are days of its own, or `start` is no session.
    """
    schedule = Schedule.at(database)
    with database.read() as connection:
        run = backtests.read(connection, backtest_id)
    spec = Spec.of(run.backtest.spec)
    if not isinstance(spec.rebalance, str):
        raise InputError(f"backtest {backtest_id}: it decides on days of its own; run it again with a rebalance rule")
    if start is not None and not schedule.is_session(start):
        raise InputError(f"start {start}: not a session; name one")
    own = {key: value for key, value in run.backtest.spec.items() if key not in OWN}
    money = spec.capital if capital is None else capital
    if not 0 < money < float("inf"):
        raise InputError(f"capital {money}: give a positive amount")
    with database.write() as connection:
        paper.open_account(connection, name, backtest_id, own, money, start or schedule.opening())
    with database.read() as connection:
        return paper.account(connection, name)


def close_account(database: Database, name: str, because: str) -> None:
    """Close an account for good: no evening is processed after, and what it holds stays at its last price.

    Raises
    ------
    BusyError
        When a run has the account.
    RefusedError
        When it is closed already.
    """
    with database.write() as connection:
        account = paper.account(connection, name)
        take(connection, account)
        paper.close_account(connection, account.account_id, because)


def take(connection: Connection, account: PaperAccount) -> None:
    """Take an account for as long as the transaction lasts; BusyError where another process has it."""
    if not paper.try_lock(connection, account.account_id):
        raise BusyError(f"account {account.name}: another run has it; nothing was done here")
