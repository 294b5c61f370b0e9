"""The nearest others are those that numpy's correlation and a full sort give, pair by pair."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from nexus.maths import correlation
from nexus.maths import correlation_kernels as kernels
from nexus.maths.correlation import TopPairs, top_correlations
from nexus.maths.types import Floats, Ints


def slow(returns: Floats, end: int, window: int, k: int, least: int) -> TopPairs:
    part = returns[max(0, end + 1 - window) : end + 1]
    nodes = np.flatnonzero(np.isfinite(part).sum(axis=0) >= least)
    table = correlations(part[:, nodes], least)
    found: list[tuple[int, int, float]] = []
    for src, row in zip(nodes, table, strict=True):
        known = [(dst, corr) for dst, corr in zip(nodes, row, strict=True) if dst != src and np.isfinite(corr)]
        found += [(src, dst, corr) for dst, corr in sorted(known, key=lambda pair: (-abs(pair[1]), pair[0]))[:k]]
    src, dst, corr = np.array(found, float).reshape(-1, 3).T
    return TopPairs(end, nodes, src.astype(int), dst.astype(int), corr)


def correlations(part: Floats, least: int) -> Floats:
    usual = np.isfinite(part).all(axis=0) & (np.ptp(part, axis=0) > 0)
    table = np.full((part.shape[1],) * 2, np.nan)
    table[np.ix_(usual, usual)] = np.corrcoef(part[:, usual] - part[0, usual], rowvar=False)
    for one in np.flatnonzero(~usual):
        for other in range(part.shape[1]):
            table[one, other] = table[other, one] = pairwise(part[:, one], part[:, other], least)
    return np.round(table, 9)


def pairwise(x: Floats, y: Floats, least: int) -> float:
    both = np.isfinite(x) & np.isfinite(y)
    if both.sum() < least or np.ptp(x[both]) == 0 or np.ptp(y[both]) == 0:
        return np.nan
    x, y = x[both] - x[both][0], y[both] - y[both][0]  # numpy's mean would cost digits where all are near 1
    return float(np.corrcoef(x, y)[0, 1])


def assert_right(pairs: TopPairs, returns: Floats, window: int, k: int, least: int) -> None:
    expected = slow(returns, pairs.end, window, k, least)
    for field in ("nodes", "src", "dst"):
        np.testing.assert_array_equal(getattr(pairs, field), getattr(expected, field), err_msg=field)
    np.testing.assert_allclose(pairs.corr, expected.corr, rtol=0, atol=1.001e-9)  # numpy's last bit may round elsewhere
    assert (pairs.corr != expected.corr).sum() <= len(pairs.corr) / 100


def assert_same(first: TopPairs, second: TopPairs) -> None:
    for field in fields(TopPairs):
        np.testing.assert_array_equal(getattr(first, field.name), getattr(second, field.name), err_msg=field.name)


def draw(n_rows: int, n_columns: int, seed: int = 0) -> Floats:
    random = np.random.default_rng(seed)
    return 0.02 * (random.standard_normal((n_rows, n_columns)) + 0.7 * random.standard_normal((n_rows, 1)))


def every_kind(seed: int) -> Floats:
    """Joins, leaves, gaps, flat and equal series, jumps, and one that is always there."""
    returns = draw(130, 75, seed)
    returns[:70, 3] = returns[100:, 4] = returns[:50, 5] = returns[65:, 5] = np.nan
    returns[40:80:2, 6] = returns[41:81:2, 7] = returns[:, 8] = np.nan
    returns[:, 9] = 0.01
    returns[30:90, 10] = 0.0
    returns[60:, 11] = returns[60, 11]
    returns[:, 12], returns[:, 13] = returns[:, 14], -returns[:, 14]
    returns[55, 15], returns[55, 16] = 1e4, 1e9
    returns[:, 17] = 1.0 + 1e-9 * returns[:, 18]
    returns[np.random.default_rng(seed).random(returns.shape) < 0.003] = np.nan
    return returns


ENDS = np.array([5, 14, 29, 40, 41, 47, 53, 60, 66, 72, 77, 80, 85, 90, 96, 99, 102, 110, 118, 121, 129])


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_slow_twin_agrees(seed: int) -> None:
    returns = every_kind(seed)
    found = list(top_correlations(returns, ENDS, window=40, k=6, least=20))
    assert [pairs.end for pairs in found] == ENDS.tolist()
    for pairs in found:
        assert_right(pairs, returns, 40, 6, 20)


def test_ties_are_broken_by_column() -> None:
    returns = np.random.default_rng(4).integers(-1, 2, (60, 40)).astype(float)
    returns[:, 20:] = returns[:, :20]
    found = list(top_correlations(returns, np.arange(9, 60), window=10, k=7, least=10))
    for pairs in found:
        assert_right(pairs, returns, 10, 7, 10)
        assert (np.diff(np.abs(pairs.corr)) == 0).mean() > 0.3


def test_the_whole_of_a_small_market() -> None:
    returns = draw(30, 4)
    (pairs,) = top_correlations(returns, np.array([29]), window=30, k=50)
    assert len(pairs.src) == 12
    assert_right(pairs, returns, 30, 50, 15)


@pytest.mark.parametrize("alone", [7, 16, 30, 40])
def test_each_window_is_what_it_is_alone(alone: int) -> None:
    returns = draw(420, 300, seed=5)
    returns[::9, ::14] = np.nan
    returns[150, 20] = 1e6
    ends = np.arange(99, 420, 8)
    together = list(top_correlations(returns, ends, window=100, k=20))
    (single,) = top_correlations(returns, ends[[alone]], window=100, k=20)
    assert_same(single, together[alone])


def test_what_comes_later_does_not_matter() -> None:
    returns = draw(200, 90, seed=6)
    ends = np.array([120, 130, 140])
    changed = returns.copy()
    changed[131:] = 1e8 * changed[131:][:, ::-1]
    changed[131:, 40:] = np.nan
    first, second, _ = top_correlations(returns, ends, window=100, k=10)
    for one, other in zip((first, second), top_correlations(changed, ends, window=100, k=10), strict=False):
        assert_same(one, other)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_change_nothing(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    returns = draw(150, 330, seed=7)
    returns[:60, :25] = np.nan
    monkeypatch.setattr(correlation, "THREAD_COLUMNS", 1)
    monkeypatch.setattr("os.cpu_count", lambda: threads)
    *_, last = top_correlations(returns, np.array([99, 120, 140, 149]), window=100, k=15)
    assert_right(last, returns, 100, 15, 50)


def test_a_slow_reader_is_not_run_away_from(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[int] = []
    nearest = correlation._Windows.nearest

    def counted(windows: correlation._Windows, place: int, end: int, nodes: np.ndarray) -> TopPairs:
        told.append(end)
        return nearest(windows, place, end, nodes)

    monkeypatch.setattr(correlation._Windows, "nearest", counted)
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    returns = np.random.default_rng(0).standard_normal((100, 8))
    reader = top_correlations(returns, np.arange(20, 80), window=20, k=2)
    next(reader)
    next(reader)
    reader.close()
    assert len(told) <= 2 + correlation.AHEAD


def test_many_columns_whose_correlations_fall_and_rise_at_once() -> None:
    """What the sieve must find moves from window to window, and some columns lack values meanwhile."""
    calm, fear = draw(120, 600, seed=8), draw(120, 600, seed=9)
    fear += 0.1 * np.random.default_rng(10).standard_normal((120, 1)) * np.linspace(0, 2, 600)
    returns = np.concatenate([calm, fear, calm])
    returns[100:110, :5] = np.nan
    for pairs in top_correlations(returns, np.arange(59, 360, 30), window=60, k=10):
        assert_right(pairs, returns, 60, 10, 30)


@pytest.mark.parametrize("jump", [1e3, 1e6, 1e12])
def test_jumps_that_leave_the_window_cost_no_accuracy(jump: float) -> None:
    """Single precision has lost these columns until the sums begin anew: the referee tells all their pairs."""
    returns = draw(300, 90, seed=13)
    returns[70, ::5] = jump
    returns[75, ::7] = -jump
    returns[200:205, 3:6] = np.nan
    for pairs in top_correlations(returns, np.arange(59, 300, 12), window=60, k=8):
        assert_right(pairs, returns, 60, 8, 30)


def at_share_of_the_first(shares: Floats, n_rows: int, seed: int) -> Floats:
    """Returns of a column and of others that correlate with it so much."""
    random = np.random.default_rng(seed)
    basis, _ = np.linalg.qr(np.column_stack([np.ones(n_rows), random.standard_normal(n_rows)]))
    rest = random.standard_normal((n_rows, len(shares)))
    rest -= basis @ (basis.T @ rest)
    near = shares * basis[:, 1:] + np.sqrt(1 - shares**2) * rest / np.linalg.norm(rest, axis=0)
    return np.column_stack([basis[:, 1], near])


def test_sizes_that_single_precision_cannot_tell_apart_are_told() -> None:
    """All correlate with the first column at one half, the sieve's floor, but for less than its error."""
    returns = at_share_of_the_first(0.5 + 1e-8 * np.random.default_rng(14).standard_normal(100), 60, seed=15)
    (pairs,) = top_correlations(returns, np.array([59]), window=60, k=10)
    assert_right(pairs, returns, 60, 10, 30)
    assert np.abs(pairs.corr[pairs.src == 0] - 0.5).max() < 1e-7


def test_where_rounding_hangs_on_the_order_of_a_sum_it_is_the_one_that_is_said() -> None:
    """All lie between two units of 1e-9 but for some last bits; the twin is the same arithmetic, by the interpreter."""
    n_rows, shares = 250, np.full(200, 0.3000000005)
    returns = at_share_of_the_first(shares, n_rows, seed=16)
    (pairs,) = top_correlations(returns, np.array([n_rows - 1]), window=n_rows, k=200)
    z = np.empty((201, n_rows))
    for column, own in zip(returns.T, z, strict=True):
        assert kernels._standardise.py_func(column, own)
    expected = {j: round(round(kernels._dot.py_func(z[0], z[j]) * 1e9) / 1e9, 9) for j in range(1, 201)}
    assert len(set(expected.values())) == 2
    mine = pairs.src == 0
    assert dict(zip(pairs.dst[mine].tolist(), pairs.corr[mine].tolist(), strict=True)) == expected


def test_members_only() -> None:
    returns = draw(80, 30, seed=11)
    members = np.random.default_rng(12).random((3, 30)) < 0.6
    ends = np.array([60, 70, 79])
    for place, pairs in enumerate(top_correlations(returns, ends, window=50, k=5, members=members)):
        only = np.where(members[place], returns, np.nan)
        assert_right(pairs, only, 50, 5, 25)


def test_nobody() -> None:
    none: Ints = np.empty(0, np.int64)
    assert list(top_correlations(draw(10, 3), none)) == []
    (pairs,) = top_correlations(draw(10, 3), np.array([9]), window=252)
    assert len(pairs.nodes) == len(pairs.src) == len(pairs.dst) == len(pairs.corr) == 0


@pytest.mark.parametrize(
    ("ends", "kind", "message"),
    [
        ([3, 2], {}, "ascend"),
        ([30], {}, "0 to 29"),
        ([5], {"k": 0}, "k 0"),
        ([5], {"window": 10, "least": 11}, "least 11"),
        ([5], {"window": 10, "least": 1}, "least 1"),
    ],
)
def test_what_is_refused(ends: list[int], kind: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        list(top_correlations(draw(30, 3), np.array(ends), **kind))


def test_an_infinite_return_is_refused() -> None:
    returns = draw(30, 3)
    returns[7, 1] = np.inf
    with pytest.raises(ValueError, match="row 7, column 1"):
        list(top_correlations(returns, np.array([29])))
