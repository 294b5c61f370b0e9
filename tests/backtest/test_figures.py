"""Figures against values worked by hand and against pandas and statsmodels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import random_market
import statsmodels.api as sm

from nexus.backtest.account import Rules
from nexus.backtest.costs import Costs
from nexus.backtest.engine import Plan, Result, run
from nexus.backtest.figures import deflated_sharpe, figures
from nexus.backtest.market import Events, Market
from nexus.maths import performance


@pytest.fixture(scope="module")
def result() -> Result:
    market = random_market.market(3, n_sessions=300)
    plan = random_market.plan(4, market, 10)
    return run(market, Plan(plan.rows, plan.weights / 10), Rules(Costs(0.001, 0.0005, 0.3, 0.02)), 1e6)


def test_exposure_turnover_and_costs_by_hand() -> None:
    """Half long at flat prices, closed a session later: 500 of 1000 traded twice, 1 % commission each time."""
    flat = np.full((4, 1), 10.0)
    market = Market(flat, flat, np.full((4, 1), 1e6), Events.none())
    found = figures(run(market, Plan(np.array([0, 1]), np.array([[0.5], [0.0]])), Rules(Costs(commission=0.01)), 1000))
    assert found.sessions == 3
    assert found.turnover == pytest.approx((500 / 1000 + 500 / 995) / 3 / 2 * 252)
    assert found.costs["commission"] == pytest.approx((5 / 1000 + 5 / 995) / 3 * 252)
    assert found.gross == found.net == pytest.approx(500 / 995 / 4)
    assert found.max_drawdown == pytest.approx(-0.01)
    assert found.drawdown_sessions == 3
    assert found.cagr == pytest.approx(0.99 ** (252 / 3) - 1)
    assert found.gross_sharpe is None


def test_ratios_are_those_of_the_returns(result: Result) -> None:
    found = figures(result)
    returns = pd.Series(result.equity).pct_change().dropna().to_numpy()
    assert found.sharpe == pytest.approx(returns.mean() / returns.std(ddof=1) * np.sqrt(252))
    assert found.sharpe_a_session == pytest.approx(found.sharpe / np.sqrt(252))
    assert found.volatility == pytest.approx(returns.std(ddof=1) * np.sqrt(252))
    wealth = pd.Series(result.equity)
    assert found.max_drawdown == pytest.approx((wealth / wealth.cummax() - 1).min())
    assert found.gross_sharpe is not None
    assert found.sharpe is not None
    assert found.gross_sharpe > found.sharpe


def test_a_risk_free_return_comes_off(result: Result) -> None:
    rate = np.full(len(result.returns), 0.0001)
    rate[:3] = np.nan
    excess = result.returns - np.nan_to_num(rate)
    assert figures(result, risk_free=rate).sharpe == pytest.approx(performance.sharpe(excess, 252))


def test_regressions_are_those_of_statsmodels(result: Result) -> None:
    random = np.random.default_rng(7)
    factors = 0.01 * random.standard_normal((len(result.returns), 5))
    market = factors[:, 0] + 0.2 * result.returns
    factors[4] = np.nan
    found = figures(result, market=market, factors=factors)
    expected = sm.OLS(result.returns, sm.add_constant(market)).fit()
    assert found.market is not None
    assert found.factors is not None
    assert found.market.alpha == pytest.approx(expected.params[0] * 252)
    assert found.market.betas[0] == pytest.approx(expected.params[1])
    assert found.market.alpha_t == pytest.approx(expected.tvalues[0])
    known = np.isfinite(factors).all(axis=1)
    expected = sm.OLS(result.returns[known], sm.add_constant(factors[known])).fit()
    np.testing.assert_allclose(found.factors.betas, expected.params[1:])
    assert figures(result).market is None


def test_the_deflated_sharpe_is_that_of_the_returns_moments(result: Result) -> None:
    found = figures(result)
    moment = found.moments
    assert found.sharpe_a_session is not None
    expected = performance.deflated_sharpe(
        found.sharpe_a_session, moment.n, moment.skew, moment.kurtosis, trial_variance=0.01, n_trials=400
    )
    assert deflated_sharpe(found, 0.01, 400) == pytest.approx(expected)
