"""How much each company trades and how much it moves, as known at the close of each decision."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nexus.backtest.costs import Liquidity
from nexus.backtest.market import Market
from nexus.db.actions import SPLIT
from nexus.maths.compiled import by_rows, kernel
from nexus.maths.types import Floats, Ints

WINDOW = 63


class Splits(NamedTuple):
    """Of a market, (k,) by row."""

    row: Ints
    column: Ints
    value: Floats


def known_liquidity(market: Market, rows: Ints, window: int = WINDOW) -> Liquidity:
    """Average dollar volume and volatility over the sessions up to each decision.

    rows : (n_decisions,), ascending rows of the market
    window : sessions; those without a bar count as no volume
    Returns (n_decisions, n_companies) each: mean of close x volume; root mean square of the close-to-close returns,
    splits undone, dividends not. Of a company that did not trade in the window, those of the window that ends with its
    last trade; NaN where there was none, or no return.
    """
    chosen = market.events.kind == SPLIT
    splits = Splits(market.events.row[chosen], market.events.column[chosen], market.events.value[chosen])
    close, volume = market.close, market.volume
    out = Liquidity(*(np.empty((len(rows), market.n_companies)) for _ in range(2)))
    by_rows(
        lambda part: _windows(close, volume, splits, rows[part], window, out.dollar_volume[part], out.volatility[part]),
        len(rows),
        market.n_companies * window,
    )
    if not (np.isfinite(out.volatility) & (out.dollar_volume > 0)).all():
        _look_back(close, volume, splits, rows, window, *out)
    return out


@kernel
def _windows(
    close: Floats, volume: Floats, splits: Splits, rows: Ints, window: int, dollars: Floats, volatility: Floats
) -> None:
    """Row by row, for the vector units; the returns of the splits' sessions are put right afterwards."""
    n_companies = close.shape[1]
    count = np.empty(n_companies)
    for k in range(len(rows)):
        first = max(rows[k] - window + 1, 0)
        dollars[k] = 0.0
        volatility[k] = 0.0
        count[:] = 0.0
        for t in range(first, rows[k] + 1):
            for i in range(n_companies):
                traded = close[t, i] * volume[t, i]
                dollars[k, i] += traded if traded == traded else 0.0
            if t > first:
                for i in range(n_companies):
                    change = close[t, i] / close[t - 1, i] - 1.0
                    known = change == change
                    volatility[k, i] += change * change if known else 0.0
                    count[i] += 1.0 if known else 0.0
        for e in range(np.searchsorted(splits.row, first + 1), np.searchsorted(splits.row, rows[k] + 1)):
            i = splits.column[e]
            ratio = close[splits.row[e], i] / close[splits.row[e] - 1, i]
            if ratio == ratio:
                volatility[k, i] += (ratio * splits.value[e] - 1.0) ** 2 - (ratio - 1.0) ** 2
        for i in range(n_companies):
            dollars[k, i] /= window
            volatility[k, i] = np.sqrt(max(volatility[k, i], 0.0) / count[i]) if count[i] > 0.0 else np.nan


@kernel
def _look_back(
    close: Floats, volume: Floats, splits: Splits, rows: Ints, window: int, dollars: Floats, volatility: Floats
) -> None:
    """Fill in what the windows do not tell from the window that ends with the last trade before."""
    n_companies = close.shape[1]
    last, done = np.full(n_companies, -1), np.full(n_companies, -1)
    one, money, moves = np.empty(1, np.int64), np.empty((1, n_companies)), np.empty((1, n_companies))
    t = 0
    for k in range(len(rows)):
        while t <= rows[k]:
            for i in range(n_companies):
                last[i] = t if volume[t, i] > 0.0 else last[i]
            t += 1
        for i in range(n_companies):
            if dollars[k, i] > 0.0 and volatility[k, i] == volatility[k, i]:
                continue
            if last[i] >= 0 and done[i] != last[i]:
                one[0] = last[i]
                own = Splits(splits.row, splits.column - i, splits.value)
                own = Splits(own.row[own.column == 0], own.column[own.column == 0], own.value[own.column == 0])
                column = slice(i, i + 1)
                _windows(close[:, column], volume[:, column], own, one, window, money[:, column], moves[:, column])
                done[i] = last[i]
            known = last[i] >= 0 and moves[0, i] == moves[0, i]
            dollars[k, i] = money[0, i] if known else np.nan
            volatility[k, i] = moves[0, i] if known else np.nan
