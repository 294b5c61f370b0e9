"""What is printed beside a verdict and decides nothing: quantiles, decay, turnover, sub-periods, regimes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from nexus.maths.stats import monotonicity
from nexus.maths.types import Bools, Floats, Ints
from nexus.signals.labels import Labels

QUANTILES = 5
DECAY = 6
"""Periods after each date over which the IC is followed, one disjoint window each."""


@dataclass(frozen=True)
class Picture:
    """What the descriptions of all horizons share.

    scores : (n_dates, n_companies), 0 without one and on dropped dates
    centred : the same of the centred score ranks
    weights : the same of the canonical portfolio's
    scored : (n_dates, n_companies), 1 with a score, else 0
    cell : (n_dates, n_companies), (date, quantile of the score), numbered
    names : (n_dates, QUANTILES + 1), how many in each cell; NaN for none
    decay : (n_dates - k,) for k = 0, 1, ..: correlation of score ranks with return ranks of the k-th period
    autocorrelation, turnover : (n_dates,)
    """

    labels: Labels
    scores: Floats
    centred: Floats
    weights: Floats
    scored: Floats
    cell: Ints
    names: Floats
    decay: list[Floats]
    autocorrelation: Floats
    turnover: Floats

    @classmethod
    def of(cls, scores: Floats, centred: Floats, ranked: Floats, labels: Labels) -> Picture:
        """Compute what does not depend on the horizon.

        scores, centred, ranked : (n_dates, n_companies), with their `centred_ranks` and `ranks`, NaN on dropped dates
        """
        there = np.isfinite(ranked)
        filled, known = np.nan_to_num(centred), there.astype(np.float64)
        gross = np.abs(filled).sum(axis=1, keepdims=True)
        weights = filled / np.where(gross > 0, gross, np.nan)
        turnover, autocorrelation = np.full(len(scores), np.nan), np.full(len(scores), np.nan)
        turnover[1:] = 0.5 * np.abs(np.diff(weights, axis=0)).sum(axis=1)
        squares = filled**2
        autocorrelation[1:] = _correlation(filled[1:], squares[1:], known[1:], filled[:-1], squares[:-1], known[:-1])
        later, later_squares, entered = labels.one_period_ranked
        n = len(filled)
        decay = [
            _correlation(
                filled[: n - lag], squares[: n - lag], known[: n - lag], later[lag:], later_squares[lag:], entered[lag:]
            )
            for lag in range(min(DECAY, n))
        ]
        cell = _quantiles(ranked)
        names = np.bincount(cell.ravel(), minlength=n * (QUANTILES + 1)).reshape(n, -1)
        return cls(
            labels, np.where(there, scores, 0.0), filled, weights, known, cell, np.where(names > 0, names, np.nan),
            decay, autocorrelation, turnover,
        )  # fmt: skip

    def details(self, horizon: int, kept: Bools, in_gate: Bools, gate: Floats) -> dict[str, Any]:
        """Plain values for `factor_evaluations.details`.

        kept : (n_dates,), dates of the overlapping IC
        in_gate, gate : (n_dates,), dates and values of the gate series
        """
        forward = self.labels.forward_filled[horizon]
        quantiles = self._quantile_returns(forward)[kept]
        means = [_mean(column) for column in quantiles.T]
        return {
            "pearson_ic": _mean(_pearson(self.scores, forward, self.scored)[kept]),
            "quantile_returns": means,
            "monotonicity": _monotonicity(means),
            "spread": _mean(quantiles[:, -1] - quantiles[:, 0]),
            "decay": [_mean(ic[kept[: len(ic)]]) for ic in self.decay],
            "rank_autocorrelation": _mean(self.autocorrelation[kept]),
            "turnover": _mean(self.turnover[kept]),
            "overlap": self.labels.overlaps[horizon],
            "spilling_windows": self.labels.spilling[horizon],
            "gap": self.labels.gap,
            "sub_periods": self._sub_periods(in_gate, gate),
            "regimes": {name: self._regime(inside, in_gate, gate) for name, inside in self.labels.regimes.items()},
        }

    def _quantile_returns(self, forward: Floats) -> Floats:
        """Mean return of each quantile, (n_dates, QUANTILES); NaN for one without names."""
        cells = len(forward) * (QUANTILES + 1)
        sums = np.bincount(self.cell.ravel(), forward.ravel(), minlength=cells).reshape(len(forward), -1)
        return np.asarray((sums / self.names)[:, :QUANTILES])

    def _sub_periods(self, in_gate: Bools, gate: Floats) -> list[dict[str, Any]]:
        """Of each five years, by the calendar, that has dates of the gate."""
        rows = np.flatnonzero(in_gate)
        starts = np.flatnonzero(np.diff(self.labels.stretch[rows], prepend=-1))
        dates, edges = self.labels.dates, [*rows[starts], len(gate)]
        return [
            {"from": str(dates[inside[0]]), "to": str(dates[inside[-1]]), **_summary(gate[inside])}
            for start, stop in pairwise(edges)
            for inside in [rows[(rows >= start) & (rows < stop)]]
        ]

    def _regime(self, inside: Floats, in_gate: Bools, gate: Floats) -> dict[str, Any]:
        return {"in": _summary(gate[in_gate & (inside == 1)]), "out": _summary(gate[in_gate & (inside == 0)])}


def _quantiles(ranked: Floats) -> Ints:
    """Cell (date, quantile of the score) of each name, lowest first; names without a score go to one more quantile."""
    names = np.isfinite(ranked).sum(axis=1, keepdims=True)
    place = np.floor((ranked - 0.5) * QUANTILES / np.maximum(names, 1))
    rows = (QUANTILES + 1) * np.arange(len(ranked))[:, None]
    return (np.where(np.isnan(place), QUANTILES, place) + rows).astype(np.int64)


def _correlation(
    x: Floats, x_squares: Floats, x_known: Floats, y: Floats, y_squares: Floats, y_known: Floats
) -> Floats:
    """Correlation of centred ranks over the names in both, each ranked among its own; NaN without any."""
    product = np.einsum("tc,tc->t", x, y)
    scale = np.einsum("tc,tc->t", x_squares, y_known) * np.einsum("tc,tc->t", y_squares, x_known)
    return np.asarray(product / np.sqrt(np.where(scale > 0, scale, np.nan)))


def _pearson(x: Floats, y: Floats, known: Floats) -> Floats:
    """Pearson correlation over the names that are `known`; x is 0 elsewhere."""
    n = np.maximum(known.sum(axis=1), 1.0)
    y = y * known
    x_sum, y_sum = x.sum(axis=1), y.sum(axis=1)
    product = np.einsum("tc,tc->t", x, y) - x_sum * y_sum / n
    scale = (np.einsum("tc,tc->t", x, x) - x_sum**2 / n) * (np.einsum("tc,tc->t", y, y) - y_sum**2 / n)
    return np.asarray(product / np.sqrt(np.where(scale > 0, scale, np.nan)))


def _monotonicity(means: Sequence[float | None]) -> float | None:
    known = [mean for mean in means if mean is not None]
    return _plain(monotonicity(np.array(known))) if len(known) == len(means) else None


def _summary(series: Floats) -> dict[str, Any]:
    """Number, mean and plain t of a part of a series."""
    n = len(series)
    mean = float(series.sum()) / n if n else float("nan")
    away = series - mean
    variance = float(away @ away) / (n - 1) if n > 1 else 0.0
    return {"n": n, "mean_ic": _plain(mean), "t": mean / (variance / n) ** 0.5 if variance > 0 else None}


def _mean(values: Floats) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.sum()) / len(known) if len(known) else None


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
