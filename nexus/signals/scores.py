"""Scores of a factor on days, over a universe, and what is left of them beyond beta, volatility and sector."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np

from nexus.db.panel import Observations, Panel, View
from nexus.errors import InputError, NexusError
from nexus.maths.stats import residualise
from nexus.maths.types import Bools, Floats, Ints
from nexus.settings import settings
from nexus.signals import exposures as exposed
from nexus.signals.exposures import Exposures
from nexus.signals.factor import Factor
from nexus.signals.score_file import ScoreFactor
from nexus.signals.user import line_in

Scorable = Factor | ScoreFactor
Progress = Callable[[Iterable[date]], Iterable[date]]

PRICED = "priced"
"""A universe without membership spells: whoever has a bar that day. It knows survivors only."""
WARM_UP_DAYS = 800
"""Calendar days that a panel should begin before the first day, for windows of two years."""


@dataclass(frozen=True)
class Scores:
    """Of one factor; NaN: no opinion, outside the universe on that day, or the factor's condition does not hold.

    days : (n_days,)
    companies : (n_companies,)
    values : (n_days, n_companies)
    holds : (n_days,), whether the factor's condition holds; all True without one
    """

    factor: Scorable
    days: tuple[date, ...]
    companies: Ints
    values: Floats
    holds: Bools


def inputs_of(factors: Iterable[Scorable], universe: str) -> tuple[str, ...]:
    """What a panel must have been opened with to score, neutralise and restrict these factors."""
    needed: set[str] = {"prices.close"} if universe == PRICED else {f"universe_members.{universe}"}
    for factor in factors:
        needed.update(factor.inputs)
        if factor.neutralise != "none":
            needed.update(exposed.INPUTS)
        if "sector" in factor.neutralise:
            needed.add(f"classifications.{settings().sectors}")
    return tuple(sorted(needed))


def members(panel: Panel, days: Sequence[date], universe: str) -> Bools:
    """Who is in the universe on each day, as known at its close. (n_days, n_companies)."""
    inside = [_members(panel.at(day), universe) for day in days]
    return np.array(inside, bool).reshape(len(days), len(panel.companies))


def compute_scores(
    factor: Scorable, panel: Panel, days: Sequence[date], universe: str | Bools, progress: Progress = iter
) -> Scores:
    """Ask the factor for its scores on each day.

    universe : its name, or the array that `members` gave for the same days
    progress : wraps the days as they are worked through, for a progress bar

    Raises
    ------
    InputError
        When the factor raises or gives something else than one number per company: with its file and line.
    """
    data = panel.blind(factor.inputs)
    inside = members(panel, days, universe) if isinstance(universe, str) else universe
    values = np.full((len(days), len(panel.companies)), np.nan)
    holds = np.ones(len(days), bool)
    for row, day in enumerate(progress(days)):
        values[row], holds[row] = _score(factor, data, day, len(panel.companies))
    return Scores(factor, tuple(days), panel.companies, np.where(inside, values, np.nan), holds)


def neutralised(scores: Scores, panel: Panel, known: Exposures | None = None) -> Scores:
    """The residual score ranks by the factor's `neutralise`; the scores themselves where it is "none".

    known : what `exposures` gave for the same panel and days, where it is at hand already
    """
    how = scores.factor.neutralise
    return scores if how == "none" else replace(scores, values=residual(scores.values, how, panel, scores.days, known))


def residual(
    values: Floats, neutralise: str, panel: Panel, days: Sequence[date], known: Exposures | None = None
) -> Floats:
    """The same for an array of scores, (n_days, n_companies)."""
    if neutralise == "none":
        return values
    known = known or exposed.exposures(panel, days)
    regressors = [known.beta, *([known.volatility] if "volatility" in neutralise else [])]
    groups = sectors(panel, days) if "sector" in neutralise else None
    return residualise(values, np.stack(regressors, axis=2), groups)


def sectors(panel: Panel, days: Sequence[date]) -> Ints:
    """Number of each company's sector as known on each day, -1 unknown. (n_days, n_companies)."""
    codes = [panel.at(day).sector(settings().sectors) for day in days]
    return np.array(codes, np.int64).reshape(len(days), len(panel.companies))


def _members(view: View, universe: str) -> Bools:
    return np.isfinite(view.prices("close", 1)[-1]) if universe == PRICED else view.members(universe)


def _score(factor: Scorable, data: Observations, day: date, n_companies: int) -> tuple[Floats, bool]:
    nothing = np.full(n_companies, np.nan)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            # a mean over a company without any value is NaN: no opinion, and no news
            warnings.simplefilter("ignore", RuntimeWarning)
            if factor.condition is not None and not factor.condition(data, day):
                return nothing, False
            scores = np.asarray(factor.scores(data, day), np.float64)
    except Exception as error:
        kind = "" if isinstance(error, NexusError) else f"{type(error).__name__}: "
        raise InputError(f"{line_in(factor.file, error)}, factor {factor.name} on {day}: {kind}{error}") from error
    if scores.shape != (n_companies,):
        raise InputError(
            f"{factor.file}, factor {factor.name} on {day}: compute gave shape {scores.shape}; "
            f"return one score per company, ({n_companies},)"
        )
    return np.where(np.isfinite(scores), scores, np.nan), True
