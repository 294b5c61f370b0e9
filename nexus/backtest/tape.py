"""The market that a backtest trades in, from the prices and actions of a panel as it ends up knowing them."""

from __future__ import annotations

import numpy as np

from nexus.backtest.liquidity import known_liquidity
from nexus.backtest.market import GRACE, Events, Market, delistings
from nexus.db.actions import DELISTING, SPLIT, Actions
from nexus.db.panel import Ahead
from nexus.errors import InputError
from nexus.maths.types import Bools, Floats, Ints

FIELDS = ("open", "close", "volume")


def market_of(ahead: Ahead, n_sessions: int, columns: Ints, companies: Ints) -> Market:
    """Prices and actions of some of the panel's companies, on its first sessions.

    A delisting that was told happens on its day, unless the company trades on; one that was not, once it is plain that
    there are no more bars.
    columns : (n,), ascending places among the companies
    """
    bars = {name: ahead.bars(name)[:n_sessions, columns] for name in FIELDS}
    for name in ("open", "close"):
        if (bars[name] <= 0).any():
            row, column = np.argwhere(bars[name] <= 0)[0]
            raise InputError(
                f"company {companies[columns[column]]}: {name} {bars[name][row, column]} in session {row}; a price is "
                "positive: find its load with `nexus db query`, and leave the company out"
            )
    told = _placed(ahead.actions, n_sessions, columns)
    silent = delistings(bars["close"], ahead.delisting[columns])
    gone = told.kind == DELISTING
    happened = ~(gone & _trades_on(bars["close"], told.row, told.column))
    untold = ~np.isin(silent.column, told.column[gone & happened])
    row, column, kind = (np.concatenate([told[k][happened], silent[k][untold]]) for k in range(3))
    events = Events.of(row, column, kind, np.concatenate([told.value[happened], silent.value[untold]]))
    return Market(bars["open"], bars["close"], bars["volume"], events)


def _trades_on(close: Floats, row: Ints, column: Ints) -> Bools:
    """Whether a company has a bar on a row or after it, (k,)."""
    bars = np.isfinite(close)
    last = np.where(bars.any(axis=0), len(close) - 1 - bars[::-1].argmax(axis=0), -1)
    return np.asarray(last[column] >= row)


def _placed(actions: Actions, n_sessions: int, columns: Ints) -> Events:
    """Actions on the columns of a market; of a company on one session, dividends are added and splits multiplied."""
    place = np.searchsorted(columns, actions.column)
    inside = columns[np.minimum(place, len(columns) - 1)] == actions.column
    inside &= (actions.row >= 0) & (actions.row < n_sessions)
    keys = np.stack([actions.row[inside], place[inside], actions.kind[inside]], axis=1)
    if not len(keys):
        return Events.none()
    unique, number = np.unique(keys, axis=0, return_inverse=True)
    number = number.reshape(-1)
    value = np.where(unique[:, 2] == SPLIT, 1.0, 0.0)
    split = keys[:, 2] == SPLIT
    np.add.at(value, number[~split], actions.value[inside][~split])
    np.multiply.at(value, number[split], actions.value[inside][split])
    return Events.of(unique[:, 0], unique[:, 1], unique[:, 2], value)


def tradable(market: Market, decisions: Ints) -> Bools:
    """Who had a bar in the last 5 sessions and is known to trade, (n_decisions, n_companies)."""
    bars = np.cumsum(np.isfinite(market.close), axis=0)
    before = np.where(decisions > GRACE, decisions - GRACE - 1, 0)
    seen = bars[decisions] - np.where((decisions > GRACE)[:, None], bars[before], 0)
    liquidity = known_liquidity(market, decisions)
    return (seen > 0) & (liquidity.dollar_volume > 0) & np.isfinite(liquidity.volatility)
