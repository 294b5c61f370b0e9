"""The terms of a read: which sessions, which sources in which order, which companies, known by when."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nexus.db.snapshot import Snapshot
from nexus.errors import InputError

Days = NDArray[np.datetime64]
Ints = NDArray[np.int64]

FAR = datetime(9999, 12, 31, tzinfo=UTC)
NO_BASIS = date(1, 1, 1)

_SESSIONS = """
SELECT string_agg(int8send(session - date '1970-01-01'), '' ORDER BY session) AS days,
       string_agg(int8send((extract(epoch FROM closes_at) * 1000000)::bigint), '' ORDER BY session) AS closes
FROM sessions WHERE calendar = :calendar AND session BETWEEN :start AND :end AND closes_at <= :until
"""
_LOADS = """
SELECT table_name, load_uuid, sources
FROM (SELECT table_name, max(load_id) AS load_id, array_agg(DISTINCT source) AS sources FROM loads
      WHERE load_id <= :load_id GROUP BY table_name) AS seen JOIN loads USING (table_name, load_id)
"""


@dataclass(frozen=True)
class Source:
    """A vendor: `rank` 0 is preferred; prices are adjusted for splits up to `basis`, NO_BASIS: for none."""

    name: str
    rank: int
    known_at_basis: str
    basis: date


@dataclass(frozen=True)
class Market:
    """Sessions of a calendar: `days` (n,) datetime64[D], `closes` (n,) microseconds since 1970 UTC."""

    days: Days
    closes: Ints

    def rows_from(self, days: Any) -> Ints:
        """First session at or after each day; n when there is none."""
        return np.searchsorted(self.days, np.asarray(days, dtype="datetime64[D]")).astype(np.int64)

    def rows_of(self, days: Any) -> Ints:
        """Row of each day; -1 when it is no session."""
        rows = self.rows_from(days)
        rows[self.days[np.minimum(rows, len(self.days) - 1)] != days] = -1
        return rows


@dataclass(frozen=True)
class Loads:
    """Of one table: the uuid of the last load that a reader sees, and the sources of all."""

    last: str
    sources: tuple[str, ...]


@dataclass(frozen=True)
class Request:
    """What is read of every table: rows of loads up to `load_id` known by `until`, about `companies` (None: all).

    replayed : whether later loads exist
    loads : by table; a table without a load is missing
    as_of : the moment whose newest vintages are the labels; `until` is the same, or FAR when nobody named it
    in_sample : whether outputs of weights are read that describe the weights' own training days
    """

    load_id: int
    replayed: bool
    as_of: datetime
    until: datetime
    sources: tuple[Source, ...]
    companies: tuple[int, ...] | None
    market: Market
    loads: dict[str, Loads]
    in_sample: bool = True

    @property
    def names(self) -> list[str]:
        """The sources in order of preference."""
        return [source.name for source in self.sources]

    @property
    def bounds(self) -> dict[str, Any]:
        """The literals of `limits` and `rank`."""
        return {"sources": self.names, "load_id": self.load_id, "until": self.until}

    def sources_of(self, table: str) -> list[str]:
        """The sources asked for that have loads of `table`, in order of preference."""
        return [name for name in self.names if name in self._loaded(table)]

    def limits(self, table: str, sources: Sequence[str] | None = None) -> str:
        """SQL that leaves out other sources, later loads and what became known too late; no test in vain."""
        strangers = set(self._loaded(table)) - set(self.names if sources is None else sources)
        needed = {
            "source = ANY({sources})": bool(strangers),
            "load_id <= {load_id}": self.replayed,
            "known_at <= {until}": self.until != FAR,
        }
        return " AND ".join(limit for limit, is_needed in needed.items() if is_needed) or "true"

    def rank(self, table: str) -> str:
        """SQL of the rank of a row's source: a constant where the table has one."""
        present = self.sources_of(table)
        return f"{self.names.index(present[0])}" if len(present) == 1 else "array_position({sources}, source) - 1"

    def about(self, column: str = "company_id") -> str:
        """SQL that limits `column` to the companies asked for."""
        return "true" if self.companies is None else among(column, self.companies)

    def _loaded(self, table: str) -> tuple[str, ...]:
        return self.loads[table].sources if table in self.loads else ()


def among(column: str, companies: Iterable[int]) -> str:
    """SQL that limits `column` to some companies."""
    return f"{column} = ANY(ARRAY[{','.join(map(str, companies))}]::int[])"


def read_sources(moment: Snapshot, order: Sequence[str] | None) -> tuple[Source, ...]:
    """Sources in the order named, by default (preference, name).

    Raises
    ------
    InputError
        For a source that the database does not know, or when there is none.
    """
    rows = moment.rows('SELECT source, known_at_basis, basis FROM sources ORDER BY preference, source COLLATE "C"')
    known = {row.source: row for row in rows}
    chosen = list(known) if order is None else list(dict.fromkeys(order))
    for name in chosen:
        if name not in known:
            raise InputError(f'source "{name}" is unknown; the database has {", ".join(known) or "none"}')
    if not chosen:
        raise InputError("there is no source of facts to read; run `nexus ingest` first")
    return tuple(
        Source(name, rank, known[name].known_at_basis, known[name].basis or NO_BASIS)
        for rank, name in enumerate(chosen)
    )


def read_loads(moment: Snapshot) -> dict[str, Loads]:
    """By table, the loads that this snapshot sees."""
    rows = moment.rows(_LOADS, load_id=moment.load_id)
    return {row.table_name: Loads(str(row.load_uuid), tuple(row.sources)) for row in rows}


def read_market(moment: Snapshot, calendar: str, start: date, end: date, until: datetime) -> Market:
    """Sessions from `start` to `end` that had closed by `until`.

    Raises
    ------
    InputError
        When there are none.
    """
    bounds = {"calendar": calendar, "start": start, "end": end, "until": until}
    found = moment.row(_SESSIONS, **bounds)
    if found.days is None:
        raise InputError(f"no session of {calendar} between {start} and {end} had closed by {until}; widen the window")
    return Market(
        np.frombuffer(found.days, dtype=">i8").astype(np.int64).view("M8[D]"),
        np.frombuffer(found.closes, dtype=">i8").astype(np.int64),
    )
