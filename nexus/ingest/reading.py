"""CSV and Parquet into frames; a file that cannot be read is a reject of its own, with the reason."""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from nexus.db.load import FileMark, Reject
from nexus.errors import InputError

SUFFIXES = (".csv", ".parquet")


@dataclass(frozen=True)
class Raw:
    """Rows as a file or a source gave them.

    frame : one row per row that could be told apart
    numbers : (n,), place of each row in the file; the first row of data is 1, and the line of a CSV is one more
    rejects : lines that are no rows
    out_of_scope : rows left aside before they came here
    read : rows of the file, whatever became of them
    """

    frame: pd.DataFrame
    numbers: NDArray[np.int64]
    rejects: tuple[Reject, ...] = ()
    out_of_scope: int = 0
    read: int = field(default=-1)

    def __post_init__(self) -> None:
        if self.read < 0:
            object.__setattr__(self, "read", len(self.frame) + len(self.rejects) + self.out_of_scope)


class Unreadable(Exception):
    """The file as a whole cannot be taken."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reject = Reject(None, reason, detail)


def of_frame(frame: pd.DataFrame) -> Raw:
    """Rows that are in memory already."""
    return Raw(frame.reset_index(drop=True), np.arange(1, len(frame) + 1))


def read(path: Path) -> Raw:
    """The rows of a CSV (all values as text) or Parquet file.

    Raises
    ------
    InputError
        When there is no such file, or its suffix is neither.
    Unreadable
        For a truncated Parquet file, a CSV that is not UTF-8, a file without rows' names.
    """
    if not path.is_file():
        raise InputError(f"file {path}: not found; give the path of a {' or '.join(SUFFIXES)} file")
    if path.suffix == ".parquet":
        return of_frame(_parquet(path))
    if path.suffix == ".csv":
        return _csv(path)
    raise InputError(f"file {path}: {path.suffix or 'no suffix'} cannot be read; use {' or '.join(SUFFIXES)}")


def mark(path: Path) -> FileMark:
    """Name and sha256 of a file."""
    with path.open("rb") as stream:
        return FileMark(path.name, hashlib.file_digest(stream, "sha256").hexdigest())


def _parquet(path: Path) -> pd.DataFrame:
    try:
        # memory_map: the file is read once, column by column
        return pyarrow.parquet.read_table(path, memory_map=True).to_pandas()
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = f"{path.name}: {_first_line(error)}; the file is cut off or no Parquet, fetch it again"
        raise Unreadable("truncated Parquet file", reason) from error


def _csv(path: Path) -> Raw:
    malformed: list[Reject] = []

    def keep(row: pyarrow.csv.InvalidRow) -> str:
        detail = f"{row.actual_columns} fields, expected {row.expected_columns}; quote values that hold a comma"
        malformed.append(Reject(row.number - 1, "wrong number of fields", detail, row.text))
        return "skip"

    try:
        table = pyarrow.csv.read_csv(
            path,
            pyarrow.csv.ReadOptions(use_threads=False),  # else rows have no numbers
            pyarrow.csv.ParseOptions(invalid_row_handler=keep),
            pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(_header(path), pa.string()),
                null_values=[""],  # NA is a ticker
                strings_can_be_null=True,
            ),
        )
    except (pa.ArrowInvalid, UnicodeDecodeError) as error:
        raise _unreadable_csv(path, error) from error
    numbers = np.setdiff1d(np.arange(1, table.num_rows + len(malformed) + 1), [row.row_number for row in malformed])
    return Raw(table.to_pandas(), numbers, tuple(malformed))


def _header(path: Path) -> list[str]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return next(csv.reader(stream), [])


def _unreadable_csv(path: Path, error: Exception) -> Unreadable:
    try:
        path.read_text("utf-8")
    except UnicodeDecodeError as wrong:
        found = path.read_bytes()[wrong.start]
        detail = f"{path.name}: byte 0x{found:02x} at {wrong.start} is not UTF-8; save the file as UTF-8"
        return Unreadable("wrong encoding", detail)
    return Unreadable("unreadable CSV", f"{path.name}: {_first_line(error)}; give a header line and rows")


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".")
