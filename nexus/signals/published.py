"""Signals as their published scores make them: read back, never computed again, and neutralised as they were judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nexus.db.declared import Declared
from nexus.db.engine import Database
from nexus.db.factor_values import read_scores
from nexus.db.panel import Panel
from nexus.db.sessions import read_sessions
from nexus.maths.types import Bools, Dates, Floats
from nexus.settings import settings
from nexus.signals import exposures as exposed
from nexus.signals.exposures import Exposures
from nexus.signals.scores import PRICED, members, residual


@dataclass(frozen=True)
class Published:
    """Scores of signals on days, among the members of each one's universe; NaN none.

    days : (n_days,), ascending
    raw, scores : by declaration, (n_days, n_companies), before and after its neutralisation
    members : by universe, the same shape
    exposures : None where neither a signal nor the caller needs them
    """

    days: Dates
    raw: Mapping[int, Floats]
    scores: Mapping[int, Floats]
    members: Mapping[str, Bools]
    exposures: Exposures | None


def inputs_of(signals: Mapping[int, Declared]) -> frozenset[str]:
    """What a panel must have been opened with to neutralise these signals and to know their members."""
    needed: set[str] = set()
    for signal in signals.values():
        needed.add("prices.close" if signal.universe == PRICED else f"universe_members.{signal.universe}")
        if signal.neutralise != "none":
            needed.update(exposed.INPUTS)
        if "sector" in signal.neutralise:
            needed.add(f"classifications.{settings().sectors}")
    return frozenset(needed)


def published(
    database: Database, panel: Panel, signals: Mapping[int, Declared], days: Dates, *, betas: bool = False
) -> Published:
    """Read the scores of signals as known at the close of each day.

    betas : whether exposures are wanted also where no signal needs them

    Raises
    ------
    InputError
        When a signal has published nothing, or something that is no number.
    """
    calendar = read_sessions(database, settings().calendar)
    closes = calendar.closes_at[np.searchsorted(calendar.days, days)]
    when = days.tolist()
    inside = {universe: members(panel, when, universe) for universe in {s.universe for s in signals.values()}}
    needed = betas or any(signal.neutralise != "none" for signal in signals.values())
    known = exposed.exposures(panel, when) if needed else None
    raw, scores = {}, {}
    for number, signal in signals.items():
        with database.read() as connection:
            found = read_scores(connection, signal.factor, signal.version, days, closes, panel.companies, panel.load_id)
        raw[number] = np.where(inside[signal.universe], found, np.nan)
        scores[number] = residual(raw[number], signal.neutralise, panel, when, known)
    return Published(days, raw, scores, inside, known)
