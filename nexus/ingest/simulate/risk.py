"""What moves returns without paying for it: market, sectors, nameless styles and each company's own luck."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nexus.ingest.simulate.streams import stream
from nexus.maths.types import Bools, Floats, Ints

YEAR = 252
"""Sessions."""
MARKET, LOG_VOLATILITY, LOG_VOLATILITY_SD = 0.16, 0.97, 0.4
"""The market's volatility a year (root mean square); autocorrelation per session and sd of its logarithm."""
BETA, SECTOR, SECTORS = 0.3, 0.08, 11
"""Sd of beta; volatility of a sector a year; number of sectors."""
OWN, DISPERSION, DEGREES = 0.28, 0.3, 5
"""Own volatility a year: root mean square over companies and the sd of its logarithm; Student's degrees of freedom."""
NAMELESS, NAMELESS_SD = 8, 0.168
"""Styles that no score names: how many, and the sd of the 21-session rank IC of a pure loading on one."""
DRIFT = 0.07
"""Log return a year of every company, whatever its beta: nobody is paid for risk, so that no IC comes from it."""
STRESS_QUANTILE, STRESS_HISTORY = 0.75, 252
"""R's state: VIX above this quantile of its own history to that day, of at least so many sessions."""


@dataclass(frozen=True)
class Exposures:
    """What each company is.

    beta, volatility : (n_companies,); own volatility a year
    sector : (n_companies,) 0 to SECTORS - 1
    nameless : (n_companies, NAMELESS) loadings, standard normal
    """

    beta: Floats
    volatility: Floats
    sector: Ints
    nameless: Floats


def exposures(seed: int, companies: int) -> Exposures:
    """Draw what each company is, once and for its life."""
    random = stream(seed, "exposures")
    return Exposures(
        beta=1 + BETA * random.standard_normal(companies),
        volatility=OWN * np.exp(DISPERSION * random.standard_normal(companies) - DISPERSION**2),
        sector=random.permutation(np.arange(companies) % SECTORS),
        nameless=random.standard_normal((companies, NAMELESS)),
    )


def market_path(seed: int, sessions: int) -> tuple[Floats, Floats]:
    """Return the market's log return, drift included, and the VIX, (n_sessions,) each.

    The VIX at the close of a session is the volatility of the next one, in per cent a year.
    """
    random = stream(seed, "market")
    log_volatility = random.standard_normal(sessions + 1) * LOG_VOLATILITY_SD
    log_volatility[1:] *= np.sqrt(1 - LOG_VOLATILITY**2)
    for session in range(sessions):
        log_volatility[session + 1] += LOG_VOLATILITY * log_volatility[session]
    volatility = MARKET * np.exp(log_volatility - LOG_VOLATILITY_SD**2)
    market = DRIFT / YEAR + volatility[:-1] / np.sqrt(YEAR) * random.standard_normal(sessions)
    return market, 100 * volatility[1:]


def stress(vix: Floats, months: Ints) -> Bools:
    """Return the month-ends at which the VIX is above its upper quartile as known there, (n_months,)."""
    return np.array(
        [t + 1 >= STRESS_HISTORY and vix[t] > np.quantile(vix[: t + 1], STRESS_QUANTILE) for t in months], dtype=bool
    )


def sector_returns(seed: int, sessions: int) -> Floats:
    """Return the sectors' log returns, (n_sessions, SECTORS)."""
    returns: Floats = stream(seed, "sectors").standard_normal((sessions, SECTORS)) * (SECTOR / np.sqrt(YEAR))
    return returns


def own_returns(seed: int, listed: Bools, volatility: Floats) -> Floats:
    """Return each company's own log return, (n_sessions, n_companies), 0 where not listed."""
    returns = np.zeros(listed.shape)
    returns[listed] = stream(seed, "own").standard_t(DEGREES, size=int(listed.sum()))
    returns *= volatility * np.sqrt((1 - 2 / DEGREES) / YEAR)
    return returns
