"""Rows that could not be taken: kept with their reason and their text, and tried again with their file."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

import pyarrow as pa
from sqlalchemy import Connection, text

from nexus.db.copy import copy
from nexus.db.engine import Database


@dataclass(frozen=True)
class Reject:
    """A row that was not taken.

    row_number : place in the file; None: the file as a whole
    reason : short, the same for all rows of its kind ("negative price")
    detail : a sentence with the value and the remedy
    """

    row_number: int | None
    reason: str
    detail: str
    row_text: str | None = None


@dataclass(frozen=True)
class FileMark:
    """A file, by its content."""

    name: str
    sha256: str


@dataclass(frozen=True)
class Known:
    """What is recorded of a file.

    load_id : the load that applied it; None: none did
    pending : (row number, reason) of its rejected rows that no load has taken since
    """

    load_id: int | None = None
    pending: frozenset[tuple[int | None, str]] = frozenset()

    @property
    def rows(self) -> frozenset[int | None]:
        """Numbers of the rows that are tried again."""
        return frozenset(number for number, _ in self.pending)


def known(connection: Connection, table: str, source: str, file: FileMark | None) -> Known:
    """What is recorded of `file` in `table`."""
    if file is None:
        return Known()
    key = {"table": table, "source": source, "sha256": file.sha256}
    pending = frozenset((number, reason) for number, reason in connection.execute(_PENDING, key))
    return Known(connection.scalar(_FIRST_LOAD, key), pending)


def record(
    database: Database, run_id: UUID, table: str, source: str, file: FileMark | None, rejects: Sequence[Reject]
) -> int:
    """Record rejects of a file that could not be loaded at all; return how many were new."""
    with database.write() as connection:
        pending = known(connection, table, source, file).pending
        new = [reject for reject in rejects if (reject.row_number, reject.reason) not in pending]
        write(connection, run_id, table, source, file, new)
    return len(new)


def write(
    connection: Connection, run_id: UUID, table: str, source: str, file: FileMark | None, rejects: Sequence[Reject]
) -> None:
    """Add `rejects` to rejected_rows."""
    n = len(rejects)
    same = {"table_name": table, "source": source, "file_name": file and file.name, "file_sha256": file and file.sha256}
    columns = {"ingest_run_id": pa.array([run_id.bytes] * n, pa.binary(16))}
    columns |= {name: pa.array([value] * n, pa.string()) for name, value in same.items()}
    columns["row_number"] = pa.array([reject.row_number for reject in rejects], pa.int64())
    for name in ("reason", "detail", "row_text"):
        columns[name] = pa.array([_text(getattr(reject, name)) for reject in rejects], pa.string())
    copy(connection, "rejected_rows", pa.table(columns))


def resolve(
    connection: Connection, table: str, source: str, file: FileMark, numbers: Collection[int | None], load_id: int
) -> None:
    """Mark rejected rows of `file` as taken by load `load_id`."""
    key = {"table": table, "source": source, "sha256": file.sha256, "load": load_id}
    wanted = [number for number in numbers if number is not None]
    connection.execute(_RESOLVE, {**key, "numbers": wanted, "whole": None in numbers})


def _text(value: str | None) -> str | None:
    return value and value.replace("\0", "\\0")  # the server's text has no NUL


_SAME_FILE = "table_name = :table AND source = :source AND file_sha256 = :sha256"
_FIRST_LOAD = text(f"SELECT min(load_id) FROM loads WHERE {_SAME_FILE}")
_PENDING = text(f"SELECT row_number, reason FROM rejected_rows WHERE {_SAME_FILE} AND resolved_load_id IS NULL")
_RESOLVE = text(
    f"UPDATE rejected_rows SET resolved_load_id = :load WHERE {_SAME_FILE} AND resolved_load_id IS NULL "
    "AND (row_number = ANY(:numbers) OR (:whole AND row_number IS NULL))"
)
