"""Bars as dense arrays, and the vintages that came late as an overlay sorted by session."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numba import njit
from numpy.typing import NDArray

from nexus.db.request import Ints, Market
from nexus.db.snapshot import Arrays, values

Floats = NDArray[np.float64]
COMPANY, DAY = 16, 0xFFFF
"""Bits that `place` is shifted by for the company, and its bits for the day: 179 years."""
_COLUMNS = ("late_row", "late_column", "late_known_at", "first_row")


@dataclass(frozen=True)
class Bars:
    """Prices of one source, sessions x companies.

    base : per field (n, m), what was known at each session's own close; NaN no bar
    late, late_* : (k,) every later vintage by (row, known_at), so that those of a window are a slice
    first_row : (m,) session of the earliest bar of any vintage, n where there is none
    """

    base: dict[str, Floats]
    late: dict[str, Floats]
    late_row: Ints
    late_column: Ints
    late_known_at: Ints
    first_row: Ints

    def window(self, field: str, first: int, last: int, instant: int) -> Floats:
        """Rows first..last, both included, as known at `instant`: a slice of the base where nothing came late."""
        rows = self.base[field][first : last + 1]
        here = slice(*np.searchsorted(self.late_row, [first, last + 1]))
        known = self.late_known_at[here] <= instant
        if not known.any():
            return rows
        rows = rows.copy()
        rows[self.late_row[here][known] - first, self.late_column[here][known]] = self.late[field][here][known]
        return rows

    @classmethod
    def from_arrays(cls, arrays: Arrays, n_sessions: int) -> Bars:
        """The inverse of `scatter`, without a copy."""
        shape = n_sessions, len(arrays["first_row"])
        fields = [name.removeprefix("base ") for name in arrays if name.startswith("base ")]
        return cls(
            {field: arrays[f"base {field}"].reshape(shape) for field in fields},
            {field: arrays[f"late {field}"] for field in fields},
            *(arrays[name] for name in _COLUMNS),
        )


def scatter(table: pa.Table, market: Market, companies: Ints, fields: Sequence[str]) -> Arrays:
    """Spread the price rows of one source over (sessions, companies); flat arrays by name, for `Bars.from_arrays`.

    table : `place` (company_id x 2^16 + days since the first session), known_at and `fields`, in any order; rows on
        days that are no sessions are left out
    """
    place, known_at = values(table, "place"), values(table, "known_at")
    row_of_day, column_of_company = _inverse((market.days - market.days[0]).astype(np.int64)), _inverse(companies)
    newest, is_late, first_row = choose(place, known_at, row_of_day, column_of_company, market.closes, len(companies))
    row, column = row_of_day[place[is_late] & DAY], column_of_company[place[is_late] >> COMPANY]
    order = np.lexsort((known_at[is_late], row))
    arrays: Arrays = dict(zip(_COLUMNS, (row[order], column[order], known_at[is_late][order], first_row), strict=True))
    for field in fields:
        value = np.append(values(table, field), np.nan)  # the last one is what -1 takes
        arrays[f"base {field}"], arrays[f"late {field}"] = value[newest], value[:-1][is_late][order]
    return arrays


@njit(cache=True)
def choose(
    place: Ints, known_at: Ints, row_of_day: Ints, column_of_company: Ints, closes: Ints, n_companies: int
) -> tuple[Ints, NDArray[np.bool_], Ints]:
    """Of each cell the row of the newest vintage by its own close, -1 none; which rows came later; `first_row`."""
    newest = np.full(len(closes) * n_companies, -1)
    is_late = np.zeros(len(place), np.bool_)
    first_row = np.full(n_companies, len(closes))
    for i in range(len(place)):
        row, column = row_of_day[place[i] & DAY], column_of_company[place[i] >> COMPANY]
        if row < 0:
            continue
        first_row[column] = min(first_row[column], row)
        cell = row * n_companies + column
        if known_at[i] > closes[row]:
            is_late[i] = True
        elif newest[cell] < 0 or known_at[newest[cell]] < known_at[i]:
            newest[cell] = i
    return newest, is_late, first_row


def _inverse(keys: Ints) -> Ints:
    """Place of each number among ascending small keys; -1 when it is not there."""
    places = np.full(int(keys.max(initial=0)) + 1, -1)
    places[keys] = np.arange(len(keys))
    return places
