"""The one way in for facts: a load is one transaction, numbered in commit order.

Staging and validation stay outside the ingest lock; the comparison with what is there, the number and the rows are
inside it. A file is applied once: when it comes again, only the rows it had rejected are tried.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from time import perf_counter
from uuid import UUID

import numpy as np
import pyarrow as pa
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from nexus.db import compare
from nexus.db.arrange import Arranged, Ints, arrange
from nexus.db.batch import Batch
from nexus.db.engine import Database
from nexus.db.provenance import SourceInfo, begin_run, ensure_source, finish_run
from nexus.db.rejects import FileMark, Known, Reject, known, resolve, write
from nexus.db.shape import shape_of
from nexus.errors import DatabaseError

__all__ = [
    "FileMark",
    "Loaded",
    "Reject",
    "SourceInfo",
    "already_loaded",
    "begin_run",
    "ensure_source",
    "finish_run",
    "load",
]

CONTRADICTING = (
    "contradicting duplicate",
    "the file has other values for the same key and known_at; keep the right row and load it again",
)
CONTRADICTED = (
    "vintage contradicted",
    "another value is recorded for this key and known_at; a correction needs a known_at of its own",
)


@dataclass(frozen=True)
class Loaded:
    """What became of the rows of one load.

    load_id : None where no load was opened, because nothing changed
    read : rows of the file, whatever became of them
    retried : the file was loaded before, and rows it had rejected were tried again
    already : the file was loaded before, and nothing was written
    """

    table: str
    source: str
    load_id: int | None
    read: int
    inserted: int
    unchanged: int
    duplicates: int
    out_of_scope: int
    rejected: int
    retried: bool
    already: bool
    seconds: float


def already_loaded(database: Database, table: str, source: str, sha256: str) -> frozenset[int | None] | None:
    """None: the file was never loaded. Else the numbers of its rows that are still rejected: only these are tried."""
    with database.read() as connection:
        found = known(connection, table, source, FileMark("", sha256))
    return None if found.load_id is None else found.rows


def load(
    database: Database,
    run_id: UUID,
    table: str,
    rows: pa.Table,
    *,
    source: str,
    file: FileMark | None,
    rejects: Sequence[Reject] = (),
    duplicates: int = 0,
    out_of_scope: int = 0,
    row_numbers: Ints | None = None,
    known_at_given: bool,
) -> Loaded:
    """Load validated `rows` into `table`.

    rows : columns of the table without source and load_id, and `default_known_at`: the moment by the rule of the kind,
        used where the fact is new. A spell that has ended is two rows, open and ended, each with its default.
    row_numbers : (n,), place of each row in its file; without them its contradictions are never tried again
    known_at_given : False ignores `known_at`; True takes it where it is not null
    Exact repeats within `rows` are counted; contradicting ones, and another value for a known vintage, are rejected.

    Raises
    ------
    InputError
        When a column is missing or cannot be what the table wants.
    DatabaseError
        When the server refuses the load, which leaves nothing behind: an id that is no entity, an unknown source.
    """
    began = perf_counter()
    shape = shape_of(table)
    if not known_at_given and "known_at" in rows.column_names:
        rows = rows.drop_columns("known_at")
    numbers = None if row_numbers is None else np.asarray(row_numbers, dtype=np.int64)
    batch = Batch(shape, source, file, shape.conform(rows), numbers, rejects)
    read = rows.num_rows + len(rejects) + duplicates + out_of_scope
    done = None
    try:
        while done is None:
            done = _attempt(database, run_id, batch, read)
    except DBAPIError as error:
        raise DatabaseError(f"load of {source} into {table}: {str(error.orig).strip()}") from error
    return Loaded(
        table=table,
        source=source,
        load_id=done.load_id,
        read=read,
        inserted=done.inserted,
        unchanged=rows.num_rows - done.inserted - done.repeats - done.refused,
        duplicates=duplicates + done.repeats,
        out_of_scope=out_of_scope,
        rejected=len(rejects) + done.refused,
        retried=done.retried,
        already=done.already,
        seconds=perf_counter() - began,
    )


@dataclass(frozen=True)
class _Done:
    load_id: int | None
    inserted: int
    repeats: int
    refused: int
    retried: bool
    already: bool


def _attempt(database: Database, run_id: UUID, batch: Batch, read: int) -> _Done | None:
    """Load; None where another process changed what was seen before the lock was ours."""
    with database.read() as connection:
        before = _known(connection, batch)
    if before.load_id is not None:
        batch = batch.again(before.rows)
    arranged = arrange(batch.shape, batch.rows)
    refused = batch.refuse(arranged.contradicting, *CONTRADICTING)
    with database.write() as connection:
        direct = _prepare(connection, batch, arranged)
        if direct is None or _known(connection, batch) != before:
            return None
        inserted = arranged.rows.num_rows
        if not direct:
            verdicts = compare.judge(connection, batch.shape, batch.source, arranged.rows, before.load_id)
            inserted = verdicts.inserted
            refused += batch.refuse(arranged.order[verdicts.contradicted], *CONTRADICTED)
        turned_away = [*batch.rejects, *refused]
        taken = _taken(batch, before, turned_away)
        load_id = None
        if inserted or taken or (batch.file and before.load_id is None):
            load_id = _insert(connection, run_id, batch, arranged, direct, read, inserted)
        new = [reject for reject in turned_away if (reject.row_number, reject.reason) not in before.pending]
        write(connection, run_id, batch.shape.name, batch.source, batch.file, new)
        if batch.file and load_id and taken:
            resolve(connection, batch.shape.name, batch.source, batch.file, taken, load_id)
    seen, tried = before.load_id is not None, bool(batch.rows.num_rows or batch.rejects)
    return _Done(load_id, inserted, arranged.duplicates, len(refused), seen and tried, seen and not (load_id or new))


def _known(connection: Connection, batch: Batch) -> Known:
    return known(connection, batch.shape.name, batch.source, batch.file)


def _taken(batch: Batch, before: Known, turned_away: Sequence[Reject]) -> set[int | None]:
    """Which of the rows that were rejected before are so no longer."""
    tried: Iterable[int | None] = before.rows
    if before.load_id is not None:
        tried = [] if batch.numbers is None else batch.numbers.tolist()
    return set(tried) - {reject.row_number for reject in turned_away}


def _prepare(connection: Connection, batch: Batch, arranged: Arranged) -> bool | None:
    """Stage where there is something to compare with, then take the ingest lock.

    Returns True where the rows can go straight in, None where they no longer can.
    """
    newest = compare.newest_load(connection, batch.shape, batch.source)
    direct = newest is None or compare.range_is_empty(connection, batch.shape, batch.source, arranged.rows)
    if not direct:
        compare.stage(connection, batch.shape, arranged.rows)
    connection.execute(_LOCK)
    if direct and newest != compare.newest_load(connection, batch.shape, batch.source):
        return None
    return direct


def _insert(
    connection: Connection, run_id: UUID, batch: Batch, arranged: Arranged, direct: bool, read: int, inserted: int
) -> int:
    load_id, opened_at = connection.execute(
        _OPEN,
        {
            "run_id": run_id,
            "table": batch.shape.name,
            "source": batch.source,
            "file_name": batch.file and batch.file.name,
            "file_sha256": batch.file and batch.file.sha256,
            "read": read,
            "inserted": inserted,
        },
    ).one()
    if direct:
        compare.copy_straight(connection, batch.shape, batch.source, arranged.rows, load_id)
    else:
        compare.insert_judged(connection, batch.shape, batch.source, load_id, opened_at)
    return int(load_id)


_LOCK = text("SELECT ingest_lock()")
_OPEN = text(
    "INSERT INTO loads (ingest_run_id, table_name, source, file_name, file_sha256, rows_read, rows_inserted) "
    "VALUES (:run_id, :table, :source, :file_name, :file_sha256, :read, :inserted) RETURNING load_id, opened_at"
)
