"""Factors of prices and volumes. A score is higher for what the cited paper expects to earn more.

A window needs returns on three quarters of its sessions; a company with fewer has no score.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import numpy as np

from nexus.db.panel import Observations
from nexus.maths.types import Bools, Floats
from nexus.signals import exposures
from nexus.signals.exposures import market_returns
from nexus.signals.factor import Factor

Params = Mapping[str, Any]
YEAR, QUARTER, MONTH, WEEK = 252, 63, 21, 5


def _enough(values: Floats) -> Bools:
    """Which columns are known on three quarters of the rows."""
    return np.asarray(np.isfinite(values).mean(axis=0) >= 0.75)


def _growth(returns: Floats) -> Floats:
    """Compound return of each column, sessions without a return passed over."""
    return np.where(_enough(returns), np.nanprod(1 + returns, axis=0) - 1, np.nan)


def _momentum(data: Observations, day: date, params: Params) -> Floats:
    """Total return from twelve months to one month ago; winners go on winning. Jegadeesh & Titman (1993)."""
    return _growth(data.at(day).returns(YEAR)[:-MONTH])


def _reversal(data: Observations, day: date, params: Params) -> Floats:
    """Minus the total return of the last `sessions`; losers recover. Jegadeesh (1990), Lehmann (1990)."""
    return -_growth(data.at(day).returns(params["sessions"]))


def _high_52w(data: Observations, day: date, params: Params) -> Floats:
    """Last close over the highest price of a year; near the high goes on. George & Hwang (2004)."""
    view = data.at(day)
    high = view.prices("high", YEAR)
    return np.where(_enough(high), view.prices("close", 1)[-1] / np.nanmax(high, axis=0), np.nan)


def _volatility(data: Observations, day: date, params: Params) -> Floats:
    """Minus the standard deviation of a year's daily returns; the calm earn more. Blitz & van Vliet (2007)."""
    return -exposures.volatility(data.at(day))


def _idiosyncratic_volatility(data: Observations, day: date, params: Params) -> Floats:
    """Minus the deviation of a month's returns from beta times the market. Ang, Hodrick, Xing & Zhang (2006)."""
    view = data.at(day)
    returns, market = view.returns(MONTH), market_returns(view, MONTH)
    least = int(0.75 * MONTH)
    residuals = returns - exposures.slope(returns, market, least) * market[:, None]
    return -exposures.deviation(residuals, least)


def _beta(data: Observations, day: date, params: Params) -> Floats:
    """Minus the slope of a year's returns on the market's; high beta is dear. Frazzini & Pedersen (2014)."""
    return -exposures.beta(data.at(day))


def _amihud(data: Observations, day: date, params: Params) -> Floats:
    """Mean absolute return per dollar traded, over a year; the illiquid earn more. Amihud (2002)."""
    view = data.at(day)
    dollars = view.dollar_volume(YEAR)
    impact = np.abs(view.returns(YEAR)) / np.where(dollars > 0, dollars, np.nan)
    return np.where(_enough(impact), np.nanmean(impact, axis=0), np.nan)


def _max_return(data: Observations, day: date, params: Params) -> Floats:
    """Minus the highest daily return of a month; lotteries are dear. Bali, Cakici & Whitelaw (2011)."""
    returns = data.at(day).returns(MONTH)
    return np.where(_enough(returns), -np.nanmax(returns, axis=0), np.nan)


def _abnormal_volume(data: Observations, day: date, params: Params) -> Floats:
    """A week's mean volume over that of a quarter; attention drives prices up. Gervais, Kaniel & Mingelgrin (2001)."""
    volume = data.at(day).prices("volume", QUARTER)
    usual = np.nanmean(volume, axis=0)
    known = _enough(volume) & _enough(volume[-WEEK:]) & (usual > 0)
    return np.where(known, np.nanmean(volume[-WEEK:], axis=0) / np.where(known, usual, 1.0), np.nan)


RETURNS = ("prices.close",)
BOTH = "beta+volatility"

MOMENTUM_12_1 = Factor("momentum_12_1", "1", RETURNS, BOTH, _momentum)
REVERSAL_5 = Factor("reversal_5", "1", RETURNS, BOTH, _reversal, {"sessions": WEEK})
REVERSAL_21 = Factor("reversal_21", "1", RETURNS, BOTH, _reversal, {"sessions": MONTH})
HIGH_52W = Factor("high_52w", "1", ("prices.close", "prices.high"), BOTH, _high_52w)
# what a factor measures cannot be taken out of it
VOLATILITY = Factor("volatility", "1", RETURNS, "beta", _volatility)
IDIOSYNCRATIC_VOLATILITY = Factor("idiosyncratic_volatility", "1", exposures.INPUTS, "beta", _idiosyncratic_volatility)
BETA = Factor("beta", "1", exposures.INPUTS, "none", _beta)
AMIHUD = Factor("amihud", "1", (*RETURNS, "prices.volume"), BOTH, _amihud)
MAX_RETURN = Factor("max_return", "1", RETURNS, BOTH, _max_return)
ABNORMAL_VOLUME = Factor("abnormal_volume", "1", ("prices.volume",), BOTH, _abnormal_volume)
