from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from nexus.maths import hlz
from nexus.maths.types import Floats


@pytest.mark.parametrize(("n", "t"), [(57, 4.123), (55, 4.134), (52, 4.153)])
def test_threshold_of_four_hundred_trials(n: int, t: float) -> None:
    assert hlz.threshold(n, 400) == pytest.approx(t, abs=5e-4)


def test_threshold_of_one_trial_is_students() -> None:
    assert hlz.threshold(61, 1) == pytest.approx(2.000298)


def test_threshold_refuses_what_has_none() -> None:
    with pytest.raises(ValueError, match="1 periods and 400 trials"):
        hlz.threshold(1, 400)


@pytest.mark.parametrize(("ours", "theirs"), [("bonferroni", "bonferroni"), ("holm", "holm"), ("bhy", "fdr_by")])
@settings(max_examples=25, deadline=None)
@given(p=st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_adjusted_is_statsmodels(ours: hlz.Method, theirs: str, p: list[float]) -> None:
    np.testing.assert_allclose(hlz.adjusted(np.array(p), ours), multipletests(p, method=theirs)[1], atol=1e-15)


def test_adjusted_refuses_what_is_no_probability() -> None:
    with pytest.raises(ValueError, match=r"numbers in \[0, 1\]"):
        hlz.adjusted(np.array([0.1, np.nan]), "holm")
    with pytest.raises(ValueError, match="use bonferroni, holm or bhy"):
        hlz.adjusted(np.array([0.1]), "sidak")  # type: ignore[arg-type]


def family(seed: int, n: int = 120, k: int = 10, common: float = 0.0) -> Floats:
    random = np.random.default_rng(seed)
    return np.sqrt(common) * random.standard_normal((n, 1)) + np.sqrt(1 - common) * random.standard_normal((n, k))


def test_family_p_finds_the_one_that_is_true() -> None:
    x = family(0)
    x[:, 4] += 0.6
    p = hlz.family_p(x, seed=1)
    assert p[4] < 0.01
    assert (np.delete(p, 4) > 0.05).all()
    np.testing.assert_array_equal(p, hlz.family_p(x, seed=1))


def test_family_p_of_copies_is_that_of_one() -> None:
    """Dependence is used: ten copies of a variant cost nothing, where Bonferroni would ask for ten times as much."""
    x = family(2, k=1) + 0.18
    one = hlz.family_p(x, seed=3)[0]
    np.testing.assert_allclose(hlz.family_p(np.tile(x, 10), seed=3), one)
    assert 0.01 < one < 0.2


def test_family_p_steps_down() -> None:
    """With a large one out of the way, the next is judged against fewer; p never falls along the order of |t|."""
    x = family(4)
    x[:, 0] += 1.0
    p = hlz.family_p(x, seed=5)
    t = np.abs(x.mean(axis=0) / x.std(axis=0, ddof=1))
    assert (np.diff(p[np.argsort(-t)]) >= 0).all()
    assert p[1:].min() == hlz.family_p(x[:, 1:], seed=5).min()


@pytest.mark.parametrize("common", [0.0, 0.8])
def test_family_p_errs_as_often_as_it_says(common: float) -> None:
    smallest = [hlz.family_p(family(seed, 60, 8, common), seed=seed, draws=199, block=1).min() for seed in range(300)]
    assert 0.02 <= np.mean(np.array(smallest) <= 0.05) <= 0.09


def test_family_p_refuses_nan_and_constants() -> None:
    with pytest.raises(ValueError, match="without NaN"):
        hlz.family_p(np.full((10, 2), np.nan), seed=1)
    with pytest.raises(ValueError, match="variant 1 is constant"):
        hlz.family_p(np.column_stack([np.arange(10.0), np.ones(10)]), seed=1)


def test_resampling_keeps_blocks_together() -> None:
    """With blocks far longer than the series every draw is the series itself, rotated."""
    assert (hlz._resampled(20, 50, 1e12, np.random.default_rng(0)) == 1).all()
    often = hlz._resampled(20, 5000, 1.0, np.random.default_rng(0))
    assert (often.sum(axis=1) == 20).all()
    np.testing.assert_allclose(often.var(axis=0), 0.95, atol=0.15)


def test_effective_trials_counts_independent_ones() -> None:
    x = family(6, n=4000, k=8)
    assert hlz.effective_trials(x) == pytest.approx(8, abs=0.05)
    assert hlz.effective_trials(np.repeat(x[:, :1], 8, axis=1)) == pytest.approx(1)
    assert hlz.effective_trials(np.hstack([x, -x])) == pytest.approx(8, abs=0.05)
    assert hlz.effective_trials(family(7, n=20, k=500)) < 20


def test_effective_trials_is_galweys_formula() -> None:
    x = family(8, common=0.5)
    eigenvalues = np.linalg.eigvalsh(np.corrcoef(x.T))
    assert hlz.effective_trials(x) == pytest.approx(np.sqrt(eigenvalues).sum() ** 2 / eigenvalues.sum())


def test_effective_trials_refuses_constants() -> None:
    with pytest.raises(ValueError, match="that vary"):
        hlz.effective_trials(np.ones((10, 3)))
