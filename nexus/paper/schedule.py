"""Which sessions an account has still to process, and at which closes it decides."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np

from nexus.backtest.inputs import decision_rows
from nexus.backtest.spec import Rule
from nexus.db.engine import Database
from nexus.db.sessions import Sessions, ensure_sessions
from nexus.errors import InputError
from nexus.settings import settings

DAY = timedelta(days=1)
AHEAD = timedelta(days=100)
"""A quarter is over once the calendar goes on beyond it."""


@dataclass(frozen=True)
class Schedule:
    """The calendar, and the moment it is looked at (UTC)."""

    calendar: Sessions
    now: np.datetime64

    @classmethod
    def at(cls, database: Database, today: date | None = None) -> Schedule:
        """Now; or, with `today`, the midnight that ends that day."""
        now = datetime.now(UTC) if today is None else datetime(today.year, today.month, today.day, tzinfo=UTC) + DAY
        calendar = ensure_sessions(database, settings().calendar, (now + AHEAD).date())
        return cls(calendar, np.datetime64(now.replace(tzinfo=None), "us"))

    def due(self, after: date | None, first: date) -> list[date]:
        """Sessions that have closed, in order: those after the last one processed, else from the account's first."""
        days = self.calendar.days
        begun = days >= np.datetime64(first) if after is None else days > np.datetime64(after)
        due: list[date] = days[begun & (self.calendar.closes_at <= self.now)].tolist()
        return due

    def opening(self) -> date:
        """The newest session whose close can still be traded on: the open after it lies ahead."""
        row = int(np.searchsorted(self.calendar.opens_at, self.now, "right")) - 1
        if row < 0:
            raise InputError(f"{self.now}: before the calendar's first session, {self.calendar.days[0]}")
        return self._day(row)

    def is_session(self, day: date) -> bool:
        """Whether the exchange is open on a day."""
        return bool((self.calendar.days == np.datetime64(day)).any())

    def before(self, day: date, many: int) -> list[date]:
        """So many sessions before one, in order."""
        row = int(np.searchsorted(self.calendar.days, np.datetime64(day)))
        before: list[date] = self.calendar.days[max(row - many, 0) : row].tolist()
        return before

    def reopens(self, day: date) -> np.datetime64:
        """When the session after one opens (UTC)."""
        row = int(np.searchsorted(self.calendar.days, np.datetime64(day)))
        return np.datetime64(self.calendar.opens_at[row + 1], "us")

    def decides(self, rule: Rule, day: date) -> bool:
        """Whether a rebalance rule decides at the close of a session."""
        return day in self.decisions(rule, day, day)

    def decisions(self, rule: Rule, first: date, last: date) -> list[date]:
        """Sessions from first to last, both counted, at whose close a rebalance rule decides."""
        days = self.calendar.days[decision_rows(self.calendar.days, rule, first, last + AHEAD)]
        decided: list[date] = days[days <= np.datetime64(last)].tolist()
        return decided

    def hours_since(self, day: date) -> float:
        """Hours since a session closed."""
        row = int(np.searchsorted(self.calendar.days, np.datetime64(day)))
        return float((self.now - self.calendar.closes_at[row]) / np.timedelta64(3600, "s"))

    def _day(self, row: int) -> date:
        day: date = self.calendar.days[row].item()
        return day
