"""The paper trader: what cron calls once an evening, and what survives whatever happens to the machine.

An evening is one transaction. Nothing is kept anywhere else, so a run that is killed at any point is run again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from hashlib import sha256
from pathlib import Path

from sqlalchemy import Connection

import nexus
from nexus.backtest.run import code_hash
from nexus.backtest.spec import Spec
from nexus.db import backtests, evening, paper, tradable
from nexus.db.arrival import bars
from nexus.db.declared import Declared, declared
from nexus.db.engine import Database
from nexus.db.evening import Evening
from nexus.db.paper import PaperAccount, State
from nexus.errors import BusyError, InputError, RefusedError
from nexus.paper.book import Book, last_closes
from nexus.paper.decide import Occasion, Targets, decision, occasion, targets
from nexus.paper.evening import Told, opening, process
from nexus.paper.schedule import Schedule
from nexus.paper.scores import publish_missing
from nexus.paper.tape import LONG, SHORT, Seen, read_tape
from nexus.signals.scores import Scorable

ARRIVED = 0.9
"""Of the companies with a bar on the session before: with fewer, the prices of a session have not arrived."""
PATIENCE = 12.0
"""Hours after a close until its prices are overdue."""
OWN = ("start", "end", "capital")
"""Keys of a spec that an account has of its own."""


@dataclass(frozen=True)
class Waiting:
    """A session that cannot be processed yet, and whether that is late enough to alarm somebody."""

    session: date
    reason: str
    overdue: bool


@dataclass(frozen=True)
class Ran:
    """Evenings that were processed, oldest first, and what comes next and is not there yet."""

    account: str
    processed: Sequence[Evening]
    waiting: Waiting | None


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
        _take(connection, account)
        paper.close_account(connection, account.account_id, because)


def run(
    database: Database,
    name: str,
    factors: Mapping[str, Scorable],
    today: date | None = None,
    *,
    as_is: bool = False,
    patience: float = PATIENCE,
) -> Ran:
    """Process every session that has closed and was not processed, in order.

    factors : at hand, by name, for scores that are not published yet
    today : as if on the night of that day; default now
    as_is : also sessions whose prices have not arrived, with what is there
    patience : hours after a close until what is missing is overdue

    Raises
    ------
    BusyError
        When another run has the account.
    RefusedError
        When the account is closed, or the code of a factor is not what was judged.
    """
    trading = Trading.of(database, name, today)
    if trading.account.closed_at is not None:
        raise RefusedError(f"account {name}: closed ({trading.account.closed_because}); open another")
    done: list[Evening] = []
    with database.write() as guard:
        _take(guard, trading.account)
        with database.read() as connection:
            past = paper.processed(connection, trading.account.account_id)
        due = trading.schedule.due(past[-1].session if past else None, trading.account.opened_session)
        for day in due:
            made = _evening(database, trading, day, factors, as_is)
            if isinstance(made, str):
                overdue = trading.schedule.hours_since(day) > patience
                return Ran(name, done, Waiting(day, made, overdue))
            with database.write() as connection:
                evening.record(connection, trading.account.account_id, made)
            done.append(made)
    return Ran(name, done, None)


def settle(
    database: Database,
    trading: Trading,
    day: date,
    state: State | None,
    why: Occasion | None,
    seen: Seen,
    before: Seen,
) -> Evening:
    """What one session does to an account; nothing is written.

    why : there is a decision at the close
    seen : what is read; `before` what was read on the evening before
    """
    wanted = Targets.nothing()
    if why is not None:
        wanted = targets(database, trading.spec, trading.signals, day, frozenset(why.lost), seen)
        seen = Seen(wanted.load_id or seen.load_id, seen.as_of)
    own = set() if state is None else state.companies
    companies = own | set(wanted.companies.tolist())
    tape = read_tape(database, companies, day, seen, days=SHORT if why is None else LONG)
    decided = None if why is None else decision(tape, wanted, why)
    told = Told(day, tape.load_id, code_version(), tape.level)
    if state is None:
        marks = last_closes(tape.market, tape.row)
        return opening(Book.opened(tape.companies, trading.account.capital, marks), told, trading.spec.rules, decided)
    late = tape.told_late(read_tape(database, own, state.session, before)) if own else []
    book = Book.of(tape.companies, state, last_closes(tape.market, tape.row - 1))
    return process(book, late, tape.session(), told, trading.spec.rules, decided)


@cache
def code_version() -> str:
    """Release, and the digest of the code that trades."""
    own = b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))
    return f"{nexus.__version__}+{sha256(code_hash().encode() + own).hexdigest()[:12]}"


def _take(connection: Connection, account: PaperAccount) -> None:
    if not paper.try_lock(connection, account.account_id):
        raise BusyError(f"account {account.name}: another run has it; nothing was done here")


def _evening(
    database: Database, trading: Trading, day: date, factors: Mapping[str, Scorable], as_is: bool
) -> Evening | str:
    """The evening of a session, or why it must wait."""
    missing = None if as_is else _missing(database, trading.schedule, day)
    if missing:
        return missing
    number = trading.account.account_id
    with database.read() as connection:
        state, past = paper.state(connection, number), paper.processed(connection, number)
        lost = tradable.lost(connection, trading.account.backtest_id)
    why = occasion(trading.schedule, trading.spec, day, past, lost)
    if why is not None:
        standing = {name: signal for name, signal in trading.signals.items() if name not in lost}
        silent = publish_missing(database, standing, day, factors)
        if silent and not as_is:
            return f"no scores of {', '.join(silent)}: what they are made of has not arrived"
        if silent:
            why = None
    before = Seen() if not past else Seen(past[-1].load_id)
    return settle(database, trading, day, state, why, Seen(), before)


def _missing(database: Database, schedule: Schedule, day: date) -> str | None:
    with database.read() as connection:
        before, now = bars(connection, [schedule.before(day), day])
    if now and now >= ARRIVED * before:
        return None
    return f"prices of {now} companies have arrived, {before} had one on the session before"
