"""The composites against their definitions, spelled out date by date and name by name."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from nexus.maths.types import Bools, Floats, Ints
from nexus.signals import composer

SIGNALS, DATES, NAMES = 3, 40, 25
ROWS = 10 + 21 * np.arange(DATES)


@pytest.fixture(scope="module")
def scores() -> Floats:
    """The second is much like the first; some have no opinion; the third none at all on the first dates."""
    random = np.random.default_rng(3)
    made = random.standard_normal((SIGNALS, DATES, NAMES))
    made[1] = made[0] + 0.4 * made[1]
    made[random.random(made.shape) < 0.1] = np.nan
    made[2, :5] = np.nan
    return made


@pytest.fixture(scope="module")
def earned(scores: Floats) -> Floats:
    """Knows the first signal; the last two dates are not over."""
    random = np.random.default_rng(4)
    made = 0.02 * np.nan_to_num(scores[0]) + 0.05 * random.standard_normal((DATES, NAMES))
    made[random.random(made.shape) < 0.05] = np.nan
    made[-2:] = np.nan
    return made


@pytest.fixture(scope="module")
def on() -> Bools:
    """The second is dropped from the thirtieth date on."""
    made = np.ones((SIGNALS, DATES), bool)
    made[1, 30:] = False
    return made


@pytest.fixture(scope="module")
def ranked(scores: Floats) -> Floats:
    return np.stack([composer.scaled_ranks(own) for own in scores])


def known_at(date: int) -> range:
    """Dates whose return, from the close after them to the close after the next, is over at the close of `date`."""
    return range(sum(ROWS[k + 1] + 1 <= ROWS[date] for k in range(DATES - 1)))


def slow_ranks(values: Floats) -> Floats:
    there = np.isfinite(values)
    out = np.full(len(values), np.nan)
    if there.any():
        found = stats.rankdata(values[there])
        out[there] = (found - (len(found) + 1) / 2) / len(found)
    return out


def test_ranks_are_centred_and_scaled(scores: Floats, ranked: Floats) -> None:
    for own, found in zip(scores, ranked, strict=True):
        for date in range(DATES):
            np.testing.assert_allclose(found[date], slow_ranks(own[date]), atol=1e-15)
    assert np.nanmax(np.abs(ranked)) < 0.5


@pytest.mark.parametrize("rows", [ROWS, np.arange(5, 45), np.array([3, 4, 9, 10, 30])])
def test_a_return_is_known_once_it_is_over(rows: Ints) -> None:
    found = composer.known_dates(rows)
    for date, row in enumerate(rows):
        assert found[date] == sum(rows[k + 1] + 1 <= row for k in range(len(rows) - 1))


def test_rank_average(ranked: Floats, on: Bools) -> None:
    weights = np.array([1.0, 0.5, -2.0])
    found = composer.rank_average(ranked, on, weights)
    for date in range(DATES):
        for name in range(NAMES):
            said = [
                weights[s] * ranked[s, date, name]
                for s in range(SIGNALS)
                if on[s, date] and np.isfinite(ranked[s, date, name])
            ]
            wanted = sum(said) if said else np.nan
            np.testing.assert_allclose(found[date, name], wanted, atol=1e-15)


def test_ic_weights_are_means_of_what_was_known(ranked: Floats, on: Bools, earned: Floats) -> None:
    found = composer.ic_weights(ranked, on, earned, composer.known_dates(ROWS))
    for date in range(DATES):
        past = known_at(date)
        for signal in range(SIGNALS):
            if len(past) < composer.LEAST:
                assert found[signal, date] == 1
                continue
            ics = []
            for k in past:
                there = np.isfinite(ranked[signal, k]) & np.isfinite(earned[k])
                if there.sum() > 2:
                    ics.append(stats.spearmanr(ranked[signal, k, there], earned[k, there]).statistic)
            if on[signal, date]:
                np.testing.assert_allclose(found[signal, date], np.mean(ics), rtol=1e-12)


def test_ridge_weights_solve_the_penalised_regression(ranked: Floats, on: Bools, earned: Floats) -> None:
    found = composer.ridge_weights(ranked, on, earned, composer.known_dates(ROWS))
    for date in range(DATES):
        past, chosen = known_at(date), np.flatnonzero(on[:, date])
        if len(past) < composer.LEAST:
            assert (found[:, date] == 1).all()
            continue
        rows, targets = [], []
        for k in past:
            there = np.isfinite(ranked[:, k]).any(axis=0) & np.isfinite(earned[k])
            rows.append(np.nan_to_num(ranked[chosen, k][:, there]).T)
            targets.append(slow_ranks(earned[k, there]))
        x, y = np.vstack(rows), np.concatenate(targets)
        penalty = composer.PENALTY * (x**2).sum() / len(chosen)
        # ridge as least squares on rows of the penalty
        wide = np.vstack([x, np.sqrt(penalty) * np.eye(len(chosen))])
        wanted = np.linalg.lstsq(wide, np.concatenate([y, np.zeros(len(chosen))]), rcond=None)[0]
        np.testing.assert_allclose(found[chosen, date], wanted, rtol=1e-9)


def test_much_penalty_is_the_covariances_and_none_is_least_squares(ranked: Floats, earned: Floats) -> None:
    on, known = np.ones((SIGNALS, DATES), bool), composer.known_dates(ROWS)
    much = composer.ridge_weights(ranked, on, earned, known, penalty=1e9)[:, -1]
    none = composer.ridge_weights(ranked, on, earned, known, penalty=1e-6)[:, -1]
    assert much[1] / much[0] > 0.7  # the copy knows nearly as much by itself
    assert abs(none[1] / none[0]) < 0.3  # and nothing beside the original


@pytest.mark.parametrize("learn", [composer.ic_weights, composer.ridge_weights])
def test_what_comes_later_changes_nothing(ranked: Floats, on: Bools, earned: Floats, learn: object) -> None:
    assert callable(learn)
    known = composer.known_dates(ROWS)
    before = learn(ranked, on, earned, known)
    poisoned, spoilt = earned.copy(), ranked.copy()
    poisoned[30:] = 9.0 * np.arange(NAMES)
    spoilt[:, 32:] = np.arange(NAMES) / NAMES
    after = learn(spoilt, on, poisoned, known)
    untouched = known <= 30
    np.testing.assert_array_equal(after[:, untouched], before[:, untouched])
    assert (after[:, ~untouched] != before[:, ~untouched]).any()
