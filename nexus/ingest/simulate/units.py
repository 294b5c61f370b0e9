"""From units of IC to units of return."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.special import ndtri

from nexus.ingest.simulate.planted import TRUTHS
from nexus.ingest.simulate.risk import BETA, DISPERSION, MARKET, NAMELESS, NAMELESS_SD, OWN, SECTOR, SECTORS, YEAR

MONTH = 21
"""Sessions over which an IC is stated."""
GRID = 64


def chance(names: int) -> float:
    """Return the sd of the rank IC of a score that means nothing."""
    return float((names - 1) ** -0.5)


def excess(sd: float | None, names: int) -> float:
    """Return the sd of IC that a style must add to chance to reach `sd`; 0 where chance alone is meant."""
    return float(max((sd or 0.0) ** 2 - chance(names) ** 2, 0.0) ** 0.5)


@lru_cache
def unit_of_ic(names: int) -> float:
    """Return what a standard normal score of 1 must earn in 21 sessions for a rank IC of 1.

    Linear, so meant for small ICs: where 1 of score moves the log return by b, the rank IC is 12 E[U s] b times the
    integral of f^2, with U the score's uniform rank, E[U s] = 1 / (2 sqrt(pi)), and f the density of all names'
    returns: a mixture of normals over the dispersion of own volatility. Premia are part of that variance, hence the
    fixed point.
    """
    month = MONTH / YEAR
    log_volatility = DISPERSION * ndtri((np.arange(GRID) + 0.5) / GRID) - DISPERSION**2
    risk = month * (OWN**2 * np.exp(2 * log_volatility) + SECTOR**2 * (1 - 1 / SECTORS) + (BETA * MARKET) ** 2)
    premia = NAMELESS * NAMELESS_SD**2 + sum(t.ic**2 + excess(t.sd, names) ** 2 for t in TRUTHS.values())
    unit = 0.0
    for _ in range(50):
        variance = risk + premia * unit**2
        density = np.mean((2 * np.pi * (variance + variance[:, None])) ** -0.5)
        unit = float(np.sqrt(np.pi) / (6 * density))
    return unit
