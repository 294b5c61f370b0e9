"""Information coefficients: how well the order of the scores foretold the order of the returns, date by date."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from nexus.maths import kernels
from nexus.maths.compiled import by_rows
from nexus.maths.stats import centred_ranks, row_order, tranches
from nexus.maths.types import Floats, Ints


def rank_ic(scores: Floats, forward: Floats) -> Floats:
    """Spearman correlation per date over the names finite in both, average ranks for ties.

    scores, forward : (n_dates, n_companies)
    Returns (n_dates,); NaN with fewer than 3 names or without variance in either.
    """
    return _correlate(*row_order(scores), forward)


def rank_ic_many(scores: Floats, forwards: Iterable[Floats]) -> Floats:
    """`rank_ic` of the same scores with several forward returns; the scores are sorted once.

    forwards : of (n_dates, n_companies) each; taken one at a time, so that a generator need hold only one in memory
    Returns (n_forwards, n_dates).
    """
    order, counts = row_order(scores)
    found = [_correlate(order, counts, forward) for forward in forwards]
    return np.array(found).reshape(-1, len(counts))


def _correlate(order: kernels.Small, counts: kernels.Small, forward: Floats) -> Floats:
    if forward.shape != order.shape:
        raise ValueError(f"rank_ic: scores are {order.shape}, returns {forward.shape}; pass the same dates and names")
    values = np.ascontiguousarray(forward, np.float64)
    out = np.empty(len(counts))
    by_rows(lambda rows: kernels.correlate_rows(order[rows], counts[rows], values[rows], out[rows]), *order.shape)
    return out


def pearson_ic(scores: Floats, forward: Floats) -> Floats:
    """Pearson correlation per date over the names finite in both.

    scores, forward : (n_dates, n_companies)
    Returns (n_dates,); NaN with fewer than 3 names or without variance in either.
    """
    both = np.isfinite(scores) & np.isfinite(forward)
    names = both.sum(axis=1)
    x, y = (_centred(np.where(both, values, np.nan), names) for values in (scores, forward))
    scale = np.sqrt((x**2).sum(axis=1)) * np.sqrt((y**2).sum(axis=1))
    usable = (names >= 3) & (scale > 0)
    return np.where(usable, (x * y).sum(axis=1) / np.where(usable, scale, 1.0), np.nan)


def _centred(values: Floats, names: Ints) -> Floats:
    """Values less the mean of their row; zero where NaN, and exactly zero in a row whose values are all equal."""
    mean = np.nansum(values, axis=1, keepdims=True) / np.maximum(names, 1)[:, None]
    varies = np.fmax.reduce(values, axis=1, keepdims=True) > np.fmin.reduce(values, axis=1, keepdims=True)
    return np.where(np.isnan(values) | ~varies, 0.0, values - mean)


def calendar_time_ic(scores: Floats, one_period_forward: Floats, overlap: int) -> Floats:
    """Spearman correlation of the tranches' mean score rank with the return of one period: no window overlaps another.

    scores : (n_dates, n_companies)
    one_period_forward : (n_dates, n_companies), from the entry after one date to the entry after the next
    overlap : on how many dates a holding window is open, `calendar.overlap`
    Returns (n_dates,); NaN until all tranches exist, and as `rank_ic`.
    Jegadeesh & Titman (1993); Hodrick (1992).
    """
    return rank_ic(tranches(centred_ranks(scores), overlap), one_period_forward)
