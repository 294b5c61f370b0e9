"""AUC against scipy's Mann-Whitney, average precision against its definition, ties and all."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from nexus.maths.ranking import auc, average_precision


def slow_average_precision(label, score):
    """Sum over thresholds, highest first, of (recall - recall before) x precision."""
    total, before = 0.0, 0.0
    for threshold in sorted(set(score.tolist()), reverse=True):
        taken = [bool(true) for true, value in zip(label, score, strict=True) if value >= threshold]
        recall = sum(taken) / label.sum()
        total += (recall - before) * sum(taken) / len(taken)
        before = recall
    return total


@pytest.mark.parametrize("seed", range(20))
def test_figures_are_those_of_the_references(seed):
    random = np.random.default_rng(seed)
    n = int(random.integers(2, 300))
    label = random.random(n) < random.uniform(0.05, 0.9)
    label[:2] = True, False
    score = np.round(random.standard_normal(n) + label, int(random.integers(0, 4)))
    u = mannwhitneyu(score[label], score[~label]).statistic
    assert auc(label, score) == pytest.approx(u / label.sum() / (~label).sum(), abs=1e-12)
    assert average_precision(label, score) == pytest.approx(slow_average_precision(label, score), abs=1e-12)


def test_scores_that_are_all_alike_are_a_coin():
    label = np.array([True, False, False, False])
    assert auc(label, np.zeros(4)) == 0.5
    assert average_precision(label, np.zeros(4)) == 0.25


def test_one_kind_of_label_has_no_figure():
    assert np.isnan(auc(np.ones(3, bool), np.arange(3.0))) and np.isnan(auc(np.zeros(3, bool), np.arange(3.0)))
    assert np.isnan(average_precision(np.zeros(3, bool), np.arange(3.0)))
    assert average_precision(np.ones(3, bool), np.arange(3.0)) == 1.0


def test_nan_and_unequal_lengths_are_refused():
    with pytest.raises(ValueError, match="1 of 2 scores are NaN"):
        auc(np.array([True, False]), np.array([np.nan, 1.0]))
    with pytest.raises(ValueError, match="one series"):
        average_precision(np.array([True]), np.array([1.0, 2.0]))
