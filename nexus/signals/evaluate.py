"""Evaluate factors on the database: open the facts once, score, judge, count, say what the ledger concludes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from nexus.db.engine import Database
from nexus.db.panel import Panel
from nexus.maths.types import Floats
from nexus.settings import settings
from nexus.signals import exposures as exposed
from nexus.signals.exposures import Exposures
from nexus.signals.factor import Condition, Factor
from nexus.signals.ground import Choice, Ground
from nexus.signals.naming import signal_name
from nexus.signals.score_file import ScoreFactor
from nexus.signals.scores import Scorable, compute_scores, inputs_of, neutralised
from nexus.signals.survey import LABEL_INPUTS, ground, open_panel
from nexus.signals.sweep import Progress, Scored, sweep
from nexus.signals.trial import Judgement

HORIZONS = (21, 63, 126)


def evaluate(
    database: Database,
    factors: Iterable[Scorable],
    horizons: Sequence[int] = HORIZONS,
    *,
    universe: str | None = None,
    rebalance: str = "monthly",
    neutralise: str | None = None,
    condition: Condition | None = None,
    start: date | None = None,
    end: date | None = None,
    choice: Choice | None = None,
    progress: Progress = iter,
) -> list[Judgement]:
    """Judge factors at each horizon, append every evaluation, and return them with today's verdicts.

    horizons : in sessions
    universe : None: the setting's
    neutralise : another neutralisation than the factors' own, which makes other signals of them
    condition : (data, day) -> bool, in the factors' own file: judge them only where it holds
    start, end : a window of one's choice; the evaluations are then description, recorded and never a look
    choice : which facts are read, for a replay
    progress : wraps the factors as they are judged, for a progress bar

    Raises
    ------
    InputError
        When there are no prices, nobody is in the universe, or a factor cannot be computed.
    """
    universe = universe or settings().universe
    written = list(factors)
    chosen = [varied(factor, neutralise, condition) for factor in written]
    choice = replace(choice or Choice(), start=start, end=end)
    panel = open_panel(database, needed(chosen, universe), choice)
    made = ground(panel, universe, sorted(set(horizons)), rebalance, choice)
    names = [signal_name(factor, before, universe) for factor, before in zip(chosen, written, strict=True)]
    return sweep(database, made, score(panel, made, chosen, names), horizons, progress)


def evaluate_scores(
    database: Database, made: Ground, scored: Iterable[Scored], horizons: Sequence[int] = HORIZONS
) -> list[Judgement]:
    """The same for arrays of scores that are there already, such as a sweep of simulated noise."""
    return sweep(database, made, scored, horizons)


def varied(factor: Scorable, neutralise: str | None, condition: Condition | None) -> Scorable:
    """The factor with another neutralisation or condition."""
    changes: dict[str, Any] = {"neutralise": neutralise} if neutralise else {}
    if condition is not None and isinstance(factor, Factor):
        changes["condition"] = condition
    return replace(factor, **changes) if changes else factor


def needed(factors: Sequence[Scorable], universe: str) -> tuple[str, ...]:
    """Inputs of factors, their neutralisation, the universe and the labels."""
    return tuple(sorted({*inputs_of(factors, universe), *LABEL_INPUTS}))


def score(panel: Panel, made: Ground, factors: Sequence[Scorable], names: Sequence[str]) -> Iterator[Scored]:
    """Scores of each factor on a ground, one after another."""
    exposures: Exposures | None = None
    for factor, name in zip(factors, names, strict=True):
        scores = compute_scores(factor, panel, made.days, made.labels.members)
        if factor.neutralise != "none" and exposures is None:
            exposures = exposed.exposures(panel, made.days)
        residual = neutralised(scores, panel, exposures)
        yield scored(panel, made, factor, name, residual.values, scores.values)


def scored(panel: Panel, made: Ground, factor: Scorable, name: str, scores: Floats, raw: Floats) -> Scored:
    """Scores with the identity of their factor and the tier of all they were computed from."""
    by_hand = isinstance(factor, ScoreFactor)
    return Scored(
        signal=name,
        factor=factor.name,
        version=factor.version,
        code_hash=factor.code_hash,
        params_hash=factor.params_hash,
        neutralise=factor.neutralise,
        tier="C" if by_hand else panel.tier_of(needed([factor], made.universe)),
        scores=scores,
        raw=raw,
        params=factor.params,
        condition=factor.condition_name,
    )
