"""The paper trader: what cron calls once an evening, and what survives whatever happens to the machine.

An evening is one transaction. Nothing is kept anywhere else, so a run that is killed at any point is run again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from nexus.db import evening, paper, tradable
from nexus.db.arrival import bars
from nexus.db.engine import Database
from nexus.db.evening import Evening
from nexus.errors import RefusedError
from nexus.paper.accounts import Trading, take
from nexus.paper.decide import needed_days, occasion
from nexus.paper.schedule import Schedule
from nexus.paper.scores import publish_missing
from nexus.paper.settle import settle
from nexus.paper.tape import Seen
from nexus.signals.scores import Scorable

ARRIVED = 0.9
"""Of the companies with a bar on a session before: with fewer, the prices of a session have not arrived."""
RECENT = 5
"""Sessions before, of which the fullest is what a session is compared with."""
PATIENCE = 12.0
"""Hours after a close until its prices are overdue."""


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
        take(guard, trading.account)
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
        silent = publish_missing(database, standing, needed_days(trading.schedule, trading.spec, day), factors)
        if silent and not as_is:
            return f"no scores of {', '.join(silent)}: what they are made of has not arrived"
        if silent:
            why = None
    before = Seen() if not past else Seen(past[-1].load_id)
    return settle(database, trading, day, state, why, Seen(), before)


def _missing(database: Database, schedule: Schedule, day: date) -> str | None:
    with database.read() as connection:
        *before, now = bars(connection, [*schedule.before(day, RECENT), day])
    if now and now >= ARRIVED * max(before):
        return None
    return f"prices of {now} companies have arrived, {max(before)} had one on a session before"
