"""Scores into plans: dates, members, composites and what the books must be neutral to."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
import small_inputs
from scipy import optimize
from scipy.stats import rankdata
from small_inputs import spec

from nexus.backtest.inputs import Inputs, decision_rows, trailing_returns
from nexus.backtest.mean_variance import mean_variance
from nexus.backtest.weights import composite, plan
from nexus.errors import InputError
from nexus.maths.portfolio import shrunk_covariance
from nexus.maths.returns import total_return

DAYS = np.arange("2019-12-01", "2020-07-15", dtype="datetime64[D]")
DAYS = DAYS[np.is_busday(DAYS)]


@pytest.fixture(scope="module")
def inputs() -> Inputs:
    return small_inputs.inputs()


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("weekly", ["2020-03-06", "2020-03-13", "2020-03-20", "2020-03-27"]),
        ("monthly", ["2020-03-31"]),
        ("quarterly", ["2020-03-31"]),
        ((date(2020, 3, 4), date(2020, 3, 5)), ["2020-03-04", "2020-03-05"]),
    ],
)
def test_decisions_are_at_the_end_of_periods(rule: str, expected: list[str]) -> None:
    rows = decision_rows(DAYS, rule, date(2020, 3, 1), date(2020, 3, 31))
    assert DAYS[rows].astype(str).tolist() == expected


def test_a_period_that_is_not_over_has_no_end() -> None:
    rows = decision_rows(DAYS, "monthly", date(2020, 5, 1), date(2020, 12, 31))
    assert DAYS[rows].astype(str).tolist() == ["2020-05-29", "2020-06-30"]
    assert len(decision_rows(DAYS, "daily", date(2020, 7, 1), date(2020, 7, 31))) == 9  # the last has no next session


def test_days_without_a_decision_are_refused() -> None:
    with pytest.raises(InputError, match="2020-03-07 is not a session"):
        decision_rows(DAYS, (date(2020, 3, 7),), date(2020, 3, 1), date(2020, 3, 31))
    with pytest.raises(InputError, match="no monthly decision between"):
        decision_rows(DAYS, "monthly", date(2020, 3, 1), date(2020, 3, 15))


def test_a_composite_is_the_weighted_mean_of_ranks_among_members(inputs: Inputs) -> None:
    chosen = inputs.chosen(spec())
    found = composite(inputs, spec(), chosen)
    for row, k in enumerate(chosen):
        expected = np.zeros(len(inputs.companies))
        known = np.zeros(len(inputs.companies), bool)
        for name, weight in {"a": 1.0, "b": -0.5}.items():
            has = inputs.members[k] & np.isfinite(inputs.scores[name][k])
            ranks = rankdata(inputs.scores[name][k][has])
            expected[has] += weight * (ranks - ranks.mean()) / has.sum()
            known |= has
        np.testing.assert_allclose(found[row], np.where(known, expected, np.nan), atol=1e-15)


def test_a_plan_holds_members_only_at_the_specs_decisions(inputs: Inputs) -> None:
    made = plan(inputs, spec())
    chosen = inputs.chosen(spec())
    assert inputs.sessions[made.rows].astype("datetime64[M]").astype(str).tolist()[0] == "2018-03"
    assert not made.weights[~inputs.members[chosen]].any()
    np.testing.assert_allclose(np.abs(made.weights).sum(axis=1), 1)
    np.testing.assert_allclose(made.weights.sum(axis=1), 0, atol=1e-12)


@pytest.mark.parametrize("kind", ["long_short", "signal_weighted", "mean_variance"])
def test_a_neutral_book_has_neither_sector_nor_beta(inputs: Inputs, kind: str) -> None:
    betas = np.nan_to_num(inputs.betas, nan=1.0)
    asked = {"kind": kind, "quantiles": 3, "neutral": ["sector", "beta"], "max_weight": 0.08}
    wanted = spec(portfolio=asked, start=date(2019, 6, 1))
    weights, chosen = plan(replace(inputs, betas=betas), wanted).weights, inputs.chosen(wanted)
    assert inputs.sectors is not None
    tolerance = 1e-6 if kind == "mean_variance" else 1e-12
    for code in range(-1, 4):
        np.testing.assert_allclose(np.where(inputs.sectors[chosen] == code, weights, 0).sum(axis=1), 0, atol=tolerance)
    np.testing.assert_allclose((weights * betas[chosen]).sum(axis=1), 0, atol=tolerance)
    assert np.abs(weights).max() <= 0.08 * (1 + 1e-6)
    assert (np.abs(weights).sum(axis=1) > 0.4).all()


def test_long_only_and_capped(inputs: Inputs) -> None:
    weights = plan(inputs, spec(portfolio={"kind": "long_only", "quantiles": 5, "max_weight": 0.1})).weights
    assert (weights >= 0).all()
    assert weights.max() <= 0.1 + 1e-12


def test_trailing_returns_are_total_returns(inputs: Inputs) -> None:
    split, dividend = (np.full(inputs.market.close.shape, value) for value in (1.0, 0.0))
    split[100, 0], dividend[120, 1], dividend[300, 2] = 2, 0.3, 0.4
    expected = total_return(inputs.market.close, split, dividend)
    columns = np.array([0, 2, 5])
    np.testing.assert_allclose(
        trailing_returns(inputs.market, 310, columns, 252), expected[59:311, columns], atol=1e-12
    )
    np.testing.assert_allclose(trailing_returns(inputs.market, 30, columns, 252), expected[1:31, columns], atol=1e-12)


def test_mean_variance_against_a_general_optimiser() -> None:
    random = np.random.default_rng(2)
    n = 6
    covariance = shrunk_covariance(0.05 * random.standard_normal((60, n)))
    expected, beta = 0.01 * random.standard_normal(n), random.standard_normal(n)

    def loss(w: np.ndarray) -> float:
        return float(5 * w @ covariance @ w - expected @ w) * 1e3

    conditions = [
        {"type": "eq", "fun": lambda w: w.sum()},
        {"type": "eq", "fun": lambda w: w @ beta},
        {"type": "ineq", "fun": lambda w: 0.8 - np.abs(w).sum()},
    ]
    best = min(
        (
            optimize.minimize(loss, start, bounds=[(-0.25, 0.25)] * n, constraints=conditions, options={"ftol": 1e-12})
            for start in 0.1 * random.standard_normal((20, n))
        ),
        key=lambda found: found.fun if found.success else np.inf,
    )
    weights = mean_variance(expected, covariance, 10, 0.8, 0.25, beta[None, :])
    assert abs(weights.sum()) < 1e-7
    assert abs(weights @ beta) < 1e-7
    assert np.abs(weights).sum() <= 0.8 + 1e-7
    assert loss(weights) <= best.fun + 1e-5
    np.testing.assert_allclose(weights, best.x, atol=2e-3)


def test_mean_variance_without_limits_is_the_closed_form() -> None:
    random = np.random.default_rng(3)
    covariance = shrunk_covariance(0.05 * random.standard_normal((60, 5)))
    expected = 0.001 * random.standard_normal(5)
    inverse = np.linalg.inv(covariance)
    price = (inverse @ expected).sum() / inverse.sum()
    np.testing.assert_allclose(
        mean_variance(expected, covariance, 10, gross=100), inverse @ (expected - price) / 10, atol=1e-6
    )


@pytest.mark.parametrize(
    ("change", "wanted", "says"),
    [
        ({"members": False}, {}, "U has no members on 2018-03-30"),
        ({"scores": np.nan}, {}, "a scores nobody on 2018-03-30"),
        ({"scores": 1.0}, {"signals": [{"name": "a"}]}, "nothing to hold on 2018-03-30"),
        ({}, {"signals": [{"name": "c"}]}, "no scores of c; known are a, b"),
        ({"sectors": None}, {"portfolio": {"neutral": ["sector"]}}, "sector-neutral without sectors"),
        ({"betas": None}, {"portfolio": {"neutral": ["beta"]}}, "beta-neutral without betas"),
        ({}, {"rebalance": "daily"}, "no scores were read for 2018-03-01"),
    ],
)
def test_what_cannot_be_planned_is_refused(inputs: Inputs, change: dict, wanted: dict, says: str) -> None:
    if "members" in change:
        change = {"members": np.zeros_like(inputs.members)}
    if "scores" in change:
        change = {"scores": {**inputs.scores, "a": np.full(inputs.members.shape, change["scores"])}}
    with pytest.raises(InputError, match=says):
        plan(replace(inputs, **change), spec(**wanted))


def test_inputs_that_do_not_fit_are_refused(inputs: Inputs) -> None:
    with pytest.raises(InputError, match="members is"):
        replace(inputs, members=inputs.members[1:])
