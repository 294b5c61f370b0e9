"""When each signal of a spec may be traded: always, or in the years before which the gate would have let it through."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

import numpy as np

from nexus.backtest.read import Read
from nexus.db.declared import Declared
from nexus.maths.types import Bools, Dates
from nexus.signals.decide import Decision
from nexus.signals.replay import replay

Mode = Literal["as_approved", "fixed"]
Progress = Callable[[Iterable[date]], Iterable[date]]


@dataclass(frozen=True)
class Approvals:
    """What the gate would have decided at each year-end, by the name that the spec gives a signal.

    days : (n,), last sessions of years; what stood at their close is traded from that close on, for a year
    decisions : n of each signal, None where there was nothing to judge yet
    """

    days: Dates
    decisions: Mapping[str, list[Decision | None]]

    def standing(self) -> dict[str, list[str]]:
        """Names of the signals that stood approved as each year began, by year."""
        years = (self.days.astype("datetime64[Y]") + 1).astype(str).tolist()
        return {
            year: [name for name, found in self.decisions.items() if _approved(found[place])]
            for place, year in enumerate(years)
        }

    def on(self, name: str, days: Dates) -> Bools:
        """(n_days,), whether the signal may be traded on at the close of each day."""
        approved = np.array([False, *(_approved(found) for found in self.decisions[name])])
        return np.asarray(approved[np.searchsorted(self.days, days, side="right")])


def replayed(
    found: Read, signals: Mapping[str, Declared], tiers: Mapping[str, str], m: int, end: date, progress: Progress = iter
) -> Approvals:
    """Judge the signals again at each year-end before `end`, at M trials, on what was known then.

    found : as read with `judged`
    """
    days = year_ends(found.inputs.sessions, end)
    by_number = {signal.declaration_no: signal for signal in signals.values()}
    grades = {signal.declaration_no: tiers[name] for name, signal in signals.items()}
    decided = replay(found.panel, by_number, found.scores, days, m, grades, progress)
    decisions = {name: decided[signal.declaration_no] for name, signal in signals.items()}
    return Approvals(np.array(days, "datetime64[D]"), decisions)


def year_ends(sessions: Dates, end: date) -> list[date]:
    """Last session of each year that is over before `end`."""
    years = sessions.astype("datetime64[Y]")
    last = sessions[:-1][years[1:] != years[:-1]]
    before: list[date] = last[last < np.datetime64(end)].tolist()
    return before


def _approved(decision: Decision | None) -> bool:
    return decision is not None and decision.status == "approved"
