"""Spells (membership, sector, ticker), events and benchmark values: who, when, and while which vintage was the newest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nexus.db.scatter import Arrays
from nexus.db.snapshot import ArrowReader, Days, Ints, Request, values

_SPELLS = """
SELECT company_id, {name} AS name, {code} AS code, valid_from, coalesce(valid_to, '9999-12-31') AS valid_to,
       array_position({{sources}}, source) - 1 AS source, known_at,
       coalesce(lead(known_at) OVER (PARTITION BY {key} ORDER BY known_at), '9999-12-31 UTC'::timestamptz) AS superseded_at
FROM {table}
WHERE {name} = ANY({{names}}) AND source = ANY({{sources}}) AND load_id <= {{load_id}} AND known_at <= {{until}}
  AND {about}
ORDER BY name, company_id, source DESC, valid_from, known_at
"""
_SHAPES = {
    "universe_members": ("universe", "universe", "universe, company_id, valid_from, source"),
    "classifications": ("scheme", "code", "company_id, scheme, valid_from, source"),
    "symbols": ("'ticker'", "ticker", "company_id, ticker, valid_from, source"),
}
_EVENTS = """
SELECT company_id, event_type AS name, event_date, array_position({{sources}}, source) - 1 AS source, known_at,
       coalesce((SELECT min(later.known_at) FROM events later
                 WHERE later.event_id = events.event_id AND later.known_at > events.known_at
                   AND later.load_id <= {{load_id}} AND later.known_at <= {{until}}),
                '9999-12-31 UTC'::timestamptz) AS superseded_at
FROM events
WHERE event_type = ANY({{names}}) AND source = ANY({{sources}}) AND load_id <= {{load_id}} AND known_at <= {{until}}
  AND {about}
ORDER BY company_id, event_date, event_id
"""
_BENCHMARKS = """
SELECT series AS name, session, array_position({sources}, source) - 1 AS source, value, known_at,
       coalesce(lead(known_at) OVER (PARTITION BY series, session, source ORDER BY known_at),
                '9999-12-31 UTC'::timestamptz) AS superseded_at
FROM benchmarks
WHERE series = ANY({names}) AND source = ANY({sources}) AND load_id <= {load_id} AND known_at <= {until}
ORDER BY series, session, source DESC, known_at
"""


def read_spells(reader: ArrowReader, request: Request, table: str, names: tuple[str, ...]) -> Arrays:
    """Spells of the named universes or schemes (or all tickers), the preferred source last within a company."""
    name, code, key = _SHAPES[table]
    rows = reader.table(
        _SPELLS.format(table=table, name=name, code=code, key=key, about=request.about()),
        names=list(names),
        sources=request.source_names,
        load_id=request.load_id,
        until=request.until,
    )
    return {column: values(rows, column) for column in rows.column_names}


def read_events(reader: ArrowReader, request: Request, names: tuple[str, ...]) -> Arrays:
    """Events of the named types, by company and date."""
    rows = reader.table(
        _EVENTS.format(about=request.about()),
        names=list(names),
        sources=request.source_names,
        load_id=request.load_id,
        until=request.until,
    )
    return {column: values(rows, column) for column in rows.column_names}


def read_benchmarks(reader: ArrowReader, request: Request, names: tuple[str, ...]) -> Arrays:
    """Values of the named series, the preferred source last within a session."""
    rows = reader.table(
        _BENCHMARKS, names=list(names), sources=request.source_names, load_id=request.load_id, until=request.until
    )
    return {column: values(rows, column) for column in rows.column_names}


@dataclass(frozen=True)
class Facts:
    """Rows of one name (k,): each vintage with the time it was the newest of its key."""

    arrays: Arrays

    def known(self, instant: int) -> Arrays:
        """The rows that a reader at `instant` sees."""
        seen = (self.arrays["known_at"] <= instant) & (instant < self.arrays["superseded_at"])
        return {name: array[seen] for name, array in self.arrays.items()}


def place(arrays: Arrays, name: str, companies: Ints | None = None) -> Facts:
    """Rows of one name; with `companies`, only theirs, with `column` their place in it."""
    chosen: NDArray[np.bool_] = arrays["name"] == name
    if companies is not None:
        chosen = chosen & np.isin(arrays["company_id"], companies)
    rows = {key: array[chosen] for key, array in arrays.items()}
    if companies is not None:
        rows["column"] = np.searchsorted(companies, rows["company_id"])
    return Facts(rows)


def in_force(known: Arrays, day: np.datetime64) -> Arrays:
    """Spells that hold on `day`, of the preferred source that knows any."""
    holds = (known["valid_from"] <= day) & (day < known["valid_to"])
    return {name: array[holds] for name, array in known.items()}


__all__ = ["Days", "Facts", "in_force", "place", "read_benchmarks", "read_events", "read_spells"]
