"""From stored prices and corporate actions: one split basis, and total returns."""

from __future__ import annotations

import numpy as np
from numba import njit

from nexus.db.actions import Actions
from nexus.db.bars import Floats
from nexus.db.request import Ints


def on_one_basis(prices: Floats, first: int, splits: Actions, *, volume: bool = False) -> Floats:
    """Prices (w, m) from session `first` on as if every split had come before them; themselves where none did."""
    inside = splits.row > first
    if not inside.any():
        return prices
    prices = np.array(prices)
    for row, column, value in zip(splits.row[inside], splits.column[inside], splits.value[inside], strict=True):
        if volume:
            prices[: row - first, column] *= value
        else:
            prices[: row - first, column] /= value
    return prices


@njit(cache=True)
def total_returns(
    close: Floats,
    first: int,
    previous: Floats,
    previous_row: Ints,
    row: Ints,
    column: Ints,
    is_split: Ints,
    value: Floats,
) -> Floats:
    """Total simple return of each bar since the bar before: (close x shares + cash) / previous close - 1.

    close : (w, m) as stored, from session `first` on; NaN no bar
    previous, previous_row : (m,) the last bar before `first`; NaN and -1 none
    row, column, is_split, value : (k,) dividends and splits by row, on one day dividends first
    Returns (w, m), NaN without a bar or one before it. An action between two bars counts at the second.
    """
    n_sessions, n_companies = close.shape
    result = np.full((n_sessions, n_companies), np.nan)
    last = previous.copy()
    shares, cash = np.ones(n_companies), np.zeros(n_companies)
    action = 0
    for i in range(n_sessions):
        while action < len(row) and row[action] <= first + i:
            j = column[action]
            if row[action] > previous_row[j]:
                if is_split[action]:
                    shares[j] *= value[action]
                else:
                    cash[j] += shares[j] * value[action]
            action += 1
        for j in range(n_companies):
            price = close[i, j]
            if not np.isnan(price):
                result[i, j] = (price * shares[j] + cash[j]) / last[j] - 1.0
                last[j], shares[j], cash[j] = price, 1.0, 0.0
    return result
