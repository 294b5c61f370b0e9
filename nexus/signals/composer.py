"""One score from several signals: by their weights, by the IC each had shown by then, or by ridge on past returns.

Arrays are (n_signals, n_dates, n_companies) of ranks among the members, centred and scaled to (-1/2, 1/2), NaN no
opinion. `on` (n_signals, n_dates) says which signals may be used: those that stood approved as of each date.
"""

from __future__ import annotations

import numpy as np

from nexus.maths.ic import rank_ic
from nexus.maths.stats import ranks
from nexus.maths.types import Bools, Floats, Ints

LEAST = 24
"""Past dates with a return below which signals weigh the same."""
PENALTY = 1.0
"""Of the ridge, in mean diagonals of the signals' cross-products: little is least squares, much is the IC weights."""


def scaled_ranks(scores: Floats) -> Floats:
    """Ranks of (n_dates, n_companies) scores, centred and divided by the names of their date; NaN kept."""
    ranked = ranks(scores)
    names = np.isfinite(ranked).sum(axis=1, keepdims=True)
    return np.asarray((ranked - (names + 1) / 2) / np.maximum(names, 1))


def known_dates(rows: Ints) -> Ints:
    """How many of the first dates had a known return at the close of each date, (n_dates,).

    rows : (n_dates,), of the sessions; a date's return goes from the close after it to the close after the next date
    """
    return np.maximum(np.searchsorted(rows + 1, rows, side="right") - 1, 0)


def rank_average(ranked: Floats, on: Bools, weights: Floats) -> Floats:
    """Weighted sum of the ranks, a missing one counting as the middle; NaN where no signal that is on has an opinion.

    weights : (n_signals,) or (n_signals, n_dates)
    """
    used = np.where(on, weights if weights.ndim == 2 else weights[:, None], 0.0)
    known = np.isfinite(ranked) & on[:, :, None]
    total = np.einsum("st,stc->tc", used, np.where(known, ranked, 0.0))
    return np.where(known.any(axis=0), total, np.nan)


def ic_weights(ranked: Floats, on: Bools, earned: Floats, known: Ints) -> Floats:
    """Mean rank IC of each signal over the dates whose returns were known, (n_signals, n_dates).

    earned : (n_dates, n_companies), NaN unknown
    known : as `known_dates`
    Equal weights before there are LEAST such dates, and for a signal without a single IC the mean of the others'.
    """
    out = np.ones(on.shape)
    for signal, own in enumerate(ranked):
        ic = rank_ic(own, earned)
        there = np.isfinite(ic)
        sums = np.concatenate([[0.0], np.cumsum(np.where(there, ic, 0.0))])
        count = np.concatenate([[0], np.cumsum(there)])
        out[signal] = np.divide(sums[known], count[known], out=np.full(len(known), np.nan), where=count[known] > 0)
    return _early(out, on, known)


def ridge_weights(ranked: Floats, on: Bools, earned: Floats, known: Ints, penalty: float = PENALTY) -> Floats:
    """Slopes of the ranks of past returns on the ranks of all signals that are on at a date, (n_signals, n_dates).

    The rest as `ic_weights`. Pooled over names and dates; Hoerl & Kennard (1970), Technometrics 12(1).
    """
    there = np.isfinite(ranked).any(axis=0) & np.isfinite(earned)
    y = np.nan_to_num(scaled_ranks(np.where(there, earned, np.nan)))
    x = np.where(there, np.nan_to_num(ranked), 0.0)
    products = _sums(np.einsum("stc,rtc->tsr", x, x))
    moments = _sums(np.einsum("stc,tc->ts", x, y))
    out = np.ones(on.shape)
    for date, many in enumerate(known):
        chosen = np.flatnonzero(on[:, date])
        gram = products[many][np.ix_(chosen, chosen)]
        if not len(chosen) or not np.trace(gram) > 0:
            continue
        ridge = penalty * np.trace(gram) / len(chosen) * np.eye(len(chosen))
        out[chosen, date] = np.linalg.solve(gram + ridge, moments[many][chosen])
    return _early(out, on, known)


def _sums(values: Floats) -> Floats:
    """Sum over the first 0, 1, 2, .. dates."""
    return np.concatenate([np.zeros((1, *values.shape[1:])), np.cumsum(values, axis=0)])


def _early(weights: Floats, on: Bools, known: Ints) -> Floats:
    """Equal weights while too little is known, and where nothing is known of a signal the mean of the others."""
    used = np.where(on, weights, np.nan)
    many = np.maximum(np.isfinite(used).sum(axis=0), 1)
    mean = np.where(np.isfinite(used).any(axis=0), np.nansum(used, axis=0) / many, 1.0)
    filled = np.where(np.isfinite(weights), weights, mean)
    return np.where(known < LEAST, 1.0, filled)
