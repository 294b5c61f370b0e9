"""Scores into weights: who is held, how much, and within which limits.

Scores and weights are (n_dates, n_companies). A score of NaN is no opinion, and weighs nothing. Weights are fractions
of equity, negative for what is sold short; gross is the sum of their absolutes. One date never looks at another.
"""

from __future__ import annotations

import numpy as np

from nexus.maths.compiled import by_rows, kernel
from nexus.maths.kernels import Small
from nexus.maths.regression import row_residuals
from nexus.maths.stats import row_order
from nexus.maths.types import Bools, Floats, Ints

ROUNDS = 50
"""Rounds of clipping and neutralising before what is still over the cap is met by shrinking the book."""
CLOSE = 1e-12


def long_short(scores: Floats, quantiles: int, gross: float = 1.0) -> Floats:
    """Long the highest 1 / quantiles of the names, short as many of the lowest, equal shares, dollar-neutral.

    quantiles : at least 2; a date with n names holds floor(n / quantiles) of them on each side, at least one
    Names tied at an edge share what is left, so that the order of the columns decides nothing.
    Returns zero rows for dates without two different scores.
    """
    if quantiles < 2:
        raise ValueError(f"long_short: {quantiles} quantiles would be long and short the same names; give 2 or more")
    return of_order(*row_order(scores), quantiles, gross / 2, -gross / 2)


def long_only(scores: Floats, quantiles: int, gross: float = 1.0) -> Floats:
    """Long the highest 1 / quantiles of the names, equal shares, ties as in `long_short`.

    quantiles : at least 1, which holds everybody
    """
    if quantiles < 1:
        raise ValueError(f"long_only: {quantiles} quantiles; give 1 (everybody) or more")
    return of_order(*row_order(scores), quantiles, gross, 0.0)


def of_order(order: Small, counts: Small, quantiles: int, top: float, bottom: float) -> Floats:
    """Weights of the highest and the lowest quantile of scores that `stats.row_order` has put in order.

    top, bottom : sum of the weights of each side
    """
    out = np.zeros(order.shape)
    by_rows(lambda rows: _sides(order[rows], counts[rows], quantiles, top, bottom, out[rows]), *order.shape)
    return out


@kernel
def _sides(order: Small, counts: Small, quantiles: int, top: float, bottom: float, out: Floats) -> None:
    for t in range(len(order)):
        n = counts[t]
        held = max(n // quantiles, 1)
        stop = n
        while stop > 0 and n - stop < held:  # groups of equal scores, from the highest
            start = stop - 1
            while order[t, start] < 0:
                start -= 1
            share = min(held - (n - stop), stop - start) / (stop - start)
            for k in range(start, stop):
                out[t, order[t, k] ^ (order[t, k] >> 31)] += top / held * share
            stop = start
        start = 0
        while start < min(held, n):
            stop = start + 1
            while stop < n and order[t, stop] < 0:
                stop += 1
            share = min(held - start, stop - start) / (stop - start)
            for k in range(start, stop):
                out[t, order[t, k] ^ (order[t, k] >> 31)] += bottom / held * share
            start = stop


def proportional(scores: Floats, gross: float = 1.0) -> Floats:
    """Weights proportional to the score less its mean over the date's names: dollar-neutral.

    Returns zero rows where all scores are the same. Give ranks where a single large score should not rule the book.
    """
    known = np.isfinite(scores)
    values = np.where(known, scores, 0.0)
    mean = values.sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    centred = np.where(known, values - mean[:, None], 0.0)
    size = np.abs(centred).sum(axis=1)
    told = size > CLOSE * np.abs(values).sum(axis=1)
    return np.where(told[:, None], gross * centred / np.where(told, size, 1.0)[:, None], 0.0)


def neutral(weights: Floats, groups: Ints, betas: Floats | None = None) -> Floats:
    """The nearest weights, of the same names and gross, that sum to zero in each group and have no beta.

    groups : (n_dates, n_companies), sector codes, -1 unknown (a group of its own); all zero: dollar-neutral only
    betas : (n_dates, n_companies); None: beta is left alone. A held name without one counts as the mean of its group
    Projection on the complement of the groups' indicators and beta, by least squares; a date on which nothing is left
    (fewer names than conditions) is a row of zeros.
    """
    held = weights != 0
    codes = groups - groups.min(initial=0)
    regressors = [] if betas is None else [_filled(betas, codes, held)]
    left = row_residuals(weights, regressors, codes, held)
    left = np.where(held & np.isfinite(left), left, 0.0)
    return _with_gross(left, np.abs(weights).sum(axis=1))


def _filled(values: Floats, codes: Ints, held: Bools) -> Floats:
    """Unknown values as the mean of the known ones of the same date and group, among the held."""
    known = held & np.isfinite(values)
    width = int(codes.max(initial=0)) + 1
    cells = codes + width * np.arange(len(codes))[:, None]
    size = width * len(codes)
    sums = np.bincount(cells[known], values[known], minlength=size)
    means = sums / np.maximum(np.bincount(cells[known], minlength=size), 1)
    filled: Floats = np.where(np.isfinite(values), values, means[cells])
    return filled


def _with_gross(weights: Floats, gross: Floats) -> Floats:
    size = np.abs(weights).sum(axis=1)
    scale: Floats = np.divide(gross, size, out=np.zeros_like(size), where=size > 0)
    return weights * scale[:, None]


def capped(weights: Floats, cap: float) -> Floats:
    """No weight above the cap in absolute; what is cut off goes to the other names of its side, in proportion.

    cap : fraction of equity, positive
    A side that is too small for its gross at the cap ends with every name at the cap, and a smaller gross.
    """
    if not cap > 0:
        raise ValueError(f"capped: a cap of {cap} leaves nothing; give a positive fraction of equity")
    return _one_side_capped(np.maximum(weights, 0.0), cap) - _one_side_capped(np.maximum(-weights, 0.0), cap)


def _one_side_capped(weights: Floats, cap: float) -> Floats:
    gross = weights.sum(axis=1, keepdims=True)
    out = weights.copy()
    while (over := out > cap * (1 + CLOSE)).any():
        out[over] = cap
        full = out >= cap
        room = gross - cap * full.sum(axis=1, keepdims=True)
        rest = np.where(full, 0.0, out)
        total = rest.sum(axis=1, keepdims=True)
        share = np.divide(rest, total, out=np.zeros_like(rest), where=total > 0)
        out = np.where(full, np.minimum(out, cap), share * np.maximum(room, total))
    return out


def neutral_and_capped(weights: Floats, cap: float, groups: Ints, betas: Floats | None = None) -> Floats:
    """`neutral` weights, none above the cap: clipped and made neutral in turns, and in the end shrunk as a whole.

    Both conditions hold exactly; the gross may fall short of that of `weights`.
    """
    if not cap > 0:
        raise ValueError(f"neutral_and_capped: a cap of {cap} leaves nothing; give a positive fraction of equity")
    gross = np.abs(weights).sum(axis=1)
    out = neutral(weights, groups, betas)
    for _ in range(ROUNDS):
        if (np.abs(out) <= cap * (1 + CLOSE)).all():
            return out
        out = _with_gross(neutral(np.clip(out, -cap, cap), groups, betas), gross)
    largest = np.abs(out).max(axis=1, keepdims=True, initial=0.0)
    shrunk: Floats = out * np.minimum(cap / np.maximum(largest, cap), 1.0)
    return shrunk


def limited(target: Floats, current: Floats, turnover: float, largest: Floats) -> Floats:
    """Where a rebalance may get from the current weights towards the target ones.

    target, current : (n_companies,)
    turnover : most that may be traded, one-way: half the sum of absolute changes; inf: no limit
    largest : (n_companies,), largest change of each weight, for its share of average dollar volume; inf: no limit
    The whole rebalance is slowed for the first limit, single trades are clipped for the second.
    """
    change = target - current
    traded = np.abs(change).sum() / 2
    if traded > turnover:
        change = change * (turnover / traded)
    return current + np.clip(change, -largest, largest)


def shrunk_covariance(returns: Floats) -> Floats:
    """Covariance of returns, shrunk towards the same variance for all and no correlation.

    returns : (n_periods, n_companies), without NaN, at least 2 periods
    Returns (n_companies, n_companies), positive definite unless all returns are constant.
    Ledoit & Wolf (2004), J. Multivariate Analysis 88(2), with 1 / n_periods covariances.
    """
    n, p = returns.shape
    if n < 2 or not np.isfinite(returns).all():
        raise ValueError(f"shrunk_covariance: needs 2 periods or more without NaN, got {returns.shape}; drop names")
    centred = returns - returns.mean(axis=0)
    sample = centred.T @ centred / n
    mean = float(np.trace(sample)) / p
    distance = float((sample**2).sum()) - p * mean**2
    squares = centred**2
    noise = (float((squares.T @ squares).sum()) / n - float((sample**2).sum())) / n
    intensity = min(max(noise, 0.0) / distance, 1.0) if distance > 0 else 1.0
    shrunk: Floats = (1 - intensity) * sample
    shrunk[np.diag_indices(p)] += intensity * mean
    return shrunk
