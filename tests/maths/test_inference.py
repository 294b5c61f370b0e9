from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st

from nexus.maths import hlz, inference
from nexus.maths.types import Floats


def series(seed: int = 0, n: int = 60, mean: float = 0.02, memory: float = 0.0) -> Floats:
    random = np.random.default_rng(seed)
    x = random.standard_normal(n)
    for t in range(1, n):
        x[t] += memory * x[t - 1]
    return mean + 0.1 * x


def test_plain_t_is_scipys() -> None:
    x = series()
    assert inference.plain_t(x) == pytest.approx(scipy.stats.ttest_1samp(x, 0).statistic)


@pytest.mark.parametrize("lags", [0, 1, 2, 5, 20])
def test_newey_west_t_is_statsmodels(lags: int) -> None:
    x = series(1, memory=0.5)
    fit = sm.OLS(x, np.ones_like(x)).fit(cov_type="HAC", cov_kwds={"maxlags": lags, "use_correction": False})
    assert inference.newey_west_t(x, lags) == pytest.approx(fit.tvalues[0])


def test_newey_west_t_refuses_lags_there_are_no_periods_for() -> None:
    with pytest.raises(ValueError, match="60 lags of 60 values; give 0 to 59"):
        inference.newey_west_t(series(), 60)


@pytest.mark.parametrize(("n", "dof"), [(2, 1), (5, 1), (58, 5), (60, 6), (228, 14)])
def test_ewc_t_is_its_definition(n: int, dof: int) -> None:
    x = series(2, n)
    variance = 0.0
    for j in range(1, dof + 1):
        cosine = sum((x[t - 1] - x.mean()) * np.cos(np.pi * j * (t - 0.5) / n) for t in range(1, n + 1))
        variance += 2 / n * cosine**2 / dof
    assert inference.ewc_t(x) == (pytest.approx(np.sqrt(n) * x.mean() / np.sqrt(variance)), dof)


def test_ewc_at_fifty_eight_periods_needs_ten_point_seven() -> None:
    """METHOD: the critical |t| at M = 400 is 10.7 at T = 58."""
    assert scipy.stats.t.isf(0.05 / 800, inference.ewc_t(series(n=58)).dof) == pytest.approx(10.7, abs=0.05)


def test_non_overlapping_t_takes_every_step() -> None:
    x = series(3)
    assert inference.non_overlapping_t(x, 3) == inference.plain_t(x[[*range(0, 60, 3)]])
    assert np.isnan(inference.non_overlapping_t(x, 60))
    assert np.isfinite(inference.non_overlapping_t(x, 59))


def test_p_value_is_two_sided() -> None:
    assert inference.p_value(-2.0, 10) == inference.p_value(2.0, 10) == pytest.approx(0.07338803)


def test_mean_interval_is_scipys() -> None:
    x = series(4)
    expected = scipy.stats.ttest_1samp(x, 0).confidence_interval(0.90)
    assert inference.mean_interval(x) == pytest.approx((expected.low, expected.high))


def test_detectable_is_critical_plus_power_in_standard_errors() -> None:
    assert inference.detectable(57, 0.2, 400) == pytest.approx((4.123 + 0.8416) * 0.2 / np.sqrt(57), abs=1e-5)


def test_detectable_is_found_as_often_as_it_says() -> None:
    random = np.random.default_rng(5)
    n, draws = 120, 20_000
    x = random.normal(inference.detectable(n, 0.1, 400), 0.1, (draws, n))
    t = x.mean(axis=1) / (x.std(axis=1, ddof=1) / np.sqrt(n))
    assert (np.abs(t) > hlz.threshold(n, 400)).mean() == pytest.approx(0.80, abs=0.02)


@pytest.mark.parametrize(("ic", "sd"), [(0.03, 0.085), (0.05, 0.2), (-0.02, 0.15), (5.0, 0.01), (0.02, 0.0)])
def test_periods_needed_is_the_fewest(ic: float, sd: float) -> None:
    n = inference.periods_needed(ic, sd, 400)
    assert inference.detectable(n, sd, 400) <= abs(ic)
    assert n == 2 or inference.detectable(n - 1, sd, 400) > abs(ic)


def test_no_number_of_periods_finds_nothing() -> None:
    with pytest.raises(ValueError, match="a mean of 0"):
        inference.periods_needed(0.0, 0.1, 400)


def test_halves_give_the_odd_one_to_the_second() -> None:
    found = inference.halves(np.array([1.0, 2.0, 3.0, 4.0, 5.0]))
    assert (found.first, found.second) == (1.5, 4.0)


@pytest.mark.parametrize(
    ("first", "second", "stable"),
    [(4, 4, True), (7, 1, True), (7.1, 0.9, False), (0.9, 7.1, False), (9, -1, False), (-9, 1, False), (-4, -4, True)],
)
def test_halves_are_stable_when_the_smaller_is_a_quarter_of_the_whole(
    first: float, second: float, stable: bool
) -> None:
    assert inference.halves(np.repeat([first, second], 10)).stable is stable


def test_halves_decline_when_the_second_is_under_half_and_surely_so() -> None:
    noise = np.tile([0.01, -0.01], 20)
    for sign in (1, -1):
        assert inference.halves(sign * (np.repeat([0.06, 0.02], 20) + noise)).declining
        assert not inference.halves(sign * (np.repeat([0.06, 0.04], 20) + noise)).declining
        assert not inference.halves(sign * (np.repeat([0.02, 0.06], 20) + noise)).declining
        assert not inference.halves(sign * (np.repeat([0.06, 0.02], 20) + 20 * noise)).declining


def test_halves_of_constants() -> None:
    assert inference.halves(np.repeat([1.0, 0.0], 5)).declining
    assert inference.halves(np.zeros(6)) == (0.0, 0.0, False, False)


EVERY = [
    inference.plain_t,
    lambda x: inference.newey_west_t(x, 1),
    lambda x: inference.ewc_t(x).t,
    lambda x: inference.non_overlapping_t(x, 2),
]


@pytest.mark.parametrize("statistic", EVERY)
def test_a_series_without_variance_has_no_t(statistic) -> None:  # type: ignore[no-untyped-def]
    assert np.isnan(statistic(np.full(10, 0.1)))


@pytest.mark.parametrize("statistic", [*EVERY, inference.mean_interval, inference.halves])
def test_nan_and_tables_are_refused(statistic) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match="value 3 of 10 is nan; drop the dates"):
        statistic(np.array([1.0, 2, 3, np.nan, 5, 6, 7, 8, 9, 10]))
    with pytest.raises(ValueError, match="give one series"):
        statistic(np.ones((5, 5)))
    with pytest.raises(ValueError, match="give one series of at least"):
        statistic(np.ones(1))


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10_000), st.floats(0.01, 100), st.sampled_from(EVERY))
def test_t_turns_with_the_sign_and_has_no_unit(seed: int, scale: float, statistic) -> None:  # type: ignore[no-untyped-def]
    x = series(seed)
    t = statistic(x)
    assert statistic(-x) == pytest.approx(-t)
    assert statistic(scale * x) == pytest.approx(t)


@pytest.mark.parametrize("seed", range(20))
def test_a_decline_is_what_welch_says(seed: int) -> None:
    random = np.random.default_rng(seed)
    x = np.concatenate([random.normal(0.5, 1.0, 31), random.normal(0.0, 0.4, 32)])
    first, second = x[:31], x[31:]
    p = scipy.stats.ttest_ind(first, second, equal_var=False).pvalue
    shrunk = first.mean() * np.sign(x.mean()) > 0 and (second.mean() * np.sign(x.mean()) < abs(first.mean()) / 2)
    assert inference.halves(x).declining == bool(shrunk and p < 0.05)
