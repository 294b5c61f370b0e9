"""Bars as dense arrays, and the vintages that came late as an overlay sorted by session."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from nexus.db.request import Ints, Market
from nexus.db.snapshot import Arrays, values

Floats = NDArray[np.float64]
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

    table : company_id, session, known_at and `fields`; rows on days that are no sessions are left out
    """
    n_sessions, n_companies = len(market.days), len(companies)
    row = _places(market.days.view(np.int64), values(table, "session").view(np.int64))
    column = _places(companies, values(table, "company_id"))
    if (row < 0).any():
        table, column, row = table.filter(pa.array(row >= 0)), column[row >= 0], row[row >= 0]
    known_at = values(table, "known_at")
    prompt = known_at <= market.closes[row]
    late = np.flatnonzero(~prompt)
    late = late[np.lexsort((known_at[late], row[late]))]
    cell, chosen = _newest(row * n_companies + column, known_at, prompt, n_sessions * n_companies)
    first_row = np.full(n_companies, n_sessions, dtype=np.int64)
    np.minimum.at(first_row, column, row)
    arrays: Arrays = dict(zip(_COLUMNS, (row[late], column[late], known_at[late], first_row), strict=True))
    for field in fields:
        value = values(table, field)
        base = arrays[f"base {field}"] = np.full(n_sessions * n_companies, np.nan)
        base[cell] = value if chosen is None else value[chosen]
        arrays[f"late {field}"] = value[late]
    return arrays


def _newest(cell: Ints, known_at: Ints, prompt: NDArray[np.bool_], size: int) -> tuple[Ints, Ints | None]:
    """Cells to write, and which rows to write there (None: all), so that the newest prompt vintage is written last."""
    chosen = None if prompt.all() else np.flatnonzero(prompt)
    cells = cell if chosen is None else cell[chosen]
    filled = np.zeros(size, dtype=bool)
    filled[cells] = True
    if np.count_nonzero(filled) == len(cells):
        return cells, chosen
    order = np.flatnonzero(prompt)[np.argsort(known_at[prompt], kind="stable")]
    return cell[order], order


def _places(sorted_keys: Ints, wanted: Ints) -> Ints:
    """Place of each wanted key among few, close, sorted ones; -1 when it is not there."""
    if not len(wanted) or not len(sorted_keys):
        return np.full(len(wanted), -1, dtype=np.int64)
    low = min(int(wanted.min()), int(sorted_keys[0]))
    table = np.full(max(int(wanted.max()), int(sorted_keys[-1])) - low + 1, -1, dtype=np.int64)
    table[sorted_keys - low] = np.arange(len(sorted_keys))
    places: Ints = table[wanted - low]
    return places
