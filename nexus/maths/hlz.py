"""How large a t must be when many were tried: Harvey, Liu & Zhu (2016), and what is reported beside the gate."""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy import stats

from nexus.maths.types import Floats

Method = Literal["bonferroni", "holm", "bhy"]


def threshold(n: int, trials: int, level: float = 0.05) -> float:
    """|t| of n periods that is significant at the two-sided level after Bonferroni over the trials."""
    if n < 2 or trials < 1:
        raise ValueError(f"threshold: {n} periods and {trials} trials; needs at least 2 periods and 1 trial")
    return float(stats.t.isf(level / (2 * trials), n - 1))


def adjusted(p: Floats, method: Method) -> Floats:
    """p-values adjusted for their own number, in the order given.

    p : (n,), all trials of the family
    method : bonferroni; holm (1979), step-down; bhy, Benjamini & Yekutieli (2001), false discovery rate, any dependence
    """
    p = np.asarray(p, np.float64)
    if p.ndim != 1 or not ((p >= 0) & (p <= 1)).all():
        raise ValueError(f"adjusted: p-values must be one series of numbers in [0, 1], got {p}; drop NaN first")
    n = len(p)
    order = np.argsort(p, kind="stable")
    place = np.arange(1, n + 1)
    if method == "bonferroni":
        return np.minimum(p * n, 1.0)
    if method == "holm":
        climbing = np.maximum.accumulate(p[order] * (n + 1 - place))
    elif method == "bhy":
        scaled = p[order] * n * np.sum(1 / place) / place
        climbing = np.minimum.accumulate(scaled[::-1])[::-1]
    else:
        raise ValueError(f"adjusted: unknown method {method!r}; use bonferroni, holm or bhy")
    out = np.empty(n)
    out[order] = np.minimum(climbing, 1.0)
    return out


def family_p(series: Floats, *, seed: int = 0, draws: int = 2000, block: float | None = None) -> Floats:
    """p-values of means, two-sided, controlling the chance of any false one in the family whatever their dependence.

    series : (n_periods, n_variants), in order of date, without NaN
    block : mean length of the bootstrap's blocks in periods; None: n^(1/3)
    Returns (n_variants,), at least 1 / (draws + 1).
    Romano & Wolf (2005) step-down on max|t|, by the stationary bootstrap of Politis & Romano (1994).
    """
    if series.ndim != 2 or len(series) < 3 or not np.isfinite(series).all():
        raise ValueError(f"family_p: needs (n_periods, n_variants) without NaN, 3 periods or more; got {series.shape}")
    if (np.ptp(series, axis=0) == 0).any():
        flat = int(np.flatnonzero(np.ptp(series, axis=0) == 0)[0])
        raise ValueError(f"family_p: variant {flat} is constant and has no t; leave it out")
    n = len(series)
    centred = series - series.mean(axis=0)
    t = np.abs(series.mean(axis=0)) / (series.std(axis=0, ddof=1) / np.sqrt(n))
    order = np.argsort(-t, kind="stable")
    often = _resampled(n, draws, max(1.0, n ** (1 / 3) if block is None else block), np.random.default_rng(seed))
    mean = often @ centred[:, order] / n
    variance = np.maximum(often @ centred[:, order] ** 2 / n - mean**2, 0.0) * n / (n - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        drawn = np.nan_to_num(np.abs(mean) / np.sqrt(variance / n), nan=0.0, posinf=np.inf)
    largest = np.maximum.accumulate(drawn[:, ::-1], axis=1)[:, ::-1]  # over what the steps before have not removed
    p = (1 + (largest >= t[order]).sum(axis=0)) / (draws + 1)
    out = np.empty(len(t))
    out[order] = np.maximum.accumulate(p)
    return out


def _resampled(n: int, draws: int, block: float, random: np.random.Generator) -> Floats:
    """How often each of n periods is drawn, (draws, n), in blocks of geometric length that wrap around."""
    rows = np.empty((draws, n), np.int64)
    rows[:, 0] = random.integers(n, size=draws)
    for step in range(1, n):
        fresh = random.random(draws) < 1 / block
        rows[:, step] = np.where(fresh, random.integers(n, size=draws), (rows[:, step - 1] + 1) % n)
    rows += n * np.arange(draws)[:, None]
    return np.bincount(rows.ravel(), minlength=draws * n).reshape(draws, n).astype(np.float64)


def effective_trials(ic: Floats) -> float:
    """Effective number of independent trials: (sum of square roots of eigenvalues)^2 / their sum, of the correlation.

    ic : (n_periods, n_variants), without NaN; never more than n_periods - 1 can be seen
    Galwey (2009), Genetic Epidemiology 33, 559-568.
    """
    if ic.ndim != 2 or len(ic) < 3 or not np.isfinite(ic).all() or (np.ptp(ic, axis=0) == 0).any():
        raise ValueError(f"effective_trials: needs (n_periods, n_variants) that vary, without NaN; got {ic.shape}")
    standard = (ic - ic.mean(axis=0)) / ic.std(axis=0)
    roots = np.linalg.svd(standard, compute_uv=False)  # squared and over n: the eigenvalues
    return float(roots.sum() ** 2 / (roots**2).sum())
