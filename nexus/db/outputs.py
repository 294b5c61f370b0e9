"""What modules write: rows of an output table, inserted or updated by their key, rewritten only where they changed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date
from functools import cache
from typing import TYPE_CHECKING, Any
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import ARRAY, BigInteger, Column, Date, DateTime, Double, Integer, Table, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import DBAPIError

from nexus.db.copy import copy
from nexus.db.engine import Writing
from nexus.db.shape import INSTANT
from nexus.db.tables import OUTPUTS
from nexus.errors import DatabaseError, InputError

if TYPE_CHECKING:
    import pandas as pd

LOCK = 4204
"""First key of the advisory locks of outputs; the second is a hash of table and model version."""
_ARROW: list[tuple[type, pa.DataType]] = [
    (BigInteger, pa.int64()),
    (Integer, pa.int32()),
    (Double, pa.float64()),
    (Date, pa.date32()),
    (DateTime, INSTANT),
    (Uuid, pa.binary(16)),
    (ARRAY, pa.list_(pa.float32())),
]
_NO_NEWS = ("run_id",)
"""Columns in which a row that is computed again may differ: it keeps the run that first wrote it."""


def upsert(connection: Writing, table: str, rows: pa.Table | pd.DataFrame) -> int:
    """Insert the rows, or update those whose key is there with other values; one equal but for its run stays.

    table : of `nexus.db.tables.OUTPUTS`
    rows : every column of the table, in any order; lists or arrays for real[], dict or JSON text for jsonb
    Returns how many rows were inserted or changed.

    Raises
    ------
    InputError
        For an unknown or missing column, a value that is missing or no finite number, a key that comes twice, or a
        company that is not among the entities.
    DatabaseError
        When the table refuses a value, with its reason; the transaction is lost.
    """
    output = output_table(table)
    conformed = _conform(output, rows)
    if not conformed.num_rows:
        return 0
    _check_keys(output, conformed)
    versions = sorted(set(conformed["model_version"].to_pylist()))
    for version in versions:
        connection.execute(_LOCK, {"lock": LOCK, "of": f"{table} {version}"})
    _check_companies(connection, table, conformed)
    jsonb = [column.name for column in output.columns if isinstance(column.type, JSONB)]
    if not connection.scalar(text(_anything(output)), _extent(output, conformed, versions)):
        copy(connection, table, conformed, jsonb=jsonb)
        return int(conformed.num_rows)
    staged = f"staged_{table}"
    connection.execute(text(f"CREATE TEMPORARY TABLE {staged} (LIKE {table}) ON COMMIT DROP"))
    copy(connection, staged, conformed, jsonb=jsonb)
    try:
        changed: int = connection.execute(text(_merge(output, staged))).rowcount
    except DBAPIError as error:
        raise DatabaseError(f"{table}: {str(error.orig).strip()}") from error
    connection.execute(text(f"DROP TABLE {staged}"))
    return changed


def write_day(
    connection: Writing, table: str, rows: pd.DataFrame, *, day: date, model_version: str, chunk: int, module: str = ""
) -> int:
    """Make `rows` all that a chunk says of a day: as `upsert`, and what it said there before and says no more goes.

    rows : of that day, version, chunk and, in a table that has it, module; empty where it says nothing
    Returns how many rows were inserted, changed or removed.
    """
    output = output_table(table)
    changed = upsert(connection, table, rows) if len(rows) else 0
    connection.execute(_LOCK, {"lock": LOCK, "of": f"{table} {model_version}"})
    said = {"day": day, "version": model_version, "chunk": chunk, "module": module}
    kept = {name: rows[name].tolist() if len(rows) else [] for name in _subject(output)}
    gone: int = connection.execute(text(_unsaid(output)), {**said, **kept}).rowcount
    return changed + gone


def written_days(connection: Any, table: str, model_version: str, chunk: int, weights: str | None = None) -> set[date]:
    """Days of which the chunk has rows: what need not be computed again after an interruption.

    weights : digest of the weights, as `params` of the runs hold it; rows of others do not count
    """
    output = output_table(table)
    statement = (
        f"SELECT DISTINCT o.{day_of(output)} FROM {table} o JOIN model_runs r USING (run_id) "
        "WHERE o.model_version = :version AND o.chunk = :chunk "
        "AND (CAST(:weights AS text) IS NULL OR r.params ->> 'weights' = :weights)"
    )
    asked = {"version": model_version, "chunk": chunk, "weights": weights}
    return set(connection.scalars(text(statement), asked))


def output_table(name: str) -> Table:
    """The output table of that name; InputError where there is none."""
    if name not in OUTPUTS:
        raise InputError(f'"{name}": no output table; there are {", ".join(OUTPUTS)}')
    return OUTPUTS[name]


def day_of(table: Table) -> str:
    """The column of the key that says which day a row describes."""
    return next(column.name for column in table.primary_key if isinstance(column.type, Date))


def _conform(table: Table, rows: pa.Table | pd.DataFrame) -> pa.Table:
    names = rows.column_names if isinstance(rows, pa.Table) else list(rows.columns)
    wanted = [column.name for column in table.columns]
    strangers, missing = sorted(set(names) - set(wanted)), sorted(set(wanted) - set(names))
    if strangers:
        raise InputError(f"{table.name}: unknown column {', '.join(strangers)}; it takes {', '.join(wanted)}")
    if missing:
        raise InputError(f"{table.name}: column {', '.join(missing)} missing; give a value for every row")
    return pa.table({column.name: _cast(table, column, rows[column.name]) for column in table.columns})


def _cast(table: Table, column: Column[Any], given: Any) -> pa.ChunkedArray:
    kind = next((arrow for sql, arrow in _ARROW if isinstance(column.type, sql)), pa.string())
    what = f"{table.name}.{column.name}"
    try:
        cast = _arrow(column, kind, given)
    except (pa.ArrowException, ValueError, TypeError) as error:
        raise InputError(f"{what}: {error}; the column holds {kind}") from error
    if cast.null_count:
        raise InputError(f"{what}: {cast.null_count} rows have no value; leave such rows out")
    flat = pc.list_flatten(cast) if pa.types.is_list(kind) else cast
    if pa.types.is_floating(flat.type):
        wrong = pc.sum(pc.invert(pc.is_finite(flat))).as_py()
        if wrong or flat.null_count:
            raise InputError(f"{what}: {wrong or flat.null_count} values are no finite number; leave such rows out")
    return cast


def _arrow(column: Column[Any], kind: pa.DataType, given: Any) -> pa.ChunkedArray:
    if not isinstance(given, pa.ChunkedArray):
        given = _plain(column, given)
    made = given if isinstance(given, pa.ChunkedArray | pa.Array) else pa.array(given, from_pandas=True)
    if isinstance(made, pa.Array):
        made = pa.chunked_array([made])
    return made.cast(kind)


def _plain(column: Column[Any], given: pd.Series[Any]) -> Any:
    """Values that Arrow understands."""
    if isinstance(column.type, Uuid):
        unlike = (one if isinstance(one, bytes) else UUID(str(one)).bytes for one in given)
        return pa.array(list(unlike), pa.binary(16))
    if isinstance(column.type, JSONB):
        return [one if isinstance(one, str) else json.dumps(one, sort_keys=True) for one in given]
    if isinstance(column.type, Date) and given.dtype.kind == "M":
        return given.to_numpy().astype("datetime64[D]")
    if isinstance(column.type, ARRAY):
        vectors = [np.asarray(one, dtype=np.float32) for one in given]
        ends = np.concatenate([[0], np.cumsum([len(one) for one in vectors])]).astype("i4")
        return pa.ListArray.from_arrays(pa.array(ends), np.concatenate([*vectors, np.empty(0, np.float32)]))
    return given


def _check_keys(table: Table, rows: pa.Table) -> None:
    key = [column.name for column in table.primary_key]
    counted = rows.select(key).group_by(key).aggregate([([], "count_all")])
    if counted.num_rows < rows.num_rows:
        twice = counted.filter(pc.greater(counted["count_all"], 1)).select(key).slice(0, 1).to_pylist()[0]
        told = ", ".join(f"{name} {value}" for name, value in twice.items())
        raise InputError(f"{table.name}: two rows of {told}; give each key once")


def _check_companies(connection: Writing, table: str, rows: pa.Table) -> None:
    strangers = connection.scalars(_STRANGERS, {"ids": pc.unique(rows["company_id"]).to_pylist()}).all()
    if strangers:
        raise InputError(
            f"{table}: company {strangers[0]} is not among the entities ({len(strangers)} such ids); "
            "rows are about companies that the database knows"
        )


def _extent(table: Table, rows: pa.Table, versions: Iterable[str]) -> dict[str, Any]:
    days = pc.min_max(rows[day_of(table)]).as_py()
    return {
        "ids": pc.unique(rows["company_id"]).to_pylist(),
        "first": days["min"],
        "last": days["max"],
        "versions": list(versions),
        "chunks": pc.unique(rows["chunk"]).to_pylist(),
        "modules": pc.unique(rows["module"]).to_pylist() if "module" in rows.column_names else [],
    }


@cache
def _anything(table: Table) -> str:
    """Whether any row may share a key: the index starts with the company, or with module and version before it."""
    module = "module = ANY(:modules) AND " if "module" in table.columns else ""
    return (
        f"SELECT EXISTS (SELECT FROM {table.name} WHERE {module}model_version = ANY(:versions) "
        f"AND company_id = ANY(:ids) AND {day_of(table)} BETWEEN :first AND :last AND chunk = ANY(:chunks))"
    )


def _subject(table: Table) -> list[str]:
    """What a row of one day, version and chunk is about: the company, and in explanations the feature."""
    return [name for name in ("company_id", "feature") if name in table.columns]


@cache
def _unsaid(table: Table) -> str:
    module = "module = :module AND " if "module" in table.columns else ""
    about = ", ".join(_subject(table))
    kept = ", ".join(f"CAST(:{name} AS {table.columns[name].type}[])" for name in _subject(table))
    return (
        f"DELETE FROM {table.name} WHERE {module}model_version = :version AND {day_of(table)} = :day "
        f"AND chunk = :chunk AND ({about}) NOT IN (SELECT * FROM unnest({kept}))"
    )


@cache
def _merge(table: Table, staged: str) -> str:
    key = [column.name for column in table.primary_key]
    names = [column.name for column in table.columns]
    values = [name for name in names if name not in key]
    compared = [name for name in values if name not in _NO_NEWS]
    return (
        f"INSERT INTO {table.name} ({', '.join(names)}) SELECT {', '.join(names)} FROM {staged} "
        f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in values)} "
        f"WHERE ({', '.join(f'{table.name}.{name}' for name in compared)}) "
        f"IS DISTINCT FROM ({', '.join(f'excluded.{name}' for name in compared)})"
    )


_LOCK = text("SELECT pg_advisory_xact_lock(:lock, hashtext(:of))")
_STRANGERS = text(
    "SELECT id FROM unnest(CAST(:ids AS integer[])) id "
    "WHERE NOT EXISTS (SELECT FROM entities WHERE entity_id = id AND kind = 'company') ORDER BY id"
)
