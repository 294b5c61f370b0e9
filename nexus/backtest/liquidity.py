"""How much each company trades and how much it moves, as known at the close of each decision."""

from __future__ import annotations

import numpy as np

from nexus.backtest.costs import Liquidity
from nexus.backtest.market import Market
from nexus.db.actions import SPLIT
from nexus.maths.compiled import by_rows, kernel
from nexus.maths.types import Floats, Ints

WINDOW = 63


def known_liquidity(market: Market, rows: Ints, window: int = WINDOW) -> Liquidity:
    """Average dollar volume and volatility over the sessions up to each decision.

    rows : (n_decisions,), ascending rows of the market
    window : sessions; those without a bar count as no volume
    Returns (n_decisions, n_companies) each: mean of close x volume; root mean square of the close-to-close returns,
    splits undone, dividends not. Where a company did not trade, or has no two closes in a row, its values of the
    decision before stand; NaN where there was none.
    """
    splits = market.events.kind == SPLIT
    split_row, split_column = market.events.row[splits], market.events.column[splits]
    split_value = market.events.value[splits]
    shape = len(rows), market.n_companies
    dollars, volatility = np.empty(shape), np.empty(shape)

    def work(part: slice) -> None:
        _rolling(
            market.close,
            market.volume,
            split_row,
            split_column,
            split_value,
            rows[part],
            window,
            dollars[part],
            volatility[part],
        )

    by_rows(work, len(rows), market.n_companies * window)
    known = (dollars > 0) & (volatility > 0)
    latest = np.maximum.accumulate(np.where(known, np.arange(len(rows))[:, None], -1), axis=0)
    columns = np.arange(market.n_companies)
    out = (np.where(latest >= 0, values[np.maximum(latest, 0), columns], np.nan) for values in (dollars, volatility))
    return Liquidity(*out)


@kernel
def _rolling(
    close: Floats,
    volume: Floats,
    split_row: Ints,
    split_column: Ints,
    split_value: Floats,
    rows: Ints,
    window: int,
    dollars: Floats,
    volatility: Floats,
) -> None:
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
        for e in range(np.searchsorted(split_row, first + 1), np.searchsorted(split_row, rows[k] + 1)):
            i = split_column[e]
            ratio = close[split_row[e], i] / close[split_row[e] - 1, i]
            if ratio == ratio:
                volatility[k, i] += (ratio * split_value[e] - 1.0) ** 2 - (ratio - 1.0) ** 2
        for i in range(n_companies):
            dollars[k, i] /= window
            volatility[k, i] = np.sqrt(max(volatility[k, i], 0.0) / max(count[i], 1.0))
