"""What is printed beside a verdict and decides nothing: quantiles, decay, turnover, sub-periods, regimes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from nexus.maths.ic import pearson_ic, rank_ic_many
from nexus.maths.inference import plain_t
from nexus.maths.stats import monotonicity, quantile_returns, rank_autocorrelation
from nexus.maths.types import Bools, Floats
from nexus.signals.labels import Labels

QUANTILES = 5
DECAY = 6
"""Periods after each date over which the IC is followed, one disjoint window each."""
YEARS = 5
"""Length of a sub-period."""


@dataclass(frozen=True)
class Picture:
    """What the description of each horizon shares.

    scores : (n_dates, n_companies), NaN on dropped dates
    decay : (DECAY, n_dates), IC with the return of the k-th period after the entry
    autocorrelation, turnover : (n_dates,)
    """

    scores: Floats
    labels: Labels
    decay: Floats
    autocorrelation: Floats
    turnover: Floats

    @classmethod
    def of(cls, scores: Floats, centred: Floats, labels: Labels) -> Picture:
        """Compute what does not depend on the horizon.

        centred : the scores' `centred_ranks`
        """
        later = (_later(labels.one_period.returns, lag) for lag in range(min(DECAY, len(scores))))
        return cls(
            scores, labels, rank_ic_many(scores, later), rank_autocorrelation(scores), _turnover(centred)
        )  # fmt: skip

    def details(self, horizon: int, kept: Bools, in_gate: Bools, gate: Floats) -> dict[str, Any]:
        """Plain values for `factor_evaluations.details`.

        kept : (n_dates,), dates of the overlapping IC
        in_gate, gate : (n_dates,), dates and values of the gate series
        """
        forward = self.labels.forward[horizon].returns
        quantiles = quantile_returns(self.scores, forward, QUANTILES)
        means = _column_means(quantiles[kept])
        return {
            "pearson_ic": _mean(pearson_ic(self.scores, forward)[kept]),
            "quantile_returns": means,
            "monotonicity": _plain(monotonicity(np.array([np.nan if m is None else m for m in means]))),
            "spread": _mean(quantiles[kept, -1] - quantiles[kept, 0]),
            "decay": [_mean(ic[kept]) for ic in self.decay],
            "rank_autocorrelation": _mean(self.autocorrelation[kept]),
            "turnover": _mean(self.turnover[kept]),
            "overlap": self.labels.overlaps[horizon],
            "spilling_windows": self.labels.spilling[horizon],
            "gap": self.labels.gap,
            "sub_periods": self._sub_periods(in_gate, gate),
            "regimes": {name: self._regime(inside, in_gate, gate) for name, inside in self.labels.regimes.items()},
        }

    def _sub_periods(self, in_gate: Bools, gate: Floats) -> list[dict[str, Any]]:
        dates = self.labels.dates
        years = dates.astype("datetime64[Y]").astype(int) + 1970
        blocks = years - years % YEARS
        return [
            {"from": str(dates[chosen][0]), "to": str(dates[chosen][-1]), **_summary(gate[chosen])}
            for chosen in (in_gate & (blocks == block) for block in np.unique(blocks[in_gate]))
        ]

    def _regime(self, inside: Floats, in_gate: Bools, gate: Floats) -> dict[str, Any]:
        return {"in": _summary(gate[in_gate & (inside == 1)]), "out": _summary(gate[in_gate & (inside == 0)])}


def _later(one_period: Floats, lag: int) -> Floats:
    """The return of the period that starts `lag` dates later."""
    out = np.full(one_period.shape, np.nan)
    out[: len(out) - lag] = one_period[lag:]
    return out


def _turnover(centred: Floats) -> Floats:
    """One-way turnover of the canonical portfolio, NaN beside dates without one."""
    filled = np.nan_to_num(centred)
    gross = np.abs(filled).sum(axis=1, keepdims=True)
    weights = filled / np.where(gross > 0, gross, np.nan)
    out = np.full(len(weights), np.nan)
    out[1:] = 0.5 * np.abs(np.diff(weights, axis=0)).sum(axis=1)
    return out


def _summary(series: Floats) -> dict[str, Any]:
    t = plain_t(series) if len(series) > 1 else float("nan")
    return {"n": len(series), "mean_ic": _mean(series), "t": _plain(t)}


def _column_means(values: Floats) -> list[float | None]:
    return [_mean(column) for column in values.T]


def _mean(values: Floats) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else None


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
