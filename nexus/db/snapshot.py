"""One moment of the database: a REPEATABLE READ transaction that Arrow reads join."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
from adbc_driver_postgresql import dbapi
from numpy.typing import NDArray
from psycopg import sql
from sqlalchemy import Row, text

from nexus.db.engine import READER_ROLE, Database, Reading, driver
from nexus.errors import InputError

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Snapshot:
    """An open read-only transaction; rows of loads after `load_id`, up to the `highest`, are none of its business."""

    database: Database
    connection: Reading
    load_id: int
    highest: int
    now: datetime

    def rows(self, statement: str, **parameters: object) -> Sequence[Row[Any]]:
        """Rows of a small query."""
        return self.connection.execute(text(statement), parameters).all()

    def row(self, statement: str, **parameters: object) -> Row[Any]:
        """The only row of a query."""
        return self.connection.execute(text(statement), parameters).one()

    @contextmanager
    def arrow(self) -> Iterator[ArrowReader]:
        """A reader of Arrow tables that sees exactly what this snapshot sees."""
        token = self.connection.scalar(text("SELECT pg_export_snapshot()"))
        with dbapi.connect(self.database.dsn, autocommit=True) as connection, connection.cursor() as cursor:
            cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            cursor.execute(f"SET TRANSACTION SNAPSHOT '{token}'")
            cursor.execute(f"SET LOCAL ROLE {READER_ROLE}")
            yield ArrowReader(cursor, driver(self.connection))


@dataclass(frozen=True)
class ArrowReader:
    """Queries in, Arrow tables out."""

    cursor: Any
    quoting: Any

    def table(self, statement: str, **parameters: Any) -> pa.Table:
        """The rows of `statement`, in which each `{name}` is replaced by the literal of that parameter."""
        literals = {name: sql.Literal(value) for name, value in parameters.items()}
        self.cursor.execute(sql.SQL(statement).format(**literals).as_string(self.quoting))
        return self.cursor.fetch_arrow_table()


@contextmanager
def snapshot(database: Database, load_id: int | None = None) -> Iterator[Snapshot]:
    """Open a snapshot that ends with `load_id`, default the highest load there is.

    Raises
    ------
    InputError
        When there is no such load yet.
    """
    with database.read() as connection:
        highest, now = connection.execute(text("SELECT coalesce(max(load_id), 0), now() FROM loads")).one()
        if load_id is not None and load_id > highest:
            raise InputError(f"load_id {load_id}: the highest load of the database is {highest}")
        yield Snapshot(database, connection, highest if load_id is None else load_id, highest, now)


def to_arrays(table: pa.Table) -> Arrays:
    """Every column as numpy: see `values`."""
    return {name: values(table, name) for name in table.column_names}


def values(table: pa.Table, name: str) -> NDArray[Any]:
    """One column: instants as microseconds since 1970, integers as int64, dates as datetime64[D], text as str."""
    column = table.column(name)
    if pa.types.is_timestamp(column.type) or pa.types.is_integer(column.type):
        column = column.cast(pa.int64())
    array: NDArray[Any] = column.to_numpy()
    return array.astype(str) if array.dtype == object else array


def codes(table: pa.Table, name: str) -> tuple[NDArray[np.int64], list[str | None]]:
    """A text column as numbers, and the text that each number stands for."""
    encoded = table.column(name).combine_chunks().dictionary_encode(null_encoding="encode")
    return encoded.indices.cast(pa.int64()).to_numpy(), encoded.dictionary.to_pylist()


def distinct(*ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """The ids that occur, ascending: they are small numbers, so a table of flags is quicker than a sort."""
    there = np.zeros(max((int(part.max(initial=0)) for part in ids), default=0) + 1, dtype=bool)
    for part in ids:
        there[part] = True
    return np.flatnonzero(there)
