"""Beta and volatility of each company: what price factors load on, and are regressed against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from nexus.db.inputs import MARKET
from nexus.db.panel import Panel, View
from nexus.maths.types import Floats

WINDOW = 252
LEAST = 189
"""Sessions with a return in the window, below which there is no estimate."""
INPUTS = ("prices.close", MARKET)


@dataclass(frozen=True)
class Exposures:
    """Of companies on days, both (n_days, n_companies), NaN with fewer than LEAST returns."""

    beta: Floats
    volatility: Floats


def exposures(panel: Panel, days: Sequence[date]) -> Exposures:
    """Beta and volatility on each day, by what was known at its close."""
    views = [panel.at(day) for day in days]
    shape = len(views), len(panel.companies)
    return Exposures(
        np.array([beta(view) for view in views]).reshape(shape),
        np.array([volatility(view) for view in views]).reshape(shape),
    )


def beta(view: View) -> Floats:
    """Slope of the last WINDOW daily returns on those of the market, over sessions that have both; (n_companies,)."""
    return view.memo("exposures.beta", lambda view: slope(view.returns(WINDOW), market_returns(view, WINDOW), LEAST))


def volatility(view: View) -> Floats:
    """Standard deviation (ddof 1) of the last WINDOW daily returns, per session; (n_companies,)."""
    return view.memo("exposures.volatility", lambda view: deviation(view.returns(WINDOW), LEAST))


def market_returns(view: View, window: int) -> Floats:
    """Simple returns of the market's index over the last sessions; (window,), NaN beside a missing level."""
    level = view.market(window + 1)
    return np.asarray(level[1:] / level[:-1] - 1)


def slope(returns: Floats, market: Floats, least: int) -> Floats:
    """Least-squares slope of each column on the market; NaN with fewer than `least` sessions that have both.

    returns : (n_sessions, n_companies)
    market : (n_sessions,)
    """
    known = np.isfinite(returns) & np.isfinite(market)[:, None]
    n = known.sum(axis=0)
    y = np.where(known, returns, 0.0)
    x = np.where(known, market[:, None], 0.0)
    covariance = (x * y).sum(axis=0) - x.sum(axis=0) * y.sum(axis=0) / np.maximum(n, 1)
    variance = (x * x).sum(axis=0) - x.sum(axis=0) ** 2 / np.maximum(n, 1)
    usable = (n >= least) & (variance > 0)
    return np.where(usable, covariance / np.where(usable, variance, 1.0), np.nan)


def deviation(returns: Floats, least: int) -> Floats:
    """Standard deviation (ddof 1) of each column; NaN with fewer than `least` values.

    returns : (n_sessions, n_companies)
    """
    known = np.isfinite(returns)
    n = known.sum(axis=0)
    mean = np.where(known, returns, 0.0).sum(axis=0) / np.maximum(n, 1)
    squares = np.where(known, returns - mean, 0.0) ** 2
    usable = n >= max(least, 2)
    return np.where(usable, np.sqrt(squares.sum(axis=0) / np.maximum(n - 1, 1)), np.nan)
