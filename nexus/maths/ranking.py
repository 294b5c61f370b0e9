"""How well scores put the true before the false: area under the ROC curve and average precision."""

from __future__ import annotations

import numpy as np

from nexus.maths.types import Bools, Floats


def auc(label: Bools, score: Floats) -> float:
    """Probability that a true one scores above a false one, ties counting half (Mann & Whitney 1947).

    label, score : (n,), scores without NaN
    NaN where all labels are the same.
    """
    label, score = _checked(label, score)
    n_true = int(label.sum())
    n_false = len(label) - n_true
    if not n_true or not n_false:
        return np.nan
    true, false = np.sort(score[label]), np.sort(score[~label])
    below = np.searchsorted(false, true, "left") + np.searchsorted(false, true, "right")
    return float(below.sum() / 2 / n_true / n_false)


def average_precision(label: Bools, score: Floats) -> float:
    """Precision at each distinct score, weighted by the recall gained there; no interpolation.

    label, score : (n,), scores without NaN
    NaN where nothing is true.
    """
    label, score = _checked(label, score)
    if not label.any():
        return np.nan
    order = np.argsort(-score, kind="stable")
    last = np.append(np.flatnonzero(np.diff(score[order])), len(score) - 1)
    found = np.cumsum(label[order])[last]
    gained = np.diff(found, prepend=0)
    return float(np.sum(gained * found / (last + 1)) / found[-1])


def _checked(label: Bools, score: Floats) -> tuple[Bools, Floats]:
    label, score = np.asarray(label, bool), np.asarray(score, float)
    if label.shape != score.shape or label.ndim != 1:
        raise ValueError(f"ranking: labels {label.shape} and scores {score.shape} must be one series of equal length")
    if np.isnan(score).any():
        raise ValueError(f"ranking: {np.isnan(score).sum()} of {len(score)} scores are NaN; drop those rows first")
    return label, score
