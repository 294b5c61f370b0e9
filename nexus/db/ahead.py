"""The label door: what happened after a day, from the newest vintages at the panel's as_of."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from nexus.db.actions import DELISTING, DIVIDEND, SPLIT
from nexus.db.bars import Floats
from nexus.db.data import Data
from nexus.db.request import Ints
from nexus.db.totals import on_one_basis, total_returns


class Ahead:
    """Realised prices of (n sessions, m companies): for labels only, never for scores."""

    def __init__(self, data: Data) -> None:
        self._data = data
        self._last = len(data.market.days) - 1
        self._actions = data.actions_at(data.as_of, self._last)

    @cached_property
    def close(self) -> Floats:
        """(n, m) on one split basis; NaN no bar."""
        return _frozen(np.array(on_one_basis(self._raw, 0, self._actions.only(SPLIT))))

    @cached_property
    def total_return(self) -> Floats:
        """(n, m) simple return of each session with a bar since the bar before, dividends included; else NaN."""
        nothing = np.full(len(self._data.companies), np.nan), np.full(len(self._data.companies), -1, dtype=np.int64)
        paid = self._actions.only(DIVIDEND, SPLIT)
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
        known = self._data.actions_at(self._data.as_of, self._last + 1).only(DELISTING)
        result = np.full(len(self._data.companies), np.nan)
        result[known.column] = known.value
        return _frozen(result)

    @cached_property
    def _raw(self) -> Floats:
        return self._data.prices.window("close", 0, self._last, self._data.as_of)


def _frozen(array: Floats) -> Floats:
    array.flags.writeable = False
    return array
