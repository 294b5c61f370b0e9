from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import pearsonr, rankdata, spearmanr

from nexus.maths import compiled
from nexus.maths.ic import calendar_time_ic, pearson_ic, rank_ic, rank_ic_many
from nexus.maths.types import Floats


def slow_rank_ic(scores: Floats, forward: Floats) -> Floats:
    out = np.full(len(scores), np.nan)
    for t, (x, y) in enumerate(zip(scores, forward, strict=True)):
        both = np.isfinite(x) & np.isfinite(y)
        if both.sum() >= 3 and np.ptp(x[both]) > 0 and np.ptp(y[both]) > 0:
            out[t] = spearmanr(x[both], y[both]).statistic
    return out


def slow_calendar_time_ic(scores: Floats, forward: Floats, overlap: int) -> Floats:
    n_dates, n_companies = scores.shape
    ranks = np.full(scores.shape, np.nan)
    for t in range(n_dates):
        known = np.isfinite(scores[t])
        if known.any() and np.ptp(scores[t][known]) > 0:
            ranked = rankdata(scores[t][known]) - (known.sum() + 1) / 2
            ranks[t, known] = ranked / np.sqrt((ranked**2).sum())
    mean = np.full(scores.shape, np.nan)
    for t in range(overlap - 1, n_dates):
        held = ranks[t - overlap + 1 : t + 1]
        if np.isfinite(held).any(axis=1).all():
            for i in range(n_companies):
                own = held[:, i][np.isfinite(held[:, i])]
                mean[t, i] = round(sum(own) / len(own), 12) if len(own) else np.nan
    return slow_rank_ic(mean, forward)


def panel(seed: int, n_dates: int = 40, n_companies: int = 60, decimals: int | None = None) -> tuple[Floats, Floats]:
    random = np.random.default_rng(seed)
    scores, forward = random.standard_normal((2, n_dates, n_companies))
    if decimals is not None:
        scores, forward = scores.round(decimals), forward.round(decimals)
    scores[random.random(scores.shape) < 0.2] = np.nan
    forward[random.random(forward.shape) < 0.1] = np.nan
    return scores, forward


@pytest.mark.parametrize("decimals", [None, 2, 1, 0])
def test_rank_ic_is_scipys(decimals: int | None) -> None:
    scores, forward = panel(1, decimals=decimals)
    np.testing.assert_allclose(rank_ic(scores, forward), slow_rank_ic(scores, forward), atol=1e-14)


numbers = st.one_of(
    st.sampled_from([0.0, -0.0, 1.0, -1.0, np.nan, np.inf, -np.inf, 5e-324, -5e-324, 1.7e308, -1.7e308]),
    st.floats(width=64),
    st.floats(1, 1 + 1e-12),
)
matrices = hnp.arrays(np.float64, st.tuples(st.integers(1, 4), st.integers(1, 30)), elements=numbers)


@settings(deadline=None, max_examples=200)
@given(matrices, st.randoms(use_true_random=False))
def test_rank_ic_is_exact_on_any_numbers(scores: Floats, random: Random) -> None:
    forward = np.array([random.sample(list(row), len(row)) for row in scores])
    np.testing.assert_allclose(rank_ic(scores, forward), slow_rank_ic_of_ranks(scores, forward), atol=1e-14)


def slow_rank_ic_of_ranks(scores: Floats, forward: Floats) -> Floats:
    """As slow_rank_ic, with ranks first: the difference of the largest numbers overflows."""
    out = np.full(len(scores), np.nan)
    for t, (x, y) in enumerate(zip(scores, forward, strict=True)):
        both = np.isfinite(x) & np.isfinite(y)
        if both.sum() >= 3:
            a, b = rankdata(x[both] + 0.0), rankdata(y[both] + 0.0)
            if np.ptp(a) > 0 and np.ptp(b) > 0:
                out[t] = np.corrcoef(a, b)[0, 1]
    return out


@pytest.mark.parametrize("n", [2, 3, 100, 3000])
def test_rank_ic_where_leading_bits_do_not_tell_apart(n: int) -> None:
    """Values within a billionth of one another beside one far away: the sort must fall back to all their bits."""
    random = np.random.default_rng(n)
    scores, forward = (1 + random.permutation(n)[None, :] * 1e-14 for _ in range(2))
    scores[0, 0], forward[0, -1] = -1e300, 1e300
    np.testing.assert_allclose(rank_ic(scores, forward), slow_rank_ic(scores, forward), atol=1e-13)


@given(st.integers(0, 10_000))
@settings(deadline=None, max_examples=30)
def test_rank_ic_knows_only_the_order(seed: int) -> None:
    scores, forward = panel(seed, 5, 30, decimals=1)
    ic = rank_ic(scores, forward)
    np.testing.assert_array_equal(rank_ic(np.exp(scores), 3 * forward + 7), ic)
    np.testing.assert_array_equal(rank_ic(forward, scores), ic)
    np.testing.assert_array_equal(rank_ic(-scores, forward), -ic)
    order = np.random.default_rng(seed).permutation(30)
    np.testing.assert_array_equal(rank_ic(scores[:, order], forward[:, order]), ic)


def test_rank_ic_needs_three_names_and_variance() -> None:
    nan = np.nan
    scores = np.array([[1, 2, nan, nan], [1, 2, 3, nan], [1, 1, 1, 1], [1, 2, 3, 4], [nan] * 4])
    forward = np.array([[1, 2, 3, 4], [1, 2, 3, 4], [1, 2, 3, 4], [5, 5, 5, 5], [1, 2, 3, 4]], float)
    np.testing.assert_array_equal(rank_ic(scores, forward), [nan, 1, nan, nan, nan])


def test_rank_ic_in_threads_is_rank_ic_in_one() -> None:
    scores, forward = panel(3, n_dates=1500, n_companies=400)
    assert scores.size > compiled.THREAD_CELLS
    rows = np.concatenate([rank_ic(scores[t : t + 1], forward[t : t + 1]) for t in range(0, 1500, 50)])
    np.testing.assert_array_equal(rank_ic(scores, forward)[::50], rows)


def test_rank_ic_many_takes_returns_one_at_a_time() -> None:
    scores, forward = panel(4)
    many = rank_ic_many(scores, (forward * sign for sign in (1, -1)))
    np.testing.assert_array_equal(many, [rank_ic(scores, forward), rank_ic(scores, -forward)])
    assert rank_ic_many(scores, []).shape == (0, len(scores))


def test_rank_ic_reads_any_layout_and_changes_nothing() -> None:
    scores, forward = panel(5)
    before = scores.copy()
    ic = rank_ic(scores, forward)
    np.testing.assert_array_equal(rank_ic(np.asfortranarray(scores), forward[:, ::-1][:, ::-1]), ic)
    np.testing.assert_array_equal(scores, before)


def test_rank_ic_of_other_dates_is_refused() -> None:
    with pytest.raises(ValueError, match=r"scores are \(2, 3\), returns \(3, 3\)"):
        rank_ic(np.zeros((2, 3)), np.zeros((3, 3)))


def test_rank_ic_of_no_dates() -> None:
    assert rank_ic(np.empty((0, 5)), np.empty((0, 5))).shape == (0,)


def test_pearson_ic_is_scipys() -> None:
    scores, forward = panel(6)
    both = np.isfinite(scores) & np.isfinite(forward)
    slow = [pearsonr(x[k], y[k]).statistic for x, y, k in zip(scores, forward, both, strict=True)]
    np.testing.assert_allclose(pearson_ic(scores, forward), slow, atol=1e-14)


def test_pearson_ic_needs_three_names_and_variance() -> None:
    nan = np.nan
    scores = np.array([[1, 2, nan], [0.1, 0.1, 0.1], [1, 2, 4], [nan] * 3])
    np.testing.assert_allclose(pearson_ic(scores, np.array([[1.0, 2, 3]] * 4)), [nan, nan, 0.98198051, nan])


@pytest.mark.parametrize("overlap", [1, 2, 3, 6])
@pytest.mark.parametrize("decimals", [None, 0])
def test_calendar_time_ic_is_its_definition(overlap: int, decimals: int | None) -> None:
    scores, forward = panel(7, decimals=decimals)
    scores[20] = np.nan
    ic = calendar_time_ic(scores, forward, overlap)
    np.testing.assert_allclose(ic, slow_calendar_time_ic(scores, forward, overlap), atol=1e-14)
    unknown = {*range(overlap - 1), *range(20, 20 + overlap)}
    assert set(np.flatnonzero(np.isnan(ic))) == unknown


def test_calendar_time_ic_without_overlap_is_the_ic() -> None:
    scores, forward = panel(8, decimals=1)
    np.testing.assert_array_equal(calendar_time_ic(scores, forward, 1), rank_ic(scores, forward))


def test_calendar_time_ic_ignores_the_order_of_equal_terms() -> None:
    """Three names with the same three ranks in another order have the same mean, and must tie."""
    scores = np.array([[1, 2, 3, 9, 9], [2, 3, 1, 9, 9], [3, 1, 2, 9, 9]], float)
    forward = np.array([[1, 2, 3, 4, 5]] * 3, float)
    assert calendar_time_ic(scores, forward, 3)[2] == pytest.approx(spearmanr([1, 1, 1, 2, 2], range(5)).statistic)


def test_kernels_compile_where_nothing_can_be_cached(monkeypatch: pytest.MonkeyPatch) -> None:
    from numba.core import caching

    monkeypatch.setattr(caching.FunctionCache._impl_class, "_locator_classes", [])

    @compiled.kernel
    def double(x: float) -> float:
        return 2 * x

    assert double(2.0) == 4.0
