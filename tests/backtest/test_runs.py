"""A sweep gives what single runs give; capacity is where the Sharpe ratio is halved."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
import small_inputs
from small_inputs import spec

from nexus.backtest.costs import SESSIONS_A_YEAR
from nexus.backtest.engine import Plan, run
from nexus.backtest.inputs import Inputs
from nexus.backtest.runs import backtest, capacity, sweep
from nexus.errors import InputError
from nexus.maths.performance import pbo, sharpe

VARIANTS = [
    {},
    {"portfolio": {"quantiles": 10}},
    {"portfolio": {"kind": "signal_weighted", "max_turnover": 0.3}},
    {"portfolio": {"quantiles": 5, "max_volume_share": 0.01}},
    {"rebalance": "quarterly", "capital": 2e6},
    {"signals": [{"name": "b"}], "shares": "whole"},
    {"costs": {"impact": 0.0}},
    {"start": date(2018, 6, 1)},
    {"end": date(2019, 6, 14)},
]


@pytest.fixture(scope="module")
def inputs() -> Inputs:
    """With a signal that knows next month's returns a little, so that there is something to lose by trading."""
    made = small_inputs.inputs()
    close = made.market.close
    ahead = np.log(close[np.minimum(made.rows + 21, len(close) - 1)] / close[made.rows])
    return replace(made, scores={**made.scores, "a": ahead + 0.3 * made.scores["a"]})


def test_a_sweep_is_its_single_runs(inputs: Inputs) -> None:
    specs = [spec(**variant) for variant in VARIANTS]
    found = sweep(inputs, specs)
    first = min(backtest(inputs, each)[1].first for each in specs)
    for number, each in enumerate(specs):
        result = backtest(inputs, each)[1]
        start = result.first - first
        stop = start + len(result.equity)
        np.testing.assert_array_equal(found.equity[start:stop, number], result.equity)
        assert (found.equity[:start, number] == each.capital).all()
        assert (found.equity[stop:, number] == result.equity[-1]).all()
    returns = found.equity[1:] / found.equity[:-1] - 1
    assert found.pbo == pbo(returns)
    np.testing.assert_allclose(found.sharpe, [sharpe(series, SESSIONS_A_YEAR) for series in returns.T], rtol=1e-9)


def test_a_run_ends_with_its_spec(inputs: Inputs) -> None:
    ended = backtest(inputs, spec(end=date(2019, 6, 14)))[1]
    on = backtest(inputs, spec())[1]
    assert inputs.sessions[ended.first + len(ended.equity) - 1] == np.datetime64("2019-06-14")
    np.testing.assert_array_equal(ended.equity, on.equity[: len(ended.equity)])


def test_one_variant_is_no_sweep(inputs: Inputs) -> None:
    with pytest.raises(InputError, match="1 variants; give 2 or more"):
        sweep(inputs, [spec()])


def test_capacity_halves_the_net_sharpe(inputs: Inputs) -> None:
    wanted = spec(portfolio={"quantiles": 5, "max_volume_share": 0.01}, shares="whole")
    made, _ = backtest(inputs, wanted)
    found = capacity(inputs, wanted, made)
    rules = replace(wanted.rules, whole=False, max_volume_share=np.inf)
    small, there = (
        sharpe(run(inputs.market, made, rules, capital).returns, SESSIONS_A_YEAR) for capital in (1e3, found)
    )
    assert small > 1
    assert there == pytest.approx(small / 2, rel=0.02)


@pytest.mark.parametrize(
    ("capital", "rows", "weights", "says"),
    [
        (-1.0, [1], [[0.1]], "capital -1.0"),
        (np.nan, [1], [[0.1]], "capital nan"),
        (1.0, [1], [[0.1, 0.1]], "weights of 2 companies, market of 40"),
        (1.0, [99999], [[0.1] * 40], "decisions in rows 99999 to 99999 and a stop at 560 of 560"),
    ],
)
def test_what_cannot_be_run_is_refused(
    inputs: Inputs, capital: float, rows: list[int], weights: list[list[float]], says: str
) -> None:
    weights = [row * 40 if len(row) == 1 else row for row in weights]
    with pytest.raises(InputError, match=says):
        run(inputs.market, Plan(np.array(rows), np.array(weights)), spec().rules, capital)


@pytest.mark.parametrize(
    ("rows", "weights", "says"),
    [
        ([], np.empty((0, 3)), "one decision at least"),
        ([1, 2], np.zeros((1, 3)), "one row of weights for each"),
        ([2, 1], np.zeros((2, 3)), "do not ascend"),
        ([1, 1], np.zeros((2, 3)), "do not ascend"),
        ([1], np.array([[0.1, np.nan]]), "weight nan of column 1 at decision 0"),
    ],
)
def test_a_plan_that_is_none_is_refused(rows: list[int], weights: np.ndarray, says: str) -> None:
    with pytest.raises(InputError, match=says):
        Plan(np.array(rows, np.int64), weights)


def test_weights_of_what_never_had_a_price_or_traded_are_refused(inputs: Inputs) -> None:
    close = inputs.market.close.copy()
    close[:60, 3] = np.nan
    market = replace(inputs.market, close=close)
    weights = np.zeros((2, 40))
    weights[1, 3] = 0.1
    with pytest.raises(InputError, match=r"column 3 has weight 0.1 at decision 1 \(row 59\) and had no price yet"):
        run(market, Plan(np.array([50, 59]), weights), spec().rules, 1e6)
    still = replace(inputs.market, volume=np.zeros_like(close))
    with pytest.raises(InputError, match="has not traded, so its impact is unknown"):
        run(still, Plan(np.array([50, 59]), weights), spec().rules, 1e6)
