from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import scipy.stats
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st

from nexus.maths import performance
from nexus.maths.types import Floats

RETURNS = np.array([0.10, -0.20, 0.05, -0.05, 0.40, 0.0])


def random_returns(seed: int, *shape: int) -> Floats:
    return np.random.default_rng(seed).normal(0.004, 0.04, shape)


def test_sharpe() -> None:
    assert performance.sharpe(RETURNS) == pytest.approx(0.05 / np.std(RETURNS, ddof=1))
    assert performance.sharpe(RETURNS, 12) == pytest.approx(performance.sharpe(RETURNS) * np.sqrt(12))
    assert np.isnan(performance.sharpe(np.full(5, 0.1)))


def test_sortino_counts_only_what_fell_short() -> None:
    assert performance.sortino(RETURNS) == pytest.approx(0.05 / np.sqrt((0.04 + 0.0025) / 6))
    assert performance.sortino(RETURNS, 4, 0.05) == pytest.approx(0.0, abs=1e-15)
    assert np.isnan(performance.sortino(np.array([0.1, 0.2])))


def test_cagr() -> None:
    assert performance.cagr(np.full(24, 0.01), 12) == pytest.approx(1.01**12 - 1)
    assert performance.cagr(np.array([0.5, -1.0, 0.5]), 12) == -1.0


def test_drawdown() -> None:
    found = performance.drawdown(RETURNS)
    value = np.cumprod(1 + RETURNS) / 1.1
    np.testing.assert_allclose(found.depth, [0, *(value[1:4] - 1), 0, 0], atol=1e-15)
    assert found.deepest == pytest.approx(-0.202)
    assert found.longest == 3
    loses_at_once = performance.drawdown(np.array([-0.1, 0.0]))
    assert (loses_at_once.deepest, loses_at_once.longest) == (pytest.approx(-0.1), 2)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10_000))
def test_drawdown_is_its_definition(seed: int) -> None:
    returns = random_returns(seed, 30)
    value = np.concatenate([[1.0], np.cumprod(1 + returns)])
    slow = [value[t] / value[: t + 1].max() - 1 for t in range(1, 31)]
    found = performance.drawdown(returns)
    np.testing.assert_allclose(found.depth, slow, atol=1e-15)
    runs = "".join("u" if depth < 0 else " " for depth in slow).split()
    assert found.longest == max(map(len, runs), default=0)


@pytest.mark.parametrize("n_factors", [1, 3])
def test_alpha_beta_is_statsmodels(n_factors: int) -> None:
    factors = random_returns(1, 60, n_factors)
    returns = 0.01 + factors @ np.arange(1, n_factors + 1) + random_returns(2, 60)
    fit = sm.OLS(returns, sm.add_constant(factors)).fit()
    found = performance.alpha_beta(returns, factors if n_factors > 1 else factors[:, 0])
    np.testing.assert_allclose([found.alpha, *found.betas], fit.params)
    np.testing.assert_allclose([found.alpha_t, *found.betas_t], fit.tvalues)
    assert found.r_squared == pytest.approx(fit.rsquared)


def test_alpha_beta_refuses_the_same_factor_twice() -> None:
    factor = random_returns(3, 20)
    with pytest.raises(ValueError, match="2 factors over 20 periods cannot be told apart"):
        performance.alpha_beta(factor, np.column_stack([factor, 2 * factor]))


def test_deflated_sharpe_of_the_papers_example() -> None:
    """Bailey & Lopez de Prado (2014): annual 2.5 over 1250 days, 100 trials of variance 1/2, g3 -3, g4 10: 0.9004."""
    daily = 2.5 / np.sqrt(250)
    best = performance.expected_best_sharpe(0.5 / 250, 100)
    assert best == pytest.approx(0.1132, abs=5e-5)
    assert performance.deflated_sharpe(daily, 1250, -3, 10, 0.5 / 250, 100) == pytest.approx(0.9004, abs=5e-5)
    assert performance.deflated_sharpe(daily, 1250, -3, 10, 0.5 / 250, 46) == pytest.approx(0.9505, abs=5e-5)
    assert performance.deflated_sharpe(daily, 1250, 0, 3, 0.5 / 250, 88) == pytest.approx(0.9505, abs=5e-5)


def test_deflated_sharpe_takes_sampling_noise_as_the_least_variance() -> None:
    same = [performance.deflated_sharpe(0.2, 101, 0, 3, variance, 400) for variance in (0.0, 0.004, 0.01)]
    assert same[0] == same[1] == same[2] > performance.deflated_sharpe(0.2, 101, 0, 3, 0.011, 400)


def test_probabilistic_sharpe_is_the_normal_approximation() -> None:
    psr = performance.probabilistic_sharpe(0.2, 61, -0.5, 4.0, benchmark=0.1)
    assert psr == pytest.approx(scipy.stats.norm.cdf(0.1 * np.sqrt(60 / (1 + 0.1 + 0.03))))
    assert performance.probabilistic_sharpe(0.1, 61, -0.5, 4.0, benchmark=0.1) == 0.5


def test_probabilistic_sharpe_refuses_excess_kurtosis() -> None:
    with pytest.raises(ValueError, match="kurtosis not in excess"):
        performance.probabilistic_sharpe(2.0, 61, 0.0, -0.5)


def test_expected_best_of_trials_is_what_simulation_gives() -> None:
    best = np.random.default_rng(4).normal(0, 0.1, (20_000, 400)).max(axis=1).mean()
    assert performance.expected_best_sharpe(0.01, 400) == pytest.approx(best, rel=0.01)
    with pytest.raises(ValueError, match="1 trials"):
        performance.expected_best_sharpe(0.01, 1)


def slow_pbo(returns: Floats, blocks: int, metric: str) -> float:
    parts = np.split(returns[len(returns) % blocks :], blocks)
    logits = []
    for chosen in combinations(range(blocks), blocks // 2):
        inside = np.concatenate([parts[b] for b in range(blocks) if b in chosen])
        outside = np.concatenate([parts[b] for b in range(blocks) if b not in chosen])
        scores = [x.mean(0) / (x.std(0, ddof=1) if metric == "sharpe" else 1) for x in (inside, outside)]
        omega = scipy.stats.rankdata(scores[1])[scores[0].argmax()] / (returns.shape[1] + 1)
        logits.append(np.log(omega / (1 - omega)))
    return float(np.mean(np.array(logits) <= 0))


@pytest.mark.parametrize("metric", ["sharpe", "mean"])
@pytest.mark.parametrize(("n_periods", "n_variants", "blocks"), [(60, 9, 6), (83, 10, 8), (40, 2, 10)])
def test_pbo_is_its_definition(n_periods: int, n_variants: int, blocks: int, metric: performance.Metric) -> None:
    returns = random_returns(5, n_periods, n_variants) * np.linspace(0.5, 2, n_variants)
    assert performance.pbo(returns, blocks, metric) == slow_pbo(returns, blocks, metric)


def test_pbo_of_many_variants_is_taken_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    returns = random_returns(6, 60, 20)
    whole = performance.pbo(returns, 8)
    monkeypatch.setattr(performance, "CELLS", 100)
    assert performance.pbo(returns, 8) == whole


def test_pbo_of_skill_is_nothing_and_of_noise_a_half() -> None:
    skilled = random_returns(7, 240, 20)
    skilled[:, 3] += 0.03
    assert performance.pbo(skilled, 10) == 0.0
    noise = [performance.pbo(random_returns(seed, 120, 20), 8, "mean") for seed in range(40)]
    assert np.mean(noise) == pytest.approx(0.5, abs=0.1)


def test_pbo_of_a_variant_that_never_moves() -> None:
    """Its Sharpe ratio counts as 0, not as infinite: it is never the best of variants that earn something."""
    returns = random_returns(8, 40, 3)
    returns[:, 1] += 0.1
    returns[:, 0] = 0.01
    assert performance.pbo(returns, 4) == 0.0
    assert performance.pbo(returns[:, [1, 0]], 4) == 0.0


def test_pbo_refuses_what_it_cannot_split() -> None:
    for blocks in (3, 0, 22):
        with pytest.raises(ValueError, match=f"{blocks} blocks of 40 periods; give an even number"):
            performance.pbo(random_returns(9, 40, 3), blocks)
    with pytest.raises(ValueError, match="2 variants or more"):
        performance.pbo(random_returns(9, 40, 1))
    with pytest.raises(ValueError, match="use sharpe or mean"):
        performance.pbo(random_returns(9, 40, 3), 4, "median")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "measure", [performance.sharpe, performance.sortino, performance.drawdown, lambda x: performance.cagr(x, 12)]
)
def test_nan_is_refused(measure) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match="with 1 not finite; drop those periods"):
        measure(np.array([0.1, np.nan, 0.2]))
