"""The whole run of `account.step` and `account.rebalance` as one compiled loop.

It touches only the columns that are held or ordered: they are gathered into slots at each decision, in order of column.
The tests hold it equal to the plain path, trade by trade. numba keeps what it compiled until this file changes: touch
it after changing a constant that it imports.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nexus.backtest.account import NEARLY
from nexus.backtest.costs import SESSIONS_A_YEAR, Liquidity
from nexus.backtest.market import Events
from nexus.db.actions import DIVIDEND, SPLIT
from nexus.maths.compiled import kernel
from nexus.maths.types import Floats, Ints

EQUITY, CASH, LONG, SHORT, PNL, TRADED, COMMISSION, SPREAD, IMPACT, BORROW = range(10)
"""Columns of the series; from COMMISSION on in the order of `costs.KINDS`."""
N_SERIES = 10
FILL, DECISION, COMPANY = range(3)
"""Columns of the trades' integers: row of the fill, number of the decision, column."""
SHARES, PRICE = range(2)
"""Columns of the trades' numbers, before the costs."""
N_TRADE = 5


class Prices(NamedTuple):
    """As in `market.Market`, (n_sessions, n_companies)."""

    open: Floats
    close: Floats
    volume: Floats


class Terms(NamedTuple):
    """Of `account.Rules`, and the capital."""

    capital: float
    commission: float
    half_spread: float
    impact: float
    borrow: float
    whole: bool
    max_turnover: float
    max_volume_share: float


class Slots(NamedTuple):
    """What is held or ordered, by slot in order of column; `of` gives each column's slot, -1 none."""

    of: Ints
    column: Ints
    held: Floats
    mark: Floats
    order: Floats
    dollar_volume: Floats
    volatility: Floats


class Book(NamedTuple):
    """Where the run is written.

    series : (n_sessions, 10), from the first decision on
    positions : (n_decisions, n_companies), zero before: shares at the close of the session after each decision
    flow, spent : (n_companies,), zero before: cash each position brought less what it took, with the value of what is
        left at the end; costs of its trades
    full : whether anything but the series is wanted
    """

    series: Floats
    positions: Floats
    flow: Floats
    spent: Floats
    full: bool


@kernel
def run_all(
    prices: Prices, events: Events, rows: Ints, targets: Floats, liquidity: Liquidity, terms: Terms, book: Book
) -> tuple[Ints, Floats]:
    """Run from the close of the first decision for as long as the series.

    liquidity : (n_decisions, n_companies) each; read where there is an impact or a limit on the share of volume
    Returns the trades, integers (n, 3) and numbers (n, 5); none where the book is not full.
    """
    slots, spare = _slots(prices.close.shape[1]), _slots(prices.close.shape[1])
    room = 2 * np.count_nonzero(targets) if book.full else 0  # most often enough: each is bought and sold
    keys, values = np.empty((room, 3), np.int64), np.empty((room, N_TRADE))
    active = waiting = trades = decision = 0
    first = rows[0]
    event = np.searchsorted(events.row, first + 1)
    cash, value, short = terms.capital, 0.0, 0.0
    for t in range(first, first + len(book.series)):
        out = book.series[t - first]
        out[:] = 0.0
        received = traded = 0.0
        if t > first:
            out[BORROW] = terms.borrow / SESSIONS_A_YEAR * (short + max(-cash, 0.0))
            event, received = _happen(t, event, events, slots, terms, book)
            if waiting > 0:
                if book.full and trades + waiting > len(keys):
                    keys, values = _longer(keys, values, trades + waiting)
                waiting, trades, traded = _fill(
                    t, decision - 1, active, slots, prices, terms, book, out, keys, values, trades
                )
                if waiting == 0:
                    active = _drop(active, slots)
            cash += received - out[BORROW] - traded - (out[COMMISSION] + out[SPREAD] + out[IMPACT])
        before = value
        value, short = _mark(active, slots, prices.close[t])
        out[EQUITY], out[CASH], out[LONG], out[SHORT] = cash + value, cash, value + short, short
        out[PNL] = value - before + received - traded
        if book.full and decision > 0 and t == rows[decision - 1] + 1:
            for s in range(active):
                book.positions[decision - 1, slots.column[s]] = slots.held[s]
        if decision < len(rows) and t == rows[decision]:
            active = _gather(t, active, slots, spare, targets[decision], prices.close, events)
            waiting = _decide(active, slots, targets[decision], liquidity, decision, cash + value, terms)
            decision += 1
    if book.full:
        for s in range(active):
            if slots.held[s] != 0.0:
                book.flow[slots.column[s]] += slots.held[s] * slots.mark[s]
    return keys[:trades], values[:trades]


@kernel
def _slots(n: int) -> Slots:
    return Slots(np.full(n, -1), np.empty(n, np.int64), np.zeros(n), np.empty(n), np.zeros(n), np.empty(n), np.empty(n))


@kernel
def _whole(shares: float) -> float:
    return float(np.trunc(shares + np.copysign(NEARLY, shares)))


@kernel
def _happen(t: int, event: int, events: Events, slots: Slots, terms: Terms, book: Book) -> tuple[int, float]:
    """Dividends, splits and delistings of session t; returns the next event and the cash received."""
    received = 0.0
    while event < len(events.row) and events.row[event] == t:
        s, value, kind = slots.of[events.column[event]], events.value[event], events.kind[event]
        event += 1
        if s < 0:
            continue
        cash = 0.0
        if kind == DIVIDEND:
            cash = slots.held[s] * value
        elif kind == SPLIT:
            slots.held[s] *= value
            slots.order[s] *= value
            slots.mark[s] /= value
            if terms.whole:
                kept = _whole(slots.held[s])
                cash = (slots.held[s] - kept) * slots.mark[s] if slots.held[s] != kept else 0.0
                slots.held[s] = kept
                slots.order[s] = _whole(slots.order[s])
        else:
            cash = slots.held[s] * slots.mark[s] * (1.0 + value) if slots.held[s] != 0.0 else 0.0
            slots.held[s] = 0.0
            slots.order[s] = 0.0
        received += cash
        book.flow[slots.column[s]] += cash
    return event, received


@kernel
def _fill(
    t: int,
    decision: int,
    active: int,
    slots: Slots,
    prices: Prices,
    terms: Terms,
    book: Book,
    out: Floats,
    keys: Ints,
    values: Floats,
    trades: int,
) -> tuple[int, int, float]:
    """Fill at the open what can be filled; returns the orders still waiting, the trades so far, and what was paid."""
    waiting = 0
    paid = 0.0
    for s in range(active):
        order = slots.order[s]
        if order == 0.0:
            continue
        c = slots.column[s]
        price = prices.open[t, c]
        if not (np.isfinite(price) and prices.volume[t, c] > 0.0):
            waiting += 1
            continue
        size = abs(order * price)
        commission, spread, impact = terms.commission * size, terms.half_spread * size, 0.0
        if terms.impact > 0.0:
            impact = terms.impact * slots.volatility[s] * np.sqrt(size / slots.dollar_volume[s]) * size
        paid += order * price
        out[TRADED] += size
        out[COMMISSION] += commission
        out[SPREAD] += spread
        out[IMPACT] += impact
        slots.held[s] += order
        slots.order[s] = 0.0
        if book.full:
            keys[trades, FILL], keys[trades, DECISION], keys[trades, COMPANY] = t, decision, c
            values[trades, SHARES], values[trades, PRICE] = order, price
            values[trades, 2], values[trades, 3], values[trades, 4] = commission, spread, impact
            book.flow[c] -= order * price
            book.spent[c] += commission + spread + impact
            trades += 1
    return waiting, trades, paid


@kernel
def _drop(active: int, slots: Slots) -> int:
    """Take what is not held out of the slots, when no order waits; returns how many are left."""
    many = 0
    for s in range(active):
        c, held, mark = slots.column[s], slots.held[s], slots.mark[s]
        slots.of[c] = many if held != 0.0 else -1
        slots.column[many], slots.held[many], slots.mark[many] = c, held, mark
        many += int(held != 0.0)
    return many


@kernel
def _longer(keys: Ints, values: Floats, least: int) -> tuple[Ints, Floats]:
    """The same with room for more."""
    more_keys, more_values = np.empty((2 * least, 3), np.int64), np.empty((2 * least, N_TRADE))
    more_keys[: len(keys)] = keys
    more_values[: len(values)] = values
    return more_keys, more_values


@kernel
def _mark(active: int, slots: Slots, close: Floats) -> tuple[float, float]:
    """Take the closes there are; returns the value of what is held, and of what is sold short.

    Sums go in four lanes, since one would wait for itself. Every slot has had a price: `engine.check` has seen to it.
    """
    column, held, mark = slots.column, slots.held, slots.mark
    for s in range(active):
        price = close[column[s]]
        mark[s] = price if price == price else mark[s]  # NaN: no bar
    v0 = v1 = v2 = v3 = s0 = s1 = s2 = s3 = 0.0
    whole = active - active % 4
    for s in range(0, whole, 4):
        a, b, c, d = held[s] * mark[s], held[s + 1] * mark[s + 1], held[s + 2] * mark[s + 2], held[s + 3] * mark[s + 3]
        v0, v1, v2, v3 = v0 + a, v1 + b, v2 + c, v3 + d
        s0, s1, s2, s3 = s0 - min(a, 0.0), s1 - min(b, 0.0), s2 - min(c, 0.0), s3 - min(d, 0.0)
    for s in range(whole, active):
        v0 += held[s] * mark[s]
        s0 -= min(held[s] * mark[s], 0.0)
    return (v0 + v1) + (v2 + v3), (s0 + s1) + (s2 + s3)


@kernel
def _gather(t: int, active: int, slots: Slots, spare: Slots, target: Floats, close: Floats, events: Events) -> int:
    """Put what is held or wanted into slots; returns how many. Without a branch, since none could be foretold."""
    many = 0
    for c in range(len(target)):
        s = slots.of[c]
        held, mark, price = slots.held[max(s, 0)], slots.mark[max(s, 0)], close[t, c]
        if s < 0:
            held, mark = 0.0, price
        spare.column[many] = c
        spare.held[many] = held
        spare.mark[many] = mark
        many += int((held != 0.0) | (target[c] != 0.0))
    for s in range(active):
        slots.of[slots.column[s]] = -1
    for s in range(many):
        c = spare.column[s]
        slots.of[c], slots.column[s], slots.held[s], slots.mark[s] = s, c, spare.held[s], spare.mark[s]
        if np.isnan(slots.mark[s]):
            slots.mark[s] = _last_close(close, t, c, events)
    return many


@kernel
def _last_close(close: Floats, row: int, column: int, events: Events) -> float:
    """Last close at or before the row, on the row's split basis; NaN none."""
    t = row
    while t > 0 and not np.isfinite(close[t, column]):
        t -= 1
    mark = float(close[t, column])
    if t < row:
        for e in range(np.searchsorted(events.row, t + 1), np.searchsorted(events.row, row + 1)):
            if events.column[e] == column and events.kind[e] == SPLIT:
                mark /= events.value[e]
    return mark


@kernel
def _decide(
    active: int, slots: Slots, target: Floats, liquidity: Liquidity, decision: int, equity: float, terms: Terms
) -> int:
    """Order what takes the holdings towards the target; returns how many orders wait."""
    limit_share = terms.max_volume_share < np.inf
    if equity <= 0.0:
        for s in range(active):
            slots.order[s] = -slots.held[s]
        return active
    slow = 1.0
    if terms.max_turnover < np.inf:
        change = 0.0
        for s in range(active):
            change += abs(target[slots.column[s]] - slots.held[s] * slots.mark[s] / equity)
        slow = min(terms.max_turnover / (change / 2.0), 1.0) if change > 0.0 else 1.0
    waiting = 0
    for s in range(active):
        c = slots.column[s]
        if limit_share or terms.impact > 0.0:
            slots.dollar_volume[s] = liquidity.dollar_volume[decision, c]
            slots.volatility[s] = liquidity.volatility[decision, c]
        now = slots.held[s] * slots.mark[s] / equity
        move = (target[c] - now) * slow
        if limit_share:
            dollars = slots.dollar_volume[s] if np.isfinite(slots.dollar_volume[s]) else 0.0
            largest = terms.max_volume_share * dollars / equity
            move = min(max(move, -largest), largest)
        wanted = (now + move) * equity / slots.mark[s]
        if terms.whole:
            wanted = _whole(wanted)
        slots.order[s] = wanted - slots.held[s]
        waiting += slots.order[s] != 0.0
    return waiting
