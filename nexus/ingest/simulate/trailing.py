"""Beta and volatility as anyone could measure them at a month-end."""

from __future__ import annotations

import numpy as np

from nexus.ingest.simulate.lives import Lives
from nexus.ingest.simulate.risk import YEAR
from nexus.maths.types import Floats, Ints

WINDOW = 252
"""Sessions."""


def trailing(log_return: Floats, market: Floats, lives: Lives, months: Ints) -> tuple[Floats, Floats]:
    """Return beta to the market and volatility a year, (n_months, n_companies) each; NaN where listed for less.

    log_return : (n_sessions, n_companies); market : (n_sessions,)
    """
    beta = np.full((len(months), len(lives)), np.nan)
    volatility = beta.copy()
    for month in np.flatnonzero(months >= WINDOW):
        last = months[month]
        first = last + 1 - WINDOW
        whole = (lives.first < first) & (last <= lives.last)
        returns, index = log_return[first : last + 1], market[first : last + 1]
        index = index - index.mean()
        square = np.einsum("ij,ij->j", returns, returns) / WINDOW - returns.mean(axis=0) ** 2
        beta[month, whole] = (index @ returns / (index @ index))[whole]
        volatility[month, whole] = np.sqrt(YEAR * square[whole])
    return beta, volatility
