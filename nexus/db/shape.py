"""What a load needs to know of a facts table: its key, its values, and the Arrow types of its columns."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import BigInteger, Column, Date, DateTime, Double, Integer, Table
from sqlalchemy.dialects.postgresql import JSONB

from nexus.db.tables import FACTS
from nexus.errors import InputError

INSTANT = pa.timestamp("us", "UTC")
STAMPS = ("source", "known_at", "load_id")
_ARROW = [
    (BigInteger, pa.int64()),
    (Integer, pa.int32()),
    (Double, pa.float64()),
    (Date, pa.date32()),
    (DateTime, INSTANT),
]


@dataclass(frozen=True)
class Shape:
    """A facts table, seen as key, `source`, `known_at`, values, `load_id`."""

    table: Table

    @property
    def name(self) -> str:
        """Name of the table."""
        return self.table.name

    @cached_property
    def key(self) -> tuple[str, ...]:
        """Columns that say which fact a row is about, whoever reported it and whenever."""
        return tuple(column.name for column in self.table.primary_key if column.name not in STAMPS)

    @cached_property
    def values(self) -> tuple[str, ...]:
        """Columns in which two vintages of a fact may differ."""
        return tuple(column.name for column in self.table.columns if column.name not in (*self.key, *STAMPS))

    @property
    def is_spell(self) -> bool:
        """Whether a fact holds from a day on until another, and its end is news."""
        return "valid_to" in self.values

    @property
    def per_source(self) -> bool:
        """Whether `source` is in the key; an `event_id` contains it already."""
        return "source" in self.table.primary_key

    @property
    def day(self) -> str | None:
        """The first day in the key."""
        return next((name for name in self.key if isinstance(self.table.columns[name].type, Date)), None)

    @property
    def has_text_key(self) -> bool:
        """Whether a column of the key is text."""
        return any(_arrow(self.table.columns[name]) == pa.string() for name in self.key)

    @property
    def jsonb(self) -> tuple[str, ...]:
        """Columns that hold JSON."""
        return tuple(column.name for column in self.table.columns if isinstance(column.type, JSONB))

    def conform(self, rows: pa.Table) -> pa.Table:
        """Key, known_at, default_known_at and values, cast to the table's types; NaN is null.

        Raises
        ------
        InputError
            When a column is missing, unknown, of another type, or null where the table wants a value.
        """
        expected = (*self.key, "known_at", "default_known_at", *self.values)
        strangers = set(rows.column_names) - {*expected, "source"}
        if strangers:
            raise InputError(
                f"{self.name}: unknown column {', '.join(sorted(strangers))}; it takes {', '.join(expected)}"
            )
        columns = {name: self._cast(rows, name) for name in expected}
        if pc.any(pc.and_(columns["known_at"].is_null(), columns["default_known_at"].is_null())).as_py():
            raise InputError(f"{self.name}: a row has neither known_at nor default_known_at; give one of them")
        return pa.table(columns)

    def _cast(self, rows: pa.Table, name: str) -> pa.ChunkedArray:
        column = self.table.columns["known_at" if name == "default_known_at" else name]
        kind = _arrow(column)
        optional = column.nullable or name in ("known_at", "default_known_at")
        if name not in rows.column_names:
            if not optional:
                raise InputError(f"{self.name}.{name}: column missing; a row cannot be loaded without it")
            return pa.chunked_array([pa.nulls(rows.num_rows, kind)])
        try:
            cast = rows.column(name).cast(kind)
        except pa.ArrowInvalid as error:
            raise InputError(f"{self.name}.{name}: {error}; the column must hold {kind}") from error
        if pa.types.is_floating(kind):
            cast = pc.if_else(pc.is_nan(cast), None, cast)
        if cast.null_count and not optional:
            raise InputError(f"{self.name}.{name}: {cast.null_count} rows have no value; reject them before the load")
        return cast


@cache
def shape_of(table: str) -> Shape:
    """The shape of facts table `table`; InputError where there is none of that name."""
    if table not in FACTS:
        raise InputError(f"{table}: no facts table; there are {', '.join(FACTS)}")
    return Shape(FACTS[table])


def _arrow(column: Column[object]) -> pa.DataType:
    return next((arrow for sql, arrow in _ARROW if isinstance(column.type, sql)), pa.string())
