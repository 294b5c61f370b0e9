"""Statistics of scores across companies, date by date, and the moments of a series."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nexus.maths import kernels
from nexus.maths.compiled import by_rows
from nexus.maths.regression import row_residuals
from nexus.maths.types import Floats, Ints


class Moments(NamedTuple):
    """Of one series: number of values, mean, sd (ddof 1), skewness and non-excess kurtosis (normal: 3)."""

    n: int
    mean: float
    sd: float
    skew: float
    kurtosis: float


def moments(x: Floats) -> Moments:
    """Moments of a series without NaN; skewness and kurtosis are the biased ones, NaN without variance.

    x : (n,), at least 2 values
    """
    if x.ndim != 1 or len(x) < 2 or np.isnan(x).any():
        raise ValueError(
            f"moments: needs one series of 2 values or more without NaN, got shape {x.shape}; drop the NaN"
        )
    d = x - x.mean()
    variance = float(np.mean(d**2)) if np.ptp(x) > 0 else np.nan
    sd = float(x.std(ddof=1)) if np.ptp(x) > 0 else 0.0
    return Moments(
        len(x), float(x.mean()), sd, float(np.mean(d**3)) / variance**1.5, float(np.mean(d**4)) / variance**2
    )


def row_order(values: Floats) -> tuple[kernels.Small, kernels.Small]:
    """Order of the finite values of each row, as `kernels.order_rows` writes it, and how many there are."""
    values = np.ascontiguousarray(values, np.float64)
    order = np.empty(values.shape, np.int32)
    counts = np.empty(len(values), np.int32)
    by_rows(lambda rows: kernels.order_rows(values[rows], order[rows], counts[rows]), *values.shape)
    return order, counts


def ranks(values: Floats) -> Floats:
    """Average ranks from 1 along each row; NaN where the value is not finite.

    values : (n_dates, n_companies)
    """
    order, counts = row_order(values)
    out = np.full(order.shape, np.nan)
    by_rows(lambda rows: kernels.rank_rows(order[rows], counts[rows], out[rows]), *order.shape)
    return out


def centred_ranks(scores: Floats) -> Floats:
    """Average ranks of each row, less their mean and divided by their Euclidean norm; all NaN where all are tied.

    scores : (n_dates, n_companies)
    """
    order, counts = row_order(scores)
    out = np.full(order.shape, np.nan)
    kernels.centred_rank_rows(order, counts, False, out)
    return out


def canonical_weights(scores: Floats) -> Floats:
    """Weights of the portfolio that is long high ranks and short low ones: dollar-neutral, gross 1, zero without score.

    scores : (n_dates, n_companies)
    A date without two different scores has no weights: all NaN.
    """
    order, counts = row_order(scores)
    out = np.zeros(order.shape)
    out[counts == 0] = np.nan
    kernels.centred_rank_rows(order, counts, True, out)
    return out


def tranches(values: Floats, overlap: int) -> Floats:
    """Mean over the last `overlap` dates of what each company has there; the books that overlapping holdings form.

    values : (n_dates, n_companies)
    Returns the same shape; NaN for names without any, and on dates until all tranches exist (a date all NaN is none).
    Rounded to 12 decimals, so that the same terms in another order tie.
    """
    if overlap < 1:
        raise ValueError(f"tranches: an overlap of {overlap} holds nothing; use calendar.overlap, which is at least 1")
    if overlap == 1:
        return values
    out = np.full(values.shape, np.nan)
    kernels.tranche_rows(np.ascontiguousarray(values, np.float64), overlap, out)
    return out


def canonical_returns(scores: Floats, one_period_forward: Floats, overlap: int) -> Floats:
    """Returns of the canonical portfolio: centred score ranks, dollar-neutral, gross 1, `overlap` tranches, no costs.

    scores, one_period_forward : (n_dates, n_companies), as `ic.calendar_time_ic`
    Returns (n_dates,); a name without a return earns 0; NaN until all tranches exist and where nobody has a return.
    """
    weights = tranches(canonical_weights(scores), overlap)
    earned = np.where(np.isfinite(one_period_forward), one_period_forward, 0.0)
    anybody = np.isfinite(one_period_forward).any(axis=1)
    return np.where(anybody, (weights * earned).sum(axis=1), np.nan)


def quantile_returns(scores: Floats, forward: Floats, quantiles: int = 5) -> Floats:
    """Mean return of each fifth (or other quantile) of the scores, lowest first; tied names stay together.

    scores, forward : (n_dates, n_companies)
    Returns (n_dates, quantiles); over names finite in both, NaN for a quantile without any.
    """
    ranked = ranks(np.where(np.isfinite(forward), scores, np.nan))
    known = np.isfinite(ranked)
    names = np.maximum(known.sum(axis=1, keepdims=True), 1)
    place = np.where(known, np.floor((ranked - 0.5) * quantiles / names), -1)
    returns = np.where(known, forward, 0.0)
    means = np.full((len(scores), quantiles), np.nan)
    for quantile in range(quantiles):
        inside = place == quantile
        count = inside.sum(axis=1)
        np.divide((returns * inside).sum(axis=1), count, out=means[:, quantile], where=count > 0)
    return means


def monotonicity(quantile_means: Floats) -> float:
    """Spearman correlation of the quantile's number with its mean return; 1 when each one earns more than the last.

    quantile_means : (quantiles,)
    NaN where any is NaN or all are equal.
    """
    ranked = ranks(quantile_means[None, :])[0]
    if np.isnan(ranked).any() or np.ptp(ranked) == 0:
        return float("nan")
    x, y = np.arange(len(ranked)) - (len(ranked) - 1) / 2, ranked - ranked.mean()
    return float(x @ y / np.sqrt((x @ x) * (y @ y)))


def rank_autocorrelation(scores: Floats) -> Floats:
    """Spearman correlation of each date's scores with the previous date's, over names in both.

    scores : (n_dates, n_companies)
    Returns (n_dates,); the first is NaN.
    """
    out = np.full(len(scores), np.nan)
    if len(scores) > 1:
        order, counts = row_order(scores[1:])
        kernels.correlate_rows(order, counts, np.ascontiguousarray(scores[:-1], np.float64), out[1:])
    return out


def turnover(scores: Floats) -> Floats:
    """One-way turnover of the canonical portfolio: half the absolute change of its weights, 0 to 1.

    scores : (n_dates, n_companies)
    Returns (n_dates,); NaN on the first date and beside dates without weights.
    """
    weights = canonical_weights(scores)
    out = np.full(len(scores), np.nan)
    out[1:] = 0.5 * np.abs(np.diff(weights, axis=0)).sum(axis=1)
    return out


def residualise(scores: Floats, exposures: Floats, groups: Ints | None = None) -> Floats:
    """What is left of the score ranks after regressing them, date by date, on the ranks of the exposures.

    scores : (n_dates, n_companies)
    exposures : (n_dates, n_companies, n_exposures)
    groups : (n_dates, n_companies), such as sectors, each with an intercept of its own; negative: unknown
    Returns (n_dates, n_companies), with an intercept; NaN where any input is NaN or unknown, and on dates where the
    exposures explain the ranks entirely or there are too few names to tell.
    """
    known = np.isfinite(scores) & np.isfinite(exposures).all(axis=2)
    if groups is None:
        groups = np.zeros(scores.shape, np.int64)
    known &= groups >= 0
    regressand, *regressors = (ranks(np.where(known, x, np.nan)) for x in [scores, *np.moveaxis(exposures, 2, 0)])
    return row_residuals(regressand, regressors, groups, known)
