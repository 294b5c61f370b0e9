"""The door to what happened: labels and fills, from the newest vintages at the panel's as_of or at an earlier day."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from nexus.db.actions import DELISTING, DIVIDEND, SPLIT, Actions
from nexus.db.bars import Floats
from nexus.db.data import Data
from nexus.db.request import Ints
from nexus.db.totals import on_one_basis, total_returns


class Ahead:
    """Realised prices of (n sessions, m companies): for labels and fills only, never for scores.

    row : session at whose close it ends, by what was known then; None: the panel's last, by all that the panel knows
    """

    def __init__(self, data: Data, row: int | None = None) -> None:
        self._data = data
        self._last = len(data.market.days) - 1 if row is None else row
        self._instant = data.as_of if row is None else min(int(data.market.closes[row]), data.as_of)

    def bars(self, field: str) -> Floats:
        """open, high, low, close or volume (n, m) as the source stores them; NaN no bar."""
        return _frozen(np.array(self._data.prices.window(field, 0, self._last, self._instant)))

    def benchmark(self, series: str) -> Floats:
        """Values (n,) of a series by session, NaN none; per session the preferred source that had one."""
        result = np.full(self._last + 1, np.nan)
        known = self._data.facts["benchmarks", series].known(self._instant)
        inside = (known["row"] >= 0) & (known["row"] <= self._last)
        result[known["row"][inside]] = known["value"][inside]
        return _frozen(result)

    @cached_property
    def actions(self) -> Actions:
        """Splits that the stored prices do not contain yet, dividends in their basis, and delistings."""
        return self._data.actions_at(self._instant, self._last)

    @cached_property
    def close(self) -> Floats:
        """(n, m) on one split basis; NaN no bar."""
        return _frozen(np.array(on_one_basis(self._raw, 0, self.actions.only(SPLIT))))

    @cached_property
    def total_return(self) -> Floats:
        """(n, m) simple return of each session with a bar since the bar before, dividends included; else NaN."""
        nothing = np.full(len(self._data.companies), np.nan), np.full(len(self._data.companies), -1, dtype=np.int64)
        paid = self.actions.only(DIVIDEND, SPLIT)
        made = total_returns(self._raw, 0, *nothing, paid.row, paid.column, paid.kind == SPLIT, paid.value)
        return _frozen(made)

    @cached_property
    def has_bar(self) -> NDArray[np.bool_]:
        """(n, m)."""
        there: NDArray[np.bool_] = ~np.isnan(self._raw)
        there.flags.writeable = False
        return there

    @cached_property
    def last_bar(self) -> Ints:
        """(m,) row of each company's last bar; -1 none."""
        there = self.has_bar
        last = np.where(there.any(axis=0), self._last - there[::-1].argmax(axis=0), -1)
        last.flags.writeable = False
        return last

    @cached_property
    def market_last(self) -> int:
        """Row of the last session on which any company has a bar; -1 none."""
        return int(self.last_bar.max(initial=-1))

    @cached_property
    def delisting(self) -> Floats:
        """(m,) return after the last price, as a fraction; NaN unknown."""
        known = self._data.actions_at(self._instant, len(self._data.market.days)).only(DELISTING)
        result = np.full(len(self._data.companies), np.nan)
        result[known.column] = known.value
        return _frozen(result)

    @cached_property
    def _raw(self) -> Floats:
        return self._data.prices.window("close", 0, self._last, self._instant)


def _frozen(array: Floats) -> Floats:
    array.flags.writeable = False
    return array
