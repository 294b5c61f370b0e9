"""One moment of the database: a REPEATABLE READ transaction that Arrow reads may join."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np
import pyarrow as pa
from adbc_driver_postgresql import dbapi
from numpy.typing import NDArray
from psycopg import sql
from sqlalchemy import text

from nexus.db.engine import READER_ROLE, Database, Reading, driver
from nexus.errors import InputError

Days = NDArray[np.datetime64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Source:
    """A vendor, as a reader needs to know it: `rank` 0 is preferred."""

    name: str
    rank: int
    known_at_basis: str
    basis: date | None


@dataclass(frozen=True)
class Market:
    """Sessions of a calendar: `days` (n,) datetime64[D], `closes` (n,) microseconds UTC since 1970."""

    days: Days
    closes: Ints

    def row_of_day(self, days: Any) -> Ints:
        """First session at or after each day; n when there is none."""
        return np.searchsorted(self.days, np.asarray(days, dtype="datetime64[D]")).astype(np.int64)

    def row_of_instant(self, known_at: Ints) -> Ints:
        """First session at whose close each instant had come; n when there is none."""
        return np.searchsorted(self.closes, known_at).astype(np.int64)


@dataclass
class Snapshot:
    """An open REPEATABLE READ transaction, bounded by a load."""

    database: Database
    connection: Reading
    load_id: int
    now: datetime

    def rows(self, statement: str, **parameters: object) -> list[Any]:
        """Rows of a small query."""
        return list(self.connection.execute(text(statement), parameters))

    @contextmanager
    def arrow(self) -> Iterator[ArrowReader]:
        """A reader of Arrow tables that sees exactly what this snapshot sees."""
        token = self.connection.scalar(text("SELECT pg_export_snapshot()"))
        with dbapi.connect(self.database.dsn, autocommit=True) as connection, connection.cursor() as cursor:
            cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            cursor.execute(f"SET TRANSACTION SNAPSHOT '{token}'")
            cursor.execute(f"SET LOCAL ROLE {READER_ROLE}")
            yield ArrowReader(cursor, driver(self.connection))
            cursor.execute("COMMIT")


@dataclass
class ArrowReader:
    """Queries in, Arrow tables out."""

    cursor: Any
    quoting: Any

    def table(self, statement: str, **parameters: Any) -> pa.Table:
        """The rows of `statement`, whose `{name}` are replaced by literals."""
        literals = {name: sql.Literal(value) for name, value in parameters.items()}
        self.cursor.execute(sql.SQL(statement).format(**literals).as_string(self.quoting))
        return self.cursor.fetch_arrow_table()


@dataclass(frozen=True)
class Request:
    """What is read of every table: rows up to `load_id`, known by `until`, of `sources`, about `companies` (None: all)."""

    load_id: int
    until: datetime
    sources: tuple[Source, ...]
    companies: tuple[int, ...] | None
    market: Market

    @property
    def source_names(self) -> list[str]:
        """Sources in order of preference."""
        return [source.name for source in self.sources]

    def rank(self, source: str) -> int:
        """Place of a source in the order of preference."""
        return self.source_names.index(source)

    def about(self, column: str = "company_id") -> str:
        """SQL that limits `column` to the companies asked for."""
        if self.companies is None:
            return "true"
        return f"{column} = ANY(ARRAY[{','.join(map(str, self.companies))}]::int[])"


def values(table: pa.Table, name: str) -> NDArray[Any]:
    """A column: instants as microseconds, dates as datetime64[D], missing numbers as NaN."""
    column = table.column(name)
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    return column.to_numpy()


@contextmanager
def snapshot(database: Database, load_id: int | None = None) -> Iterator[Snapshot]:
    """Open a snapshot at `load_id`, default the highest.

    Raises
    ------
    InputError
        When there is no such load yet.
    """
    with database.read() as connection:
        highest, now = connection.execute(text("SELECT coalesce(max(load_id), 0), now() FROM loads")).one()
        if load_id is not None and load_id > highest:
            raise InputError(f"load_id {load_id}: the highest load of the database is {highest}")
        yield Snapshot(database, connection, highest if load_id is None else load_id, now)


def read_sources(moment: Snapshot, order: Sequence[str] | None) -> tuple[Source, ...]:
    """Sources in the order named, default by (preference, name).

    Raises
    ------
    InputError
        For a source that the database does not know.
    """
    rows = moment.rows('SELECT source, known_at_basis, basis FROM sources ORDER BY preference, source COLLATE "C"')
    known = {row.source: row for row in rows}
    for name in order or ():
        if name not in known:
            raise InputError(f'source "{name}" is unknown; the database has {sorted(known) or "none"}')
    chosen = list(order) if order is not None else list(known)
    return tuple(Source(name, rank, known[name].known_at_basis, known[name].basis) for rank, name in enumerate(chosen))


def read_market(moment: Snapshot, calendar: str, start: date, end: date, until: datetime) -> Market:
    """Sessions from `start` to `end` that had closed by `until`.

    Raises
    ------
    InputError
        When there are none.
    """
    rows = moment.rows(
        "SELECT session, (extract(epoch FROM closes_at) * 1000000)::bigint AS closes FROM sessions "
        "WHERE calendar = :calendar AND session BETWEEN :start AND :end AND closes_at <= :until ORDER BY session",
        calendar=calendar,
        start=start,
        end=end,
        until=until,
    )
    if not rows:
        raise InputError(
            f"no session of {calendar} from {start} to {end} is known and closed by {until}; run `nexus db up`"
        )
    return Market(
        np.array([row.session for row in rows], dtype="datetime64[D]"),
        np.array([row.closes for row in rows], dtype=np.int64),
    )
