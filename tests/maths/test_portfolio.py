"""Weights against their definitions spelled out, and limits that must hold whatever comes in."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from nexus.maths.portfolio import (
    capped,
    limited,
    long_only,
    long_short,
    neutral,
    neutral_and_capped,
    proportional,
    shrunk_covariance,
)
from nexus.maths.types import Floats

NAN = np.nan
scores = arrays.arrays(np.float64, (3, 11), elements=st.sampled_from([-2.0, -1.0, 0.0, 1.0, 1.5, 3.0, NAN]))


def slow_top(row: Floats, quantiles: int) -> Floats:
    """Equal shares of the highest names; the mean over all orders in which ties could be broken."""
    known = np.flatnonzero(np.isfinite(row))
    held = max(len(known) // quantiles, 1)
    out = np.zeros(len(row))
    for i in known:
        above, tied = (row[known] > row[i]).sum(), (row[known] == row[i]).sum()
        out[i] = min(max(held - above, 0), tied) / tied / held
    return out


@given(scores, st.integers(2, 5))
@settings(max_examples=60, deadline=None)
def test_long_short_is_the_top_less_the_bottom(values: Floats, quantiles: int) -> None:
    expected = [0.8 / 2 * (slow_top(row, quantiles) - slow_top(-row, quantiles)) for row in values]
    np.testing.assert_allclose(long_short(values, quantiles, 0.8), expected, atol=1e-15)


@given(scores, st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_long_only_is_the_top(values: Floats, quantiles: int) -> None:
    np.testing.assert_allclose(long_only(values, quantiles), [slow_top(row, quantiles) for row in values], atol=1e-15)


def test_a_decile_of_twenty_names_by_hand() -> None:
    weights = long_short(np.arange(20.0)[None, :], 10)[0]
    assert weights[:2].tolist() == [-0.25, -0.25]
    assert weights[-2:].tolist() == [0.25, 0.25]
    assert not weights[2:-2].any()


def test_proportional_by_hand() -> None:
    weights = proportional(np.array([[1.0, 2.0, NAN, 6.0], [4.0, 4.0, 4.0, NAN]]), 1.2)
    np.testing.assert_allclose(weights, [[-0.4, -0.2, 0.0, 0.6], [0.0, 0.0, 0.0, 0.0]])


@pytest.mark.parametrize("quantiles", [0, 1])
def test_too_few_quantiles_are_refused(quantiles: int) -> None:
    with pytest.raises(ValueError, match="2 or more"):
        long_short(np.ones((1, 4)), quantiles)


def test_no_quantile_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="1 \\(everybody\\) or more"):
        long_only(np.ones((1, 4)), 0)


def test_neutral_is_the_nearest_neutral_book_with_its_gross_restored() -> None:
    random = np.random.default_rng(1)
    weights = random.standard_normal((1, 12))
    weights[0, :3] = 0
    groups, betas = random.integers(-1, 3, (1, 12)), random.standard_normal((1, 12))
    got = neutral(weights, groups, betas)[0]
    held = weights[0] != 0
    conditions = np.array([groups[0] == code for code in range(-1, 3)] + [betas[0]], np.float64)[:, held]
    found = weights[0, held] - np.linalg.pinv(conditions) @ conditions @ weights[0, held]
    np.testing.assert_allclose(got[held], found * np.abs(weights).sum() / np.abs(found).sum(), atol=1e-12)
    np.testing.assert_allclose(conditions @ got[held], 0, atol=1e-12)
    assert not got[~held].any()


def test_neutral_takes_an_unknown_beta_as_its_groups_mean() -> None:
    weights, groups = np.array([[0.4, 0.2, -0.1, -0.5, 0.3]]), np.zeros((1, 5), np.int64)
    betas = np.array([[0.5, 1.5, 2.0, 0.0, 1.0]])
    unknown = betas.copy()
    unknown[0, 4] = NAN
    np.testing.assert_allclose(neutral(weights, groups, unknown), neutral(weights, groups, betas), atol=1e-15)


def test_neutral_of_fewer_names_than_conditions_is_nothing() -> None:
    groups = np.array([[0, 1, 2]])
    assert not neutral(np.array([[0.5, -0.2, 0.3]]), groups).any()


@given(arrays.arrays(np.float64, (2, 8), elements=st.floats(-1, 1)), st.floats(0.01, 0.5))
@settings(max_examples=60, deadline=None)
def test_capped_holds_and_keeps_the_gross_that_fits(weights: Floats, cap: float) -> None:
    got = capped(weights, cap)
    assert (np.abs(got) <= cap * (1 + 1e-9)).all()
    assert (got * weights >= 0).all()
    for side in (1, -1):
        before, after = np.maximum(side * weights, 0), np.maximum(side * got, 0)
        room = np.minimum(before.sum(axis=1), cap * (before > 0).sum(axis=1))
        np.testing.assert_allclose(after.sum(axis=1), room, rtol=1e-9, atol=1e-12)


def test_capped_by_hand() -> None:
    np.testing.assert_allclose(capped(np.array([[0.6, 0.3, 0.1, -0.2]]), 0.5), [[0.5, 0.375, 0.125, -0.2]])
    np.testing.assert_allclose(capped(np.array([[0.6, 0.3, 0.1]]), 0.2), [[0.2, 0.2, 0.2]])
    with pytest.raises(ValueError, match="positive fraction"):
        capped(np.ones((1, 2)), 0.0)


def test_neutral_and_capped_holds_both() -> None:
    random = np.random.default_rng(2)
    weights = random.standard_normal((20, 60)) ** 3
    weights /= np.abs(weights).sum(axis=1, keepdims=True)
    groups, betas = random.integers(0, 4, weights.shape), random.standard_normal(weights.shape)
    got = neutral_and_capped(weights, 0.03, groups, betas)
    assert np.abs(got).max() <= 0.03 * (1 + 1e-9)
    np.testing.assert_allclose((got * betas).sum(axis=1), 0, atol=1e-12)
    for code in range(4):
        np.testing.assert_allclose(np.where(groups == code, got, 0).sum(axis=1), 0, atol=1e-12)
    assert (np.abs(got).sum(axis=1) > 0.85).all()
    with pytest.raises(ValueError, match="positive fraction"):
        neutral_and_capped(weights, -1.0, groups)


def test_limits_on_a_rebalance_by_hand() -> None:
    target, current = np.array([0.5, -0.5, 0.0]), np.array([0.1, -0.1, 0.2])
    none = np.full(3, np.inf)
    np.testing.assert_allclose(limited(target, current, np.inf, none), target)
    np.testing.assert_allclose(limited(target, current, 0.25, none), [0.3, -0.3, 0.1])  # 0.5 one-way, so half of it
    np.testing.assert_allclose(limited(target, current, np.inf, np.array([0.1, 1, 0.05])), [0.2, -0.5, 0.15])
    np.testing.assert_allclose(limited(target, current, 0.25, np.array([0.1, 1, 0.05])), [0.2, -0.3, 0.15])


def test_shrunk_covariance_against_the_definition() -> None:
    random = np.random.default_rng(3)
    returns = random.standard_normal((40, 7)) @ random.standard_normal((7, 7))
    x = returns - returns.mean(axis=0)
    n, p = x.shape
    sample = x.T @ x / n
    mean = np.trace(sample) / p
    distance = ((sample - mean * np.eye(p)) ** 2).sum()
    noise = min(sum(((np.outer(row, row) - sample) ** 2).sum() for row in x) / n**2, distance)
    expected = noise / distance * mean * np.eye(p) + (distance - noise) / distance * sample
    np.testing.assert_allclose(shrunk_covariance(returns), expected, rtol=1e-12)


def test_shrunk_covariance_of_more_names_than_periods_can_be_inverted() -> None:
    returns = np.random.default_rng(4).standard_normal((10, 30))
    assert np.linalg.eigvalsh(shrunk_covariance(returns)).min() > 0.01
    with pytest.raises(ValueError, match="without NaN"):
        shrunk_covariance(np.where(returns > 3, returns, NAN))
