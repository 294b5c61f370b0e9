"""All figures of docs/method.md for one factor, on arrays: no database, no trial count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nexus.maths import inference
from nexus.maths.ic import rank_ic
from nexus.maths.ordered import Ordered
from nexus.maths.stats import moments, tranches
from nexus.maths.types import Bools, Dates, Floats, Ints
from nexus.signals.decide import COVERAGE, NAMES
from nexus.signals.describe import Picture
from nexus.signals.labels import Labels

LEAST_NAMES = 20
"""Names, and different scores, below which a date is dropped."""
CONTAMINATED_MEAN, CONTAMINATED_DATE, CONTAMINATED_NAMES = 0.5, 0.9, 50
SUSPECT_MEAN, SUSPECT_N = 0.15, 24
NOMINAL = 0.90
SINCE = 24
"""Periods since its approval before a signal can be retired for the wrong sign."""


@dataclass(frozen=True)
class Judged:
    """Figures of one factor at one horizon; None where a figure does not exist.

    The fields are columns of `factor_evaluations`. Series are in order of date, without NaN.
    """

    horizon: int
    dates: Dates
    ic: Floats
    gate_dates: Dates
    gate_ic: Floats
    ic_mean: float | None
    ic_sd: float | None
    hit_rate: float | None
    ic_mean_delisted_30: float | None
    t_plain: float | None
    t_newey_west: float | None
    t_ewc: float | None
    ewc_dof: int | None
    t_non_overlapping: float | None
    gate_mean: float | None
    gate_sd: float | None
    gate_t: float | None
    gate_p: float | None
    null_low: float | None
    null_high: float | None
    names_mean: float | None
    coverage_mean: float | None
    ties_mean: float | None
    leavers: int
    no_entry: int
    dropped_dates: int
    sign_agrees: bool
    stable: bool
    declining: bool
    contaminated: bool
    suspect: bool
    portfolio_n: int
    portfolio_mean: float | None
    portfolio_sd: float | None
    portfolio_skew: float | None
    portfolio_kurtosis: float | None
    details: dict[str, Any]

    @property
    def n(self) -> int:
        """Dates of the overlapping IC."""
        return len(self.dates)

    @property
    def gate_n(self) -> int:
        """Dates of the gate."""
        return len(self.gate_dates)


def judge(
    scores: Floats,
    labels: Labels,
    horizons: Sequence[int],
    *,
    raw: Floats | None = None,
    window: Bools | None = None,
) -> list[Judged]:
    """Judge one factor at each horizon.

    scores : (n_dates, n_companies), neutralised, NaN no opinion; read among the members only
    raw : the same before neutralisation, whose ties and different values count; None: `scores`
    window : (n_dates,), a window somebody chose; None: the look's own, from the earliest date on from which mean
        coverage reaches .90 and mean names 50, else from the first there is
    """
    usable = np.where(labels.entered & np.isfinite(scores), scores, np.nan)
    order = Ordered.of(usable)
    told = order if raw is None else Ordered.of(np.where(np.isfinite(usable), raw, np.nan))
    names, distinct, commonest = told.counts.astype(np.int64), told.distinct(), told.commonest()
    enough = (names >= LEAST_NAMES) & (distinct >= LEAST_NAMES)
    claimed = (labels.members & np.isfinite(scores)).any(axis=1)
    order = order.only(enough)
    centred = order.centred_ranks()
    ics = [order.rank_ic(labels.forward_order[horizon]) for horizon in horizons]
    picture = Picture.of(usable, centred, order.ranks(), labels)
    out = []
    for horizon, ic in zip(horizons, ics, strict=True):
        start = _start(labels, names, np.isfinite(ic)) if window is None else None
        inside = np.arange(len(ic)) >= start if start is not None else np.asarray(window)
        dropped = inside & claimed & ~enough & labels.forward[horizon].complete
        out.append(_judged(horizon, labels, usable, centred, ic, inside, dropped, names, commonest, picture))
    return out


def wrong_since(dates: Dates, gate_ic: Floats, since: np.datetime64, sign: float) -> bool:
    """Whether the gate series after `since` contradicts `sign` at one-sided p < .05, on at least 24 periods."""
    after = gate_ic[dates > since]
    if len(after) < SINCE:
        return False
    t = inference.plain_t(after) * sign
    return bool(t < 0 and inference.p_value(t, len(after) - 1) / 2 < 0.05)


def _start(labels: Labels, names: Ints, there: Bools) -> int:
    """First row of a look: nobody chooses it."""
    rows = np.flatnonzero(there)
    if not len(rows):
        return 0
    # means over [d, end] for every d at once
    tail = np.arange(len(rows), 0, -1)
    covered = np.cumsum(labels.coverage[rows][::-1])[::-1] / tail
    broad = np.cumsum(names[rows][::-1])[::-1] / tail
    good = np.flatnonzero((covered >= COVERAGE) & (broad >= NAMES))
    return int(rows[good[0]] if len(good) else rows[0])


def _judged(
    horizon: int,
    labels: Labels,
    scores: Floats,
    centred: Floats,
    ic: Floats,
    inside: Bools,
    dropped: Bools,
    names: Ints,
    commonest: Floats,
    picture: Picture,
) -> Judged:
    forward, overlap = labels.forward[horizon], labels.overlaps[horizon]
    kept = inside & np.isfinite(ic)
    series, dates = ic[kept], labels.dates[kept]
    books = centred if inside.all() else np.where(inside[:, None], centred, np.nan)
    gate = np.where(kept, ic, np.nan) if overlap == 1 else _calendar_time(books, overlap, labels)
    in_gate = np.isfinite(gate)
    gate_ic = gate[in_gate]
    mean, gate_mean = _mean(series), _mean(gate_ic)
    halves = inference.halves(gate_ic) if len(gate_ic) >= 4 else None
    return Judged(
        horizon=horizon,
        dates=dates,
        ic=series,
        gate_dates=labels.dates[in_gate],
        gate_ic=gate_ic,
        ic_mean=mean,
        ic_sd=_number(series.std(ddof=1)) if len(series) > 1 else None,
        hit_rate=_mean((series * np.sign(mean or 0.0) > 0).astype(np.float64)),
        ic_mean_delisted_30=_delisted(scores, ic, kept, kept & labels.unknown_delistings[horizon], forward.pessimistic),
        **_statistics(series, overlap),
        **_gate(gate_ic),
        names_mean=_mean(names[kept].astype(np.float64)),
        coverage_mean=_mean(labels.coverage[kept]),
        ties_mean=_mean(commonest[kept]),
        leavers=int(forward.leavers[kept].sum()),
        no_entry=int(forward.no_entry[kept].sum()),
        dropped_dates=int(dropped.sum()),
        sign_agrees=bool(mean is not None and gate_mean is not None and mean * gate_mean > 0),
        stable=halves is not None and halves.stable,
        declining=halves is not None and halves.declining,
        contaminated=_contaminated(series, names[kept]),
        suspect=len(series) >= SUSPECT_N and float(np.abs(series).mean()) >= SUSPECT_MEAN,
        **_portfolio(picture.weights, inside, overlap, labels, in_gate),
        details=picture.details(horizon, kept, in_gate, gate),
    )


def _calendar_time(books: Floats, overlap: int, labels: Labels) -> Floats:
    """As `ic.calendar_time_ic`, with the returns sorted already.

    books : (n_dates, n_companies), centred ranks of the scores
    """
    return Ordered.of(tranches(books, overlap)).rank_ic(labels.one_period_order)


def _statistics(series: Floats, overlap: int) -> dict[str, Any]:
    if len(series) < 2:
        return dict.fromkeys(("t_plain", "t_newey_west", "t_ewc", "ewc_dof", "t_non_overlapping"))
    ewc = inference.ewc_t(series)
    lags = min(overlap, len(series)) - 1
    return {
        "t_plain": _number(inference.plain_t(series)),
        "t_newey_west": _number(inference.newey_west_t(series, lags)),
        "t_ewc": _number(ewc.t),
        "ewc_dof": ewc.dof,
        "t_non_overlapping": _number(inference.non_overlapping_t(series, overlap)),
    }


def _gate(series: Floats) -> dict[str, Any]:
    if len(series) < 2:
        return {"gate_mean": _mean(series), **dict.fromkeys(("gate_sd", "gate_t", "gate_p", "null_low", "null_high"))}
    t = _number(inference.plain_t(series))
    interval = inference.mean_interval(series, NOMINAL)
    return {
        "gate_mean": _mean(series),
        "gate_sd": _number(series.std(ddof=1)),
        "gate_t": t,
        "gate_p": None if t is None else inference.p_value(t, len(series) - 1),
        "null_low": _number(interval.low),
        "null_high": _number(interval.high),
    }


def _portfolio(weights: Floats, inside: Bools, overlap: int, labels: Labels, in_gate: Bools) -> dict[str, Any]:
    """Moments of the canonical portfolio: `overlap` tranches of centred score ranks, dollar-neutral, gross 1 each."""
    held = weights if inside.all() else np.where(inside[:, None], weights, 0.0)
    earned = np.zeros(len(held))
    for lag in range(overlap):
        earned[lag:] += np.einsum("tc,tc->t", held[: len(held) - lag], labels.one_period_filled[lag:]) / overlap
    earned = earned[in_gate & labels.one_period.complete]
    if len(earned) < 2:
        return {"portfolio_n": len(earned)} | dict.fromkeys(
            ("portfolio_mean", "portfolio_sd", "portfolio_skew", "portfolio_kurtosis")
        )
    found = moments(earned)
    return {
        "portfolio_n": found.n,
        "portfolio_mean": _number(found.mean),
        "portfolio_sd": _number(found.sd),
        "portfolio_skew": _number(found.skew),
        "portfolio_kurtosis": _number(found.kurtosis),
    }


def _delisted(scores: Floats, ic: Floats, kept: Bools, unknown: Bools, pessimistic: Floats) -> float | None:
    """Mean IC had every unknown delisting lost 30 %; only dates with one are ranked again."""
    worst = ic.copy()
    if unknown.any():
        worst[unknown] = rank_ic(scores[unknown], pessimistic[unknown])
    return _mean(worst[kept])


def _contaminated(series: Floats, names: Ints) -> bool:
    if not len(series):
        return False
    size = np.abs(series)
    return bool(size.mean() >= CONTAMINATED_MEAN or ((size >= CONTAMINATED_DATE) & (names >= CONTAMINATED_NAMES)).any())


def _mean(values: Floats) -> float | None:
    return _number(float(values.sum()) / len(values)) if len(values) else None


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
