"""The judge against slow definitions, figure by figure, and its rules at their edges."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from array_market import market, signal
from scipy import stats

from nexus.maths.returns import Forward
from nexus.maths.types import Floats
from nexus.signals.judge import Judged, judge, wrong_since
from nexus.signals.labels import Labels, labels

HORIZONS = (21, 63)


@pytest.fixture(scope="module")
def made() -> Labels:
    """Ten years of 80 companies, a tenth of them gone before the end, some outside the universe, some halted."""
    random = np.random.default_rng(3)
    n, companies = 21 * 121 + 2, 80
    wealth = np.cumprod(1 + 0.02 * random.standard_normal((n, companies)), axis=0)
    wealth[random.random(wealth.shape) < 0.01] = np.nan
    for gone in range(8):
        wealth[300 * (gone + 1) :, gone] = np.nan
    rows = np.arange(20, n - 2, 21)
    members = random.random((len(rows), companies)) < 0.97
    delisting = np.full(companies, np.nan)
    delisting[[0, 2]] = -0.5
    sessions = np.datetime64("2005-01-03") + np.arange(n) * 10 // 7
    return labels(wealth, sessions, rows, np.arange(1, companies + 1), members, HORIZONS, delisting=delisting)


@pytest.fixture(scope="module")
def scores(made: Labels) -> Floats:
    drawn = signal(np.nan_to_num(made.one_period.returns), 0.1)
    drawn[np.random.default_rng(4).random(drawn.shape) < 0.1] = np.nan
    drawn[17, 15:] = np.nan
    return np.round(drawn, 2)


@pytest.fixture(scope="module")
def judged(made: Labels, scores: Floats) -> list[Judged]:
    return judge(scores, made, HORIZONS)


def spearman(x: Floats, y: Floats) -> float:
    both = np.isfinite(x) & np.isfinite(y)
    return float(stats.spearmanr(x[both], y[both]).statistic)


def seen(made: Labels, scores: Floats) -> Floats:
    """Scores of members, on dates with 20 names that could be entered."""
    entered = np.isfinite(made.one_period.returns) | np.isfinite(made.forward[21].returns)
    out = np.where(made.members & entered, scores, np.nan)
    out[[len(np.unique(row[np.isfinite(row)])) < 20 for row in out]] = np.nan
    return out


@pytest.mark.parametrize("place", [0, 1])
def test_the_overlapping_ic(made: Labels, scores: Floats, judged: list[Judged], place: int) -> None:
    horizon, found = HORIZONS[place], judged[place]
    rows = [i for i in range(len(made.dates)) if made.forward[horizon].complete[i] and i != 17]
    expected = np.array([spearman(seen(made, scores)[i], made.forward[horizon].returns[i]) for i in rows])
    np.testing.assert_array_equal(found.dates, made.dates[rows])
    np.testing.assert_allclose(found.ic, expected, atol=1e-12)
    assert found.dropped_dates == 1
    assert found.ic_mean == pytest.approx(expected.mean()) and found.ic_sd == pytest.approx(expected.std(ddof=1))
    assert found.hit_rate == np.mean(expected > 0)
    assert found.t_plain == pytest.approx(stats.ttest_1samp(expected, 0).statistic)
    assert found.names_mean == np.isfinite(seen(made, scores)[rows]).sum(axis=1).mean()
    assert found.coverage_mean == pytest.approx(made.coverage[rows].mean())
    assert found.leavers == made.forward[horizon].leavers[rows].sum() > 0


def test_the_gate_in_calendar_time(made: Labels, scores: Floats, judged: list[Judged]) -> None:
    used, overlap = seen(made, scores), 3
    expected, dates = [], []
    for u in range(overlap - 1, len(made.dates)):
        books = [stats.rankdata(row, nan_policy="omit") for row in used[u - overlap + 1 : u + 1]]
        if not all(np.isfinite(book).any() for book in books) or not made.one_period.complete[u]:
            continue
        books = [(book - np.nanmean(book)) / np.sqrt(np.nansum((book - np.nanmean(book)) ** 2)) for book in books]
        there = np.isfinite(books).sum(axis=0)
        mean = np.where(there > 0, np.nansum(books, axis=0) / np.maximum(there, 1), np.nan)
        expected.append(spearman(np.round(mean, 12), made.one_period.returns[u]))
        dates.append(made.dates[u])
    np.testing.assert_array_equal(judged[1].gate_dates, dates)
    np.testing.assert_allclose(judged[1].gate_ic, expected, atol=1e-12)
    test = stats.ttest_1samp(expected, 0)
    assert judged[1].gate_t == pytest.approx(test.statistic) and judged[1].gate_p == pytest.approx(test.pvalue)
    interval = test.confidence_interval(0.90)
    assert (judged[1].null_low, judged[1].null_high) == pytest.approx((interval.low, interval.high))


def test_at_one_period_the_gate_is_the_ic(judged: list[Judged]) -> None:
    np.testing.assert_array_equal(judged[0].gate_ic, judged[0].ic)
    np.testing.assert_array_equal(judged[0].gate_dates, judged[0].dates)


def test_the_canonical_portfolio(made: Labels, scores: Floats, judged: list[Judged]) -> None:
    used, overlap = seen(made, scores), 3
    weights = []
    for row in used:
        centred = stats.rankdata(row, nan_policy="omit") - (np.isfinite(row).sum() + 1) / 2
        weights.append(np.nan_to_num(centred / np.nansum(np.abs(centred)) if np.isfinite(row).any() else row))
    earned = [
        sum(weights[i] @ np.nan_to_num(made.one_period.returns[u]) for i in range(u - overlap + 1, u + 1)) / overlap
        for u in np.flatnonzero(np.isin(made.dates, judged[1].gate_dates))
    ]
    found = judged[1]
    assert found.portfolio_n == len(earned)
    assert found.portfolio_mean == pytest.approx(np.mean(earned))
    assert found.portfolio_sd == pytest.approx(np.std(earned, ddof=1))
    assert found.portfolio_skew == pytest.approx(stats.skew(earned))
    assert found.portfolio_kurtosis == pytest.approx(stats.kurtosis(earned, fisher=False))


def test_unknown_delistings_at_minus_thirty(made: Labels, scores: Floats, judged: list[Judged]) -> None:
    used = seen(made, scores)
    rows = np.flatnonzero(np.isin(made.dates, judged[1].dates))
    worst = [spearman(used[i], made.forward[63].pessimistic[i]) for i in rows]
    assert judged[1].ic_mean_delisted_30 == pytest.approx(np.mean(worst))
    assert judged[1].ic_mean_delisted_30 != judged[1].ic_mean


def test_a_look_begins_where_nobody_chose(made: Labels, scores: Floats) -> None:
    coverage = np.where(np.arange(len(made.dates)) < 60, 0.5, 0.95)
    (found,) = judge(scores, replace(made, coverage=coverage), (21,))
    kept = np.flatnonzero(np.isin(made.dates, judge(scores, made, (21,))[0].dates))
    first = next(d for d in range(len(kept)) if coverage[kept[d:]].mean() >= 0.90)
    assert found.dates[0] == made.dates[kept[first]]
    assert found.coverage_mean >= 0.90


def test_without_coverage_a_look_begins_at_the_first_date(made: Labels, scores: Floats) -> None:
    for coverage in (np.full(len(made.dates), 0.6), np.full(len(made.dates), np.nan)):
        (found,) = judge(scores, replace(made, coverage=coverage), (21,))
        assert found.dates[0] == made.dates[0]
    assert found.coverage_mean is None


def test_tranches_from_before_the_look_do_not_count(made: Labels, scores: Floats) -> None:
    coverage = np.where(np.arange(len(made.dates)) < 60, 0.5, 0.95)
    (found,) = judge(scores, replace(made, coverage=coverage), (63,))
    assert np.flatnonzero(made.dates == found.gate_dates[0]) >= np.flatnonzero(made.dates == found.dates[0]) + 2


def test_a_chosen_window(made: Labels, scores: Floats) -> None:
    window = (np.arange(len(made.dates)) >= 30) & (np.arange(len(made.dates)) < 60)
    (found,) = judge(scores, made, (21,), window=window)
    np.testing.assert_array_equal(found.dates, made.dates[window])


@pytest.mark.parametrize(("different", "kept"), [(19, False), (20, True)])
def test_dates_with_fewer_than_twenty_different_scores_are_dropped(made: Labels, different: int, kept: bool) -> None:
    scores = np.tile(np.arange(80) % different, (len(made.dates), 1)).astype(float)
    (found,) = judge(scores, replace(made, members=np.ones_like(made.members)), (21,))
    assert (found.n > 0) is kept
    assert (found.dropped_dates == 0) is kept


def test_ties_are_those_of_the_raw_scores(made: Labels, scores: Floats) -> None:
    raw = np.where(np.arange(80) < 40, 1.0, np.arange(80)) + np.zeros_like(scores)
    (found,) = judge(scores, made, (21,), raw=raw)
    assert 0.4 < found.ties_mean < 0.6
    assert judge(scores, made, (21,))[0].ties_mean < 0.1


def test_scores_that_know_the_returns_are_contaminated(made: Labels) -> None:
    (every,) = judge(made.forward[21].returns, made, (21,))
    assert every.contaminated and every.suspect and every.ic_mean == pytest.approx(1)
    once = np.random.default_rng(0).standard_normal(made.members.shape)
    assert not judge(once, made, (21,))[0].contaminated
    once[40] = made.forward[21].returns[40]
    assert judge(once, made, (21,))[0].contaminated


def test_a_large_mean_ic_is_suspect(made: Labels) -> None:
    future = np.nan_to_num(made.one_period.returns)
    assert judge(signal(future, 0.3), made, (21,))[0].suspect
    assert not judge(signal(future, 0.05), made, (21,))[0].suspect


def test_a_factor_that_lost_its_power_is_declining_and_unstable() -> None:
    made, future = market(months=200, companies=200, horizons=(21,))
    early = np.arange(len(future))[:, None] < 100
    scores = np.where(early, signal(future, 0.15), signal(future, 0.0))
    (found,) = judge(scores, made, (21,))
    assert found.declining and not found.stable
    (steady,) = judge(signal(future, 0.15), made, (21,))
    assert steady.stable and not steady.declining


def test_signs_that_disagree(made: Labels, scores: Floats) -> None:
    worse = Forward(-made.forward[63].returns, -made.forward[63].pessimistic, *_rest(made.forward[63]))
    (found,) = judge(scores, replace(made, forward={63: worse}), (63,))
    assert not found.sign_agrees
    assert judge(scores, made, (63,))[0].sign_agrees


def test_nothing_to_judge_has_no_figures(made: Labels) -> None:
    (found,) = judge(np.full(made.members.shape, np.nan), made, (63,))
    assert found.n == found.gate_n == 0
    assert found.gate_p is None and found.ic_mean is None and not found.stable
    assert found.details["quantile_returns"] == [None] * 5


def test_upside_down_everything_turns_round(made: Labels, scores: Floats, judged: list[Judged]) -> None:
    for up, down in zip(judged, judge(-scores, made, HORIZONS), strict=True):
        np.testing.assert_allclose(down.gate_ic, -up.gate_ic, atol=1e-12)
        assert down.gate_p == pytest.approx(up.gate_p) and down.stable == up.stable


def test_the_description(made: Labels, scores: Floats, judged: list[Judged]) -> None:
    used, forward = seen(made, scores), made.forward[21].returns
    rows = np.flatnonzero(np.isin(made.dates, judged[0].dates))
    details = judged[0].details
    pearson = [np.corrcoef(used[i][ok], forward[i][ok])[0, 1] for i in rows for ok in [np.isfinite(used[i])]]
    assert details["pearson_ic"] == pytest.approx(np.mean(pearson))
    tops = [forward[i][_fifth(used[i]) == 4].mean() for i in rows]
    lows = [forward[i][_fifth(used[i]) == 0].mean() for i in rows]
    assert details["spread"] == pytest.approx(np.mean(tops) - np.mean(lows))
    assert details["quantile_returns"][4] == pytest.approx(np.mean(tops))
    assert details["decay"][0] == pytest.approx(judged[0].ic_mean, abs=1e-3)
    assert sum(block["n"] for block in details["sub_periods"]) == judged[0].gate_n


def test_regimes_split_the_gate(made: Labels, scores: Floats) -> None:
    calm = np.where(np.arange(len(made.dates)) < 10, np.nan, np.arange(len(made.dates)) % 2).astype(float)
    (found,) = judge(scores, replace(made, regimes={"odd": calm}), (21,))
    inside = calm[np.isin(made.dates, found.gate_dates)] == 1
    assert found.details["regimes"]["odd"]["in"]["mean_ic"] == pytest.approx(found.gate_ic[inside].mean())
    assert found.details["regimes"]["odd"]["in"]["n"] + found.details["regimes"]["odd"]["out"]["n"] == found.gate_n - 10


def test_the_wrong_sign_since_approval_needs_two_years() -> None:
    dates = np.datetime64("2010-01-31") + 30 * np.arange(60)
    wrong = np.full(60, -0.05) + 0.01 * np.random.default_rng(0).standard_normal(60)
    assert wrong_since(dates, wrong, dates[35], 1.0)
    assert not wrong_since(dates, wrong, dates[36], 1.0)
    assert not wrong_since(dates, wrong, dates[20], -1.0)


def _fifth(scores: Floats) -> Floats:
    ranked = stats.rankdata(scores, nan_policy="omit")
    return np.floor((ranked - 0.5) * 5 / np.isfinite(scores).sum())


def _rest(forward: Forward) -> tuple:
    return forward.complete, forward.leavers, forward.no_entry
