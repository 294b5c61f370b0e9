"""What a series of returns earned and risked, and how much of it is luck.

Returns are simple, per period, (n_periods,) in order of date, without NaN. Ratios are per period unless `periods`, the
number of periods in a year, says otherwise.
"""

from __future__ import annotations

from itertools import combinations
from typing import Literal, NamedTuple

import numpy as np
from scipy import stats

from nexus.maths.types import Floats

Metric = Literal["sharpe", "mean"]

EULER = float(np.euler_gamma)
CELLS = 1 << 15
"""Of the splits x variants that `pbo` takes at once: what stays in the cache, and too little for BLAS to share out."""
"""Numbers of splits x variants that `pbo` holds at once."""


class Drawdown(NamedTuple):
    """Loss since the highest value so far: the series (0 or negative), the deepest, most periods under water."""

    depth: Floats
    deepest: float
    longest: int


class Regression(NamedTuple):
    """Ordinary least squares of returns on factors: intercept and slopes, their plain t, and the share explained."""

    alpha: float
    alpha_t: float
    betas: Floats
    betas_t: Floats
    r_squared: float


def sharpe(returns: Floats, periods: float = 1.0) -> float:
    """Mean over sd (ddof 1), times the square root of the periods in a year; NaN without variance."""
    returns = _returns(returns, "sharpe")
    if np.ptp(returns) == 0:
        return float("nan")
    return float(returns.mean() / returns.std(ddof=1) * np.sqrt(periods))


def sortino(returns: Floats, periods: float = 1.0, target: float = 0.0) -> float:
    """Mean excess over the target by the root mean square of what fell short of it; NaN where nothing did.

    target : per period
    Sortino & van der Meer (1991).
    """
    excess = _returns(returns, "sortino") - target
    short = float(np.sqrt(np.mean(np.minimum(excess, 0.0) ** 2)))
    return float(excess.mean() / short * np.sqrt(periods)) if short > 0 else float("nan")


def cagr(returns: Floats, periods: float) -> float:
    """Compound growth per year; -1 for a series that lost everything."""
    returns = _returns(returns, "cagr", at_least=1)
    if (returns <= -1).any():
        return -1.0
    return float(np.expm1(np.log1p(returns).mean() * periods))


def drawdown(returns: Floats) -> Drawdown:
    """Drawdown of the value that starts at 1 before the first return."""
    value = np.cumprod(1 + _returns(returns, "drawdown", at_least=1))
    depth = value / np.maximum(np.maximum.accumulate(value), 1.0) - 1
    longest = run = 0
    for under in depth < 0:
        run = run + 1 if under else 0
        longest = max(longest, run)
    return Drawdown(depth, float(depth.min()), longest)


def alpha_beta(returns: Floats, factors: Floats) -> Regression:
    """Intercept and slopes of the returns on one factor or several.

    factors : (n_periods,) or (n_periods, n_factors), returns of the same periods
    alpha is per period; a t is against Student's t with n_periods - n_factors - 1 degrees, NaN of a perfect fit.
    """
    y = _returns(returns, "alpha_beta")
    x = np.column_stack([np.ones(len(y)), factors])
    spare = len(y) - x.shape[1]
    if spare < 1 or not np.isfinite(x).all() or np.linalg.matrix_rank(x) < x.shape[1]:
        raise ValueError(
            f"alpha_beta: {x.shape[1] - 1} factors over {len(y)} periods cannot be told apart; drop NaN and copies"
        )
    coefficients: Floats = np.asarray(np.linalg.lstsq(x, y, rcond=None)[0], np.float64)
    left = y - x @ coefficients
    squares = float(left @ left)
    error = np.sqrt(squares / spare * np.diag(np.linalg.inv(x.T @ x)))
    t = np.divide(coefficients, error, out=np.full(len(error), np.nan), where=error > 0)
    total = float(((y - y.mean()) ** 2).sum())
    return Regression(
        alpha=float(coefficients[0]),
        alpha_t=float(t[0]),
        betas=coefficients[1:],
        betas_t=t[1:],
        r_squared=1 - squares / total if total > 0 else float("nan"),
    )


def probabilistic_sharpe(sharpe: float, n_obs: int, skew: float, kurtosis: float, benchmark: float = 0.0) -> float:
    """Probability that the true Sharpe ratio is above the benchmark.

    sharpe, benchmark : per period
    kurtosis : not in excess, 3 for a normal
    Bailey & Lopez de Prado (2012), J. Risk 15(2).
    """
    variance = 1 - skew * sharpe + (kurtosis - 1) / 4 * sharpe**2
    if n_obs < 2 or not variance > 0:
        raise ValueError(
            f"probabilistic_sharpe: {n_obs} observations, skewness {skew} and kurtosis {kurtosis} allow no standard "
            "error; needs 2 observations or more, and kurtosis not in excess"
        )
    return float(stats.norm.cdf((sharpe - benchmark) * np.sqrt(n_obs - 1) / np.sqrt(variance)))


def expected_best_sharpe(trial_variance: float, n_trials: int) -> float:
    """Sharpe ratio to expect of the best of several trials without skill, per period.

    trial_variance : of the trials' Sharpe ratios
    Bailey & Lopez de Prado (2014).
    """
    if n_trials < 2:
        raise ValueError(f"expected_best_sharpe: {n_trials} trials have no best; give 2 or more")
    often, oftener = stats.norm.isf([1 / n_trials, 1 / (n_trials * np.e)])
    return float(np.sqrt(trial_variance) * ((1 - EULER) * often + EULER * oftener))


def deflated_sharpe(
    sharpe: float, n_obs: int, skew: float, kurtosis: float, trial_variance: float, n_trials: int
) -> float:
    """`probabilistic_sharpe` against the best that the trials would have given without skill.

    trial_variance : of the trials' Sharpe ratios per period; taken as 1 / (n_obs - 1) where smaller
    Bailey & Lopez de Prado (2014).
    """
    floor = 1 / (n_obs - 1) if n_obs > 1 else np.inf
    benchmark = expected_best_sharpe(max(trial_variance, floor), n_trials)
    return probabilistic_sharpe(sharpe, n_obs, skew, kurtosis, benchmark)


def pbo(returns: Floats, blocks: int = 16, metric: Metric = "sharpe") -> float:
    """Probability of backtest overfitting: share of splits whose best variant in sample is in the lower half outside.

    returns : (n_periods, n_variants), without NaN
    blocks : even; all ways to take half of these for the sample. The first periods that fill no block are left out
    metric : what best means, "sharpe" or "mean"
    Relative rank = average rank / (n_variants + 1); the share of logits <= 0. A variant without variance has Sharpe 0.
    Bailey, Borwein, Lopez de Prado & Zhu (2017).
    """
    _check_pbo(returns, blocks, metric)
    n_variants = returns.shape[1]
    centre = returns[0]  # leaves exact zeros of a variant that never moves
    each = len(returns) // blocks
    parts = (returns - centre)[len(returns) - each * blocks :].reshape(blocks, each, n_variants)
    sums, squares = parts.sum(axis=1), (parts**2).sum(axis=1)
    lower = total = 0
    picks = np.array(list(combinations(range(blocks), blocks // 2)))
    for some in np.array_split(picks, 1 + len(picks) * n_variants // CELLS):
        inside = np.zeros((len(some), blocks))
        np.put_along_axis(inside, some, 1.0, axis=1)
        n = each * blocks // 2
        best = _score(inside @ sums, inside @ squares, n, centre, metric).argmax(axis=1)
        outside = _score((1 - inside) @ sums, (1 - inside) @ squares, n, centre, metric)
        own = outside[np.arange(len(some)), best][:, None]
        rank = (outside < own).sum(axis=1) + ((outside == own).sum(axis=1) + 1) / 2
        lower += int((2 * rank <= n_variants + 1).sum())
        total += len(some)
    return lower / total


def _check_pbo(returns: Floats, blocks: int, metric: Metric) -> None:
    if metric not in ("sharpe", "mean"):
        raise ValueError(f"pbo: unknown metric {metric!r}; use sharpe or mean")
    if returns.ndim != 2 or returns.shape[1] < 2 or not np.isfinite(returns).all():
        raise ValueError(f"pbo: needs (n_periods, n_variants) without NaN, 2 variants or more; got {returns.shape}")
    if blocks < 2 or blocks % 2 or len(returns) < 2 * blocks:
        raise ValueError(f"pbo: {blocks} blocks of {len(returns)} periods; give an even number, 2 periods in each")


def _score(sums: Floats, squares: Floats, n: int, centre: Floats, metric: Metric) -> Floats:
    """Metric of n periods from the sums of what the variants deviate from their centre."""
    mean = centre + sums / n
    if metric == "mean":
        return mean
    sd = np.sqrt(np.maximum(squares - sums**2 / n, 0.0) / (n - 1))
    return np.divide(mean, sd, out=np.zeros_like(mean), where=sd > 0)


def _returns(returns: Floats, name: str, at_least: int = 2) -> Floats:
    returns = np.asarray(returns, np.float64)
    if returns.ndim != 1 or len(returns) < at_least or not np.isfinite(returns).all():
        raise ValueError(
            f"{name}: needs one series of at least {at_least} returns without NaN, got shape {returns.shape} with "
            f"{int((~np.isfinite(returns)).sum())} not finite; drop those periods first"
        )
    return returns
