"""The track record of an account: its returns, by calendar month and over rolling windows."""

from __future__ import annotations

import numpy as np

from nexus.maths.types import Dates, Floats


def returns_of(equity: Floats) -> Floats:
    """(n - 1,) simple returns of an equity curve; -1 on the session that loses everything, 0 after."""
    before = np.maximum.accumulate(equity <= 0)
    alive = np.where(before, 0.0, equity)
    return np.divide(alive[1:], alive[:-1], out=np.ones(len(equity) - 1), where=alive[:-1] > 0) - 1


def monthly(sessions: Dates, returns: Floats) -> dict[int, list[float | None]]:
    """Compound return of each calendar month, by year: twelve each, None for months without a session.

    sessions : (n,), of the returns (n,)
    """
    months = sessions.astype("datetime64[M]").astype(np.int64)
    growth = np.zeros(months[-1] - months[0] + 1)
    np.add.at(growth, months - months[0], np.log1p(np.maximum(returns, -1 + 1e-15)))
    out: dict[int, list[float | None]] = {}
    for month in np.unique(months).tolist():
        year = out.setdefault(1970 + month // 12, [None] * 12)
        year[month % 12] = float(np.expm1(growth[month - months[0]]))
    return out


def rolling_sharpe(returns: Floats, window: int, periods: float = 1.0) -> Floats:
    """Sharpe ratio of each window, (n,); NaN before the first is full and without variance.

    periods : in a year; 1: per period
    """
    out = np.full(len(returns), np.nan)
    if len(returns) >= window:
        windows = np.lib.stride_tricks.sliding_window_view(returns, window)
        sd = windows.std(axis=1, ddof=1)
        out[window - 1 :] = np.divide(windows.mean(axis=1), sd, out=np.full(len(sd), np.nan), where=sd > 0)
    scaled: Floats = out * np.sqrt(periods)
    return scaled
