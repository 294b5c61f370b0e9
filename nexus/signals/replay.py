"""The gate as it would have decided on earlier days, from what was known then: nothing here is counted or recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

import numpy as np

from nexus.db.declared import Declared
from nexus.db.ledger import NEW_PERIODS
from nexus.db.panel import Ahead, Panel
from nexus.signals.decide import Decision, Look, approve, decide
from nexus.signals.judge import Judged, judge, wrong_since
from nexus.signals.labels import Labels
from nexus.signals.power import TARGETS, power
from nexus.signals.published import Published
from nexus.signals.rebalance import rebalance_dates
from nexus.signals.survey import labels_on

THREE_PER_CENT = TARGETS.index(0.03)
Progress = Callable[[Iterable[date]], Iterable[date]]


@dataclass
class _History:
    """Looks at one signal so far: by horizon the latest, when its run of approvals began, and with which sign."""

    looks: list[Look] = field(default_factory=list)
    latest: dict[int, Look] = field(default_factory=dict)
    seen_to: dict[int, np.datetime64] = field(default_factory=dict)
    since: dict[int, tuple[np.datetime64, float]] = field(default_factory=dict)


def replay(
    panel: Panel,
    signals: Mapping[int, Declared],
    scores: Published,
    days: Sequence[date],
    m: int,
    tiers: Mapping[int, str],
    progress: Progress = iter,
) -> dict[int, list[Decision | None]]:
    """Decide on each signal at the close of each day, as if the ledger had looked then and on the days before.

    signals, tiers : by declaration; the tier is that of the evaluation
    scores : on days that hold all rebalance dates of the signals
    days : sessions, ascending
    m : trials, today's
    Returns a decision for each day; None where there was nothing to judge yet. A day from which fewer than 12 new
    periods have come since the last look changes nothing, as in the ledger.
    """
    history = {number: _History() for number in signals}
    out: dict[int, list[Decision | None]] = {number: [] for number in signals}
    for day in progress(days):
        ahead = panel.ahead_as_of(day)
        grounds: dict[tuple[str, str, tuple[int, ...]], Labels | None] = {}
        for number, signal in signals.items():
            ground = signal.universe, signal.rebalance, signal.horizons
            if ground not in grounds:
                grounds[ground] = _labels(panel, ahead, scores, signal)
            labels = grounds[ground]
            if labels is not None:
                rows = np.searchsorted(scores.days, labels.dates)
                own, raw = scores.scores[number][rows], scores.raw[number][rows]
                for judged in judge(own, labels, signal.horizons, raw=raw):
                    _look(history[number], judged, signal, tiers[number], m)
            looks = history[number].looks
            out[number].append(decide(looks, m) if looks else None)
    return out


def _labels(panel: Panel, ahead: Ahead, scores: Published, signal: Declared) -> Labels | None:
    """Labels of the rebalance dates that were over and could be entered; None with fewer than two, or no member."""
    if ahead.market_last < 0:
        return None
    last = panel.sessions[ahead.market_last]
    dates = rebalance_dates(panel.sessions, last, signal.rebalance)
    dates = dates[(dates < last) & np.isin(dates, scores.days)]
    inside = scores.members[signal.universe][np.searchsorted(scores.days, dates)]
    if len(dates) < 2 or not inside.any():
        return None
    return labels_on(panel, ahead, dates, inside, signal.universe, signal.horizons)


def _look(history: _History, judged: Judged, signal: Declared, tier: str, m: int) -> None:
    """Add a look, if enough periods are new."""
    horizon, dates = judged.horizon, judged.gate_dates
    before = history.latest.get(horizon)
    if before is not None and (dates > history.seen_to[horizon]).sum() < NEW_PERIODS:
        return
    if not len(dates):
        return
    since = history.since.get(horizon)
    wrong = since is not None and wrong_since(dates, judged.gate_ic, *since)
    look = approve(
        replace(
            look_of(judged, m, 1 if before is None else before.look_no + 1, len(history.looks)),
            tier=tier,
            canary=signal.canary,
            wrong_since_approval=wrong,
        ),
        m,
        before,
    )
    if look.approved and (before is None or not before.approved):
        history.since[horizon] = dates[-1], float(np.sign(judged.gate_t or 0.0))
    history.looks.append(look)
    history.latest[horizon], history.seen_to[horizon] = look, dates[-1]


def look_of(judged: Judged, m: int, look_no: int = 1, order: int = 0) -> Look:
    """A look as far as the decision reads it, before anything is approved."""
    sd = np.array([np.nan if judged.gate_sd is None else judged.gate_sd])
    months = float(power(sd, np.array([judged.gate_n]), m).periods[THREE_PER_CENT][0])
    return Look(
        horizon=judged.horizon,
        look_no=look_no,
        order=order,
        gate_t=judged.gate_t,
        gate_p=judged.gate_p,
        null_low=judged.null_low,
        null_high=judged.null_high,
        coverage=judged.coverage_mean,
        names=judged.names_mean,
        months_03=None if np.isnan(months) else months,
        stable=judged.stable,
        sign_agrees=judged.sign_agrees,
        contaminated=judged.contaminated,
        suspect=judged.suspect,
    )
