"""Bars as dense arrays, and the vintages that came late as an overlay sorted by session."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from nexus.db.inputs import PRICE_FIELDS
from nexus.db.snapshot import ArrowReader, Ints, Market, Request, values

Floats = NDArray[np.float64]
Arrays = dict[str, NDArray[Any]]

_BARS = """
SELECT company_id, session, known_at, {fields} FROM prices
WHERE source = {{source}} AND session BETWEEN {{start}} AND {{end}} AND load_id <= {{load_id}}
  AND known_at <= {{until}} AND {about} AND NOT company_id = ANY({{taken}}::int[])
"""
_ELSEWHERE = """
SELECT entity_id FROM entities
WHERE {about} AND NOT entity_id = ANY({{taken}}::int[])
  AND EXISTS (SELECT FROM prices WHERE company_id = entity_id AND source = {{source}} AND load_id <= {{load_id}}
              AND known_at <= {{until}})
"""
_EMPTY = pa.table(
    {
        "company_id": pa.array([], pa.int32()),
        "session": pa.array([], pa.date32()),
        "known_at": pa.array([], pa.timestamp("us", "UTC")),
        "source": pa.array([], pa.int16()),
        **{field: pa.array([], pa.float64()) for field in PRICE_FIELDS},
    }
)
_LOADED = "SELECT DISTINCT source FROM loads WHERE table_name = 'prices' AND load_id <= {load_id}"


@dataclass(frozen=True)
class Bars:
    """Prices of sessions x companies, each company from one source.

    `base` holds per field (n, m) what was known at each session's own close; `late_*` (k,) every later vintage, sorted
    by (row, known_at), so that those of a window are a slice.
    """

    base: dict[str, Floats]
    late: dict[str, Floats]
    late_row: Ints
    late_column: Ints
    late_known_at: Ints
    first_row: Ints

    def window(self, field: str, first: int, last: int, instant: int) -> Floats:
        """Rows first..last (inclusive) as known at `instant`; the base itself where nothing came late."""
        rows = self.base[field][first : last + 1]
        here = slice(*np.searchsorted(self.late_row, [first, last + 1]))
        known = self.late_known_at[here] <= instant
        if not known.any():
            return rows
        rows = rows.copy()
        rows[self.late_row[here][known] - first, self.late_column[here][known]] = self.late[field][here][known]
        return rows


def scatter(rows: Sequence[pa.Table], market: Market, companies: Ints, fields: Sequence[str]) -> Arrays:
    """Spread price rows over (sessions, companies), NaN where there is no bar.

    rows : columns company_id, session, known_at and `fields`; one table per source, each company in one of them
    Returns the arrays of `Bars`, the base flattened; rows on days that are no sessions are left out.
    """
    shape = (len(market.days), len(companies))
    table = pa.concat_tables(rows) if rows else _EMPTY
    day = values(table, "session")
    row = market.row_of_day(day)
    on_session = market.days[np.minimum(row, len(market.days) - 1)] == day
    if not on_session.all():
        table, row = table.filter(pa.array(on_session)), row[on_session]
    column = np.searchsorted(companies, values(table, "company_id")).astype(np.int64)
    known_at = values(table, "known_at")
    prompt = known_at <= market.closes[row]
    cell = (row * shape[1] + column)[prompt]
    filled = np.zeros(shape[0] * shape[1], dtype=bool)
    filled[cell] = True
    order: Any = slice(None)
    if np.count_nonzero(filled) != len(cell):  # several vintages by the first close: the newest must be written last
        order = np.argsort(known_at[prompt], kind="stable")
    late = np.flatnonzero(~prompt)
    late = late[np.lexsort((known_at[late], row[late]))]
    first_row = np.full(shape[1], shape[0], dtype=np.int64)
    np.minimum.at(first_row, column, row)
    source = np.full(shape[1], -1, dtype=np.int64)
    source[column] = values(table, "source")
    arrays: Arrays = {
        "company_id": companies,
        "source": source,
        "late_row": row[late],
        "late_column": column[late],
        "late_known_at": known_at[late],
        "first_row": first_row,
    }
    for field in fields:
        value = values(table, field)
        base = np.full(shape[0] * shape[1], np.nan)
        base[cell[order]] = value[prompt][order]
        arrays[f"base {field}"], arrays[f"late {field}"] = base, value[late]
    return arrays


def read_bars(reader: ArrowReader, request: Request, fields: Sequence[str]) -> list[pa.Table]:
    """Price rows, one table per source in order of preference; a company is in the first that knows any bar of it."""
    loaded = reader.table(_LOADED, load_id=request.load_id).column("source").to_pylist()
    names = [source for source in request.source_names if source in loaded]
    tables: list[pa.Table] = []
    taken: list[int] = []
    for name in names:
        window = {"start": request.market.days[0].item(), "end": request.market.days[-1].item()}
        bounds = {"source": name, "load_id": request.load_id, "until": request.until, "taken": taken}
        table = reader.table(_BARS.format(fields=", ".join(fields), about=request.about()), **window, **bounds)
        tables.append(table.append_column("source", pa.array(np.full(len(table), request.rank(name), dtype=np.int16))))
        taken += pc.unique(table.column("company_id")).to_pylist()
        if name != names[-1]:  # a company whose bars of this source lie outside the window belongs to it all the same
            taken += reader.table(_ELSEWHERE.format(about=request.about("entity_id")), **bounds)[
                "entity_id"
            ].to_pylist()
    return tables
