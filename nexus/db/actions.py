"""Splits, dividends and delistings: one split basis within a view, and returns that cross sessions without a bar."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from nexus.db.scatter import Arrays, Floats
from nexus.db.snapshot import ArrowReader, Ints, Request, values

DIVIDEND, SPLIT, DELISTING = 0, 1, 2  # on one day a dividend is paid on the old shares: it comes before the split
FOREVER = "9999-12-31"

_ACTIONS = """
SELECT company_id, ex_date, array_position(ARRAY['dividend', 'split', 'delisting'], kind) - 1 AS kind,
       array_position({{sources}}, source) - 1 AS source, value, known_at,
       coalesce(lead(known_at) OVER (PARTITION BY company_id, ex_date, kind, source ORDER BY known_at),
                '9999-12-31 UTC'::timestamptz) AS superseded_at
FROM corporate_actions
WHERE source = ANY({{sources}}) AND load_id <= {{load_id}} AND known_at <= {{until}} AND {about}
ORDER BY ex_date, kind, company_id, source, known_at
"""


@dataclass(frozen=True)
class Actions:
    """Corporate actions (k,) sorted by row, then dividends before splits; each vintage with the time it was the newest."""

    row: Ints
    column: Ints
    kind: Ints
    value: Floats
    known_at: Ints
    superseded_at: Ints
    source: Ints

    @classmethod
    def none(cls) -> Actions:
        """No action at all."""
        nothing = np.empty(0, dtype=np.int64)
        return cls(nothing, nothing, nothing, np.empty(0), nothing, nothing, nothing)

    def known(self, instant: int, last: int) -> Actions:
        """Those in force at `instant`, with an ex-date at or before session `last`."""
        return self._where((self.known_at <= instant) & (instant < self.superseded_at) & (self.row <= last))

    def only(self, kind: int) -> Actions:
        """Those of one kind."""
        return self._where(self.kind == kind)

    def paid(self) -> Actions:
        """Dividends and splits: what makes up a total return."""
        return self._where(self.kind != DELISTING)

    def _where(self, chosen: NDArray[np.bool_]) -> Actions:
        return Actions(
            self.row[chosen],
            self.column[chosen],
            self.kind[chosen],
            self.value[chosen],
            self.known_at[chosen],
            self.superseded_at[chosen],
            self.source[chosen],
        )


def read_actions(reader: ArrowReader, request: Request) -> Arrays:
    """All actions, by company and source, with the instants between which each vintage was the newest."""
    table = reader.table(
        _ACTIONS.format(about=request.about()),
        sources=request.source_names,
        load_id=request.load_id,
        until=request.until,
    )
    return {name: values(table, name) for name in table.column_names}


def place_actions(arrays: Arrays, request: Request, companies: Ints, price_source: Ints) -> Actions:
    """Actions of the panel's companies on its sessions.

    companies, price_source : (m,) ids and the rank of the source of their prices, -1 none
    Per company and kind one source: that of its prices, else the first that knows one; a dividend is in the basis of its
    source, so it is taken from another only where both have the same. Splits up to the basis are in the prices already.
    """
    column = np.searchsorted(companies, arrays["company_id"])
    inside = companies[np.minimum(column, len(companies) - 1)] == arrays["company_id"]
    row = request.market.row_of_day(arrays["ex_date"])
    inside &= (arrays["ex_date"] >= request.market.days[0]) & (row < len(request.market.days)) | (
        arrays["kind"] == DELISTING
    )
    kind, source = arrays["kind"].astype(np.int64), arrays["source"].astype(np.int64)
    basis = np.array([source.basis or np.datetime64("0001-01-01") for source in request.sources], dtype="datetime64[D]")
    own = np.where(inside, price_source[np.where(inside, column, 0)], -1)
    inside &= (kind != DIVIDEND) | (own < 0) | (basis[source] == basis[own])
    inside &= (kind != SPLIT) | (own < 0) | (arrays["ex_date"] > basis[own])
    preference = np.where(source == own, -1, source)
    best = np.full((3, len(companies)), np.iinfo(np.int64).max)
    np.minimum.at(best, (kind[inside], column[inside]), preference[inside])
    inside &= preference == best[kind, np.where(inside, column, 0)]
    return Actions(
        row[inside],
        column[inside].astype(np.int64),
        kind[inside],
        arrays["value"][inside],
        arrays["known_at"][inside],
        arrays["superseded_at"][inside],
        source[inside],
    )


def on_one_basis(prices: Floats, first: int, splits: Actions, *, volume: bool = False) -> Floats:
    """Rows from session `first` on, (w, m), as if every split had happened before them; a copy where one did."""
    inside = splits.row > first
    if not inside.any():
        return prices
    prices = prices.copy()
    for row, column, value in zip(splits.row[inside], splits.column[inside], splits.value[inside], strict=True):
        prices[: row - first, column] *= value if volume else 1 / value
    return prices


@njit(cache=True)
def total_returns(
    close: Floats,
    first: int,
    previous: Floats,
    previous_row: Ints,
    row: Ints,
    column: Ints,
    kind: Ints,
    value: Floats,
) -> Floats:
    """Total simple return of each bar since the bar before it: (close x new shares + cash) / previous close - 1.

    close : (w, m) as stored, session `first` on; NaN no bar
    previous, previous_row : (m,) the last bar before `first`, NaN none
    row, column, kind, value : dividends and splits, sorted as in `Actions`
    Returns (w, m), NaN without a bar or without one before it.
    """
    sessions, companies = close.shape
    result = np.full((sessions, companies), np.nan)
    last = previous.copy()
    shares, cash = np.ones(companies), np.zeros(companies)
    at = 0
    while at < len(row) and row[at] < first:
        j = column[at]
        if row[at] > previous_row[j]:
            if kind[at] == 0:
                cash[j] += shares[j] * value[at]
            else:
                shares[j] *= value[at]
        at += 1
    for i in range(sessions):
        while at < len(row) and row[at] <= first + i:
            j = column[at]
            if kind[at] == 0:
                cash[j] += shares[j] * value[at]
            else:
                shares[j] *= value[at]
            at += 1
        for j in range(companies):
            price = close[i, j]
            if not np.isnan(price):
                result[i, j] = (price * shares[j] + cash[j]) / last[j] - 1.0
                last[j], shares[j], cash[j] = price, 1.0, 0.0
    return result
