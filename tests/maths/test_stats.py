from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata

from nexus.maths import stats
from nexus.maths.types import Floats


def table(seed: int, shape: tuple[int, ...] = (12, 40), decimals: int = 1, missing: float = 0.15) -> Floats:
    random = np.random.default_rng(seed)
    values = random.standard_normal(shape).round(decimals)
    values[random.random(shape) < missing] = np.nan
    return values


def test_moments_are_scipys() -> None:
    x = np.random.default_rng(0).lognormal(size=200)
    m = stats.moments(x)
    expected = (200, x.mean(), x.std(ddof=1), scipy.stats.skew(x), scipy.stats.kurtosis(x, fisher=False))
    np.testing.assert_allclose(m, expected, rtol=1e-12)


def test_moments_of_a_constant_have_no_shape() -> None:
    m = stats.moments(np.full(5, 0.1))
    assert (m.n, m.mean, m.sd) == (5, 0.1, 0.0)
    assert np.isnan([m.skew, m.kurtosis]).all()


def test_moments_refuse_nan() -> None:
    with pytest.raises(ValueError, match="drop the NaN"):
        stats.moments(np.array([1.0, np.nan, 2.0]))


def test_ranks_are_scipys_average_ranks() -> None:
    values = table(1)
    np.testing.assert_array_equal(stats.ranks(values), rankdata(values, axis=1, nan_policy="omit"))


def test_ranks_of_infinite_values_are_unknown() -> None:
    np.testing.assert_array_equal(stats.ranks(np.array([[3.0, np.inf, 1.0, -np.inf]])), [[2, np.nan, 1, np.nan]])


def test_centred_ranks_are_centred_with_norm_one() -> None:
    values = table(2)
    centred = stats.centred_ranks(values)
    np.testing.assert_array_equal(np.isnan(centred), np.isnan(values))
    np.testing.assert_allclose(np.nansum(centred, axis=1), 0, atol=1e-14)
    np.testing.assert_allclose(np.nansum(centred**2, axis=1), 1)
    assert np.isnan(stats.centred_ranks(np.array([[2.0, 2.0, 2.0]]))).all()


def test_canonical_weights_are_neutral_with_gross_one() -> None:
    values = table(3)
    values[4], values[5] = 1.0, np.nan
    weights = stats.canonical_weights(values)
    assert np.isnan(weights[4:6]).all()
    known = np.delete(weights, [4, 5], axis=0)
    np.testing.assert_allclose(known.sum(axis=1), 0, atol=1e-15)
    np.testing.assert_allclose(np.abs(known).sum(axis=1), 1)
    assert (weights[np.isnan(values) & np.isfinite(weights)] == 0).all()


def test_tranches_are_the_mean_of_what_is_there() -> None:
    nan = np.nan
    values = np.array([[1, nan, nan], [3, 4, nan], [nan, nan, nan], [1, 1, 1], [2, nan, 5]])
    expected = np.array([[nan] * 3, [2, 4, nan], [nan] * 3, [nan] * 3, [1.5, 1, 3]])
    np.testing.assert_array_equal(stats.tranches(values, 2), expected)
    assert np.isnan(stats.tranches(values, 9)).all()


def test_tranches_refuse_no_overlap() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        stats.tranches(np.ones((2, 2)), 0)


@pytest.mark.parametrize("overlap", [1, 3])
def test_canonical_returns_are_the_mean_of_the_books_held(overlap: int) -> None:
    scores, forward = table(4), table(5, missing=0.05)
    forward[-1] = np.nan
    weights = stats.canonical_weights(scores)
    expected = np.full(len(scores), np.nan)
    for t in range(overlap - 1, len(scores) - 1):
        expected[t] = np.mean([np.nansum(weights[t - k] * forward[t]) for k in range(overlap)])
    np.testing.assert_allclose(stats.canonical_returns(scores, forward, overlap), expected, atol=1e-11)


def test_quantile_returns_are_means_of_fifths() -> None:
    scores, forward = np.random.default_rng(6).permutation(50)[None, :] * 1.0, table(7, (1, 50), 3, 0.0)
    fifths = [forward[0, (scores[0] >= low) & (scores[0] < low + 10)].mean() for low in range(0, 50, 10)]
    np.testing.assert_allclose(stats.quantile_returns(scores, forward)[0], fifths)


def test_quantile_returns_leave_out_names_without_both_and_keep_ties_together() -> None:
    scores = np.array([[1, 1, 1, 2, np.nan, 3]])
    forward = np.array([[0.1, 0.2, 0.3, 0.4, 9.0, np.nan]])
    np.testing.assert_allclose(stats.quantile_returns(scores, forward, 4)[0], [np.nan, 0.2, np.nan, 0.4])


def test_monotonicity_is_the_order_of_the_quantiles() -> None:
    assert stats.monotonicity(np.array([0.1, 0.2, 0.5, 0.9])) == pytest.approx(1)
    assert stats.monotonicity(np.array([0.9, 0.2, 0.1])) == pytest.approx(-1)
    swapped = np.array([1.0, 3.0, 2.0, 4.0])
    assert stats.monotonicity(swapped) == pytest.approx(scipy.stats.spearmanr(range(4), swapped).statistic)
    assert np.isnan(stats.monotonicity(np.array([1.0, np.nan, 2.0])))
    assert np.isnan(stats.monotonicity(np.array([1.0, 1.0])))


def test_rank_autocorrelation_is_spearman_with_the_date_before() -> None:
    scores = table(8)
    slow = [scipy.stats.spearmanr(scores[t], scores[t - 1], nan_policy="omit").statistic for t in range(1, len(scores))]
    np.testing.assert_allclose(stats.rank_autocorrelation(scores), [np.nan, *slow], atol=1e-14)
    assert stats.rank_autocorrelation(scores[:0]).shape == (0,)


def test_turnover_is_the_share_of_the_book_replaced() -> None:
    scores = np.array([[1, 2, 3, 4], [1, 2, 3, 4], [4, 3, 2, 1], [np.nan] * 4, [1, 2, 3, 4]], float)
    np.testing.assert_allclose(stats.turnover(scores), [np.nan, 0, 1, np.nan, np.nan], atol=1e-15)


def slow_residuals(scores: Floats, exposures: Floats, groups: np.ndarray) -> Floats:
    out = np.full(scores.shape, np.nan)
    for t in range(len(scores)):
        known = np.isfinite(scores[t]) & np.isfinite(exposures[t]).all(axis=1) & (groups[t] >= 0)
        dummies = (groups[t][known][:, None] == np.unique(groups[t][known])).astype(float)
        ranked = [rankdata(column[known]) for column in exposures[t].T]
        design = np.column_stack([dummies, *ranked])
        out[t, known] = sm.OLS(rankdata(scores[t][known]), design).fit().resid
    return out


@pytest.mark.parametrize("n_groups", [1, 4])
def test_residualise_is_statsmodels_residuals(n_groups: int) -> None:
    scores, exposures = table(9), table(10, (12, 40, 2), 2, 0.05)
    exposures[..., 1] += 3 * exposures[..., 0]
    groups = np.random.default_rng(11).integers(-1 if n_groups > 1 else 0, n_groups, scores.shape)
    expected = slow_residuals(scores, exposures, groups)
    left = stats.residualise(scores, exposures, groups)
    np.testing.assert_allclose(left, expected, atol=1e-10)
    if n_groups == 1:
        np.testing.assert_array_equal(stats.residualise(scores, exposures), left)


def test_residualise_says_nothing_where_the_exposures_say_it_all() -> None:
    exposures = table(12, (3, 20, 1), 6, 0.0)
    scores = np.exp(exposures[..., 0])
    scores[2] = np.random.default_rng(13).standard_normal(20)
    left = stats.residualise(scores, exposures)
    assert np.isnan(left[:2]).all()
    assert np.isfinite(left[2]).all()


def test_residualise_says_nothing_of_too_few_names() -> None:
    exposures = table(14, (1, 5, 2), 6, 0.0)
    scores = np.array([[1.0, 5.0, 2.0, np.nan, np.nan]])
    assert np.isnan(stats.residualise(scores, exposures)).all()


def test_residualise_passes_over_an_exposure_given_twice() -> None:
    scores, exposures = table(15), table(16, (12, 40, 1), 3, 0.0)
    twice = np.concatenate([exposures, exposures * 2 + 1], axis=2)
    np.testing.assert_allclose(stats.residualise(scores, twice), stats.residualise(scores, exposures), atol=1e-10)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000))
def test_residualise_knows_only_ranks_and_leaves_nothing_of_them(seed: int) -> None:
    scores, exposures = table(seed), table(seed + 1, (12, 40, 2), 2, 0.05)
    left = stats.residualise(scores, exposures)
    np.testing.assert_allclose(stats.residualise(np.exp(scores), exposures**3), left, atol=1e-10)
    known = np.isfinite(left)
    for column in np.moveaxis(exposures, 2, 0):
        ranked = stats.ranks(np.where(known, column, np.nan))
        np.testing.assert_allclose(np.nansum(left * ranked, axis=1), 0, atol=1e-8)
