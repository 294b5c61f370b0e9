"""The figures of a backtest from what its account did."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nexus.backtest.costs import KINDS, SESSIONS_A_YEAR
from nexus.backtest.engine import Result
from nexus.maths import performance
from nexus.maths.performance import Regression
from nexus.maths.stats import Moments, moments
from nexus.maths.types import Floats


@dataclass(frozen=True)
class Figures:
    """Net of costs, of the sessions after the first decision; None where a figure does not exist.

    cagr, volatility, turnover : a year; turnover is one-way, half of what was bought and sold, over equity
    sharpe, sortino : a year, of returns less the risk-free return where one is given
    gross_sharpe : the same before costs, on the equity there was after them
    max_drawdown : 0 or negative; drawdown_sessions : most sessions under water in a row
    turnover, costs, gross, net : an account without equity counts as 0
    gross, net : mean over the sessions of long plus short, and long less short, over equity
    costs : of equity, a year, by kind
    moments : of the returns per session; with `sharpe_a_session` what a deflated Sharpe ratio needs
    market, factors : regressions of the returns on the market's and on all factors', alpha a year
    """

    sessions: int
    cagr: float
    volatility: float
    sharpe: float | None
    sortino: float | None
    gross_sharpe: float | None
    max_drawdown: float
    drawdown_sessions: int
    turnover: float
    gross: float
    net: float
    costs: dict[str, float]
    moments: Moments
    sharpe_a_session: float | None
    market: Regression | None
    factors: Regression | None


def figures(
    result: Result,
    *,
    risk_free: Floats | None = None,
    market: Floats | None = None,
    factors: Floats | None = None,
) -> Figures:
    """All figures of a run of at least two sessions after its first decision.

    risk_free, market : (n - 1,) simple returns of the sessions after the first decision; market less risk-free where
        that is given. NaN where unknown: such sessions are left out of the regressions, and count as 0 risk-free
    factors : (n - 1, n_factors), returns of zero-cost portfolios (the five factors)
    """
    returns = result.returns
    rate = np.zeros(len(returns)) if risk_free is None else np.nan_to_num(risk_free)
    excess = returns - rate
    alive = result.equity > 0
    per_equity = np.divide(1.0, result.equity, out=np.zeros(len(alive)), where=alive)
    paid = result.costs[1:] * per_equity[:-1, None]
    under = performance.drawdown(returns)
    return Figures(
        sessions=len(returns),
        cagr=performance.cagr(returns, SESSIONS_A_YEAR),
        volatility=float(returns.std(ddof=1) * np.sqrt(SESSIONS_A_YEAR)),
        sharpe=_number(performance.sharpe(excess, SESSIONS_A_YEAR)),
        sortino=_number(performance.sortino(excess, SESSIONS_A_YEAR)),
        gross_sharpe=_number(performance.sharpe(result.pnl[1:] * per_equity[:-1] - rate, SESSIONS_A_YEAR)),
        max_drawdown=under.deepest,
        drawdown_sessions=under.longest,
        turnover=float((result.traded[1:] * per_equity[:-1]).mean() / 2 * SESSIONS_A_YEAR),
        gross=float(((result.long + result.short) * per_equity).mean()),
        net=float(((result.long - result.short) * per_equity).mean()),
        costs={kind: float(paid[:, k].mean() * SESSIONS_A_YEAR) for k, kind in enumerate(KINDS)},
        moments=moments(returns),
        sharpe_a_session=_number(performance.sharpe(excess)),
        market=_regression(excess, market),
        factors=_regression(excess, factors),
    )


def deflated_sharpe(found: Figures, trial_variance: float, n_trials: int) -> float | None:
    """Probability that the Sharpe ratio beats the best of the trials without skill; `performance.deflated_sharpe`.

    trial_variance : of the trials' Sharpe ratios per session
    """
    if found.sharpe_a_session is None:
        return None
    moment = found.moments
    return performance.deflated_sharpe(
        found.sharpe_a_session, moment.n, moment.skew, moment.kurtosis, trial_variance, n_trials
    )


def _regression(returns: Floats, factors: Floats | None) -> Regression | None:
    if factors is None:
        return None
    columns = factors.reshape(len(returns), -1)
    known = np.isfinite(columns).all(axis=1)
    if known.sum() < columns.shape[1] + 2:
        return None
    found = performance.alpha_beta(returns[known], columns[known])
    return found._replace(alpha=found.alpha * SESSIONS_A_YEAR)


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
