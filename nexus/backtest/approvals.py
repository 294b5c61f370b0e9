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

    years : whose decisions follow from the year-end before
    decisions : one for each year, None where there was nothing to judge yet
    """

    years: tuple[int, ...]
    decisions: Mapping[str, list[Decision | None]]

    def standing(self) -> dict[int, list[str]]:
        """Names of the signals that stood approved when each year began."""
        return {
            year: [name for name, found in self.decisions.items() if _approved(found[place])]
            for place, year in enumerate(self.years)
        }

    def on(self, name: str, days: Dates) -> Bools:
        """(n_days,), whether the signal may be traded on at each day."""
        approved = {year for year, found in zip(self.years, self.decisions[name], strict=True) if _approved(found)}
        return np.isin(days.astype("datetime64[Y]").astype(int) + 1970, sorted(approved))


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
    return Approvals(
        tuple(day.year + 1 for day in days), {name: decided[signal.declaration_no] for name, signal in signals.items()}
    )


def year_ends(sessions: Dates, end: date) -> list[date]:
    """Last session of each year that is over before `end`."""
    years = sessions.astype("datetime64[Y]")
    last = sessions[:-1][years[1:] != years[:-1]]
    before: list[date] = last[last < np.datetime64(end)].tolist()
    return before


def _approved(decision: Decision | None) -> bool:
    return decision is not None and decision.status == "approved"
