"""Arrow columns to PostgreSQL's binary COPY, without a Python object per value."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection

from nexus.db.engine import driver
from nexus.errors import DatabaseError, InputError

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
NULL = b"\xff\xff\xff\xff"
BATCH = 65_536
BYTES = 2**23  # of a batch: the server takes in one while the next is encoded
STATEMENT = 4 * BATCH  # rows of one COPY: the trigger's transition table then stays in work_mem
DATE_EPOCH = 10_957  # 2000-01-01 in days since 1970
INSTANT_EPOCH = 946_684_800_000_000  # the same in microseconds

Packed = np.ndarray[Any, np.dtype[Any]]


def copy(connection: Connection, table: str, rows: pa.Table, *, jsonb: Collection[str] = ()) -> None:
    """COPY `rows` into the columns of the same names, in order.

    rows : int32, int64, float, double, date32, timestamp[us], bool, string and fixed_size_binary columns, and lists of
        int32, float and double, for integer[], real[] and double precision[]; null is NULL, but not within a list
    jsonb : string columns that hold JSON for a jsonb column

    Raises
    ------
    InputError
        When a list holds a null.
    DatabaseError
        When the server refuses a row, with its reason; the transaction is lost.
    """
    columns = ", ".join(f'"{name}"' for name in rows.column_names)
    statement = f"COPY {table} ({columns}) FROM STDIN (FORMAT binary)".encode()
    try:
        for start in range(0, rows.num_rows, STATEMENT):
            with driver(connection).cursor() as cursor, cursor.copy(statement) as stream:
                stream.write(HEADER)
                for body in encode(rows.slice(start, STATEMENT), jsonb=jsonb):
                    stream.write(body)
                stream.write(TRAILER)
    except psycopg.Error as error:
        raise DatabaseError(f"COPY into {table}: {str(error).strip()}") from error


def encode(rows: pa.Table, *, jsonb: Collection[str] = ()) -> Iterator[memoryview]:
    """The tuples of a binary COPY, a batch at a time, without header and trailer."""
    for start in range(0, rows.num_rows, BATCH):
        for batch in _small(rows.slice(start, BATCH)):
            columns = [_column(batch.column(name), name in jsonb) for name in rows.column_names]
            yield _tuples(columns, batch.num_rows)


def _small(rows: pa.Table) -> Iterator[pa.Table]:
    """Halves of halves, until a part is small enough or one row."""
    if rows.nbytes <= BYTES or rows.num_rows == 1:
        yield rows
        return
    half = rows.num_rows // 2
    yield from _small(rows.slice(0, half))
    yield from _small(rows.slice(half))


def _tuples(columns: list[pa.Array], n_rows: int) -> memoryview:
    """Runs of columns of one width become one numpy record array; Arrow joins those with the ragged ones."""
    runs: list[list[Packed]] = [[np.full(n_rows, len(columns), ">i2")]]
    pieces: list[Any] = [runs[0]]
    for column in columns:
        fixed = _fixed(column)
        if fixed is None:
            pieces += _ragged(column)
        else:
            if not isinstance(pieces[-1], list):
                pieces.append([])
            pieces[-1] += [np.full(n_rows, fixed.dtype.itemsize, ">i4"), fixed]
    packed = [_pack(piece) if isinstance(piece, list) else piece for piece in pieces]
    if len(packed) == 1:
        return packed[0].view("u1").data
    joined = pc.binary_join_element_wise(*(_as_binary(p) if isinstance(p, np.ndarray) else p for p in packed), b"")
    return _content(joined).data


def _pack(fields: list[Packed]) -> Packed:
    record = np.empty(len(fields[0]), dtype=[(f"f{i}", field.dtype) for i, field in enumerate(fields)])
    for i, field in enumerate(fields):
        record[f"f{i}"] = field
    return record


def _column(column: pa.ChunkedArray, is_jsonb: bool) -> pa.Array:
    whole = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()  # which copies even one
    if is_jsonb:  # a version byte before the text
        return pc.binary_join_element_wise(pa.scalar(b"\x01"), whole.cast(pa.binary()), b"")
    return whole


def _fixed(column: pa.Array) -> Packed | None:
    """Big-endian values; None where the column has nulls, lists or texts of several lengths."""
    if column.null_count or pa.types.is_list(column.type):
        return None
    if pa.types.is_string(column.type) or pa.types.is_binary(column.type):
        lengths = pc.min_max(pc.binary_length(column)).as_py()
        width = lengths["min"]
        return _content(column).view(f"V{width}") if width and width == lengths["max"] else None
    return _wire(column)


def _wire(column: pa.Array) -> Packed:
    """Values as the server reads them; anything where null."""
    kind = column.type
    if pa.types.is_fixed_size_binary(kind):
        raw = np.frombuffer(column.buffers()[1], dtype=f"V{kind.byte_width}")
        return raw[column.offset : column.offset + len(column)]
    if pa.types.is_boolean(kind):
        return np.asarray(column.fill_null(False).cast(pa.uint8()), dtype="u1")
    if pa.types.is_float32(kind):
        return np.asarray(column.fill_null(0.0)).astype(">f4")
    if pa.types.is_floating(kind):
        return np.asarray(column.fill_null(0.0)).astype(">f8")
    storage, dtype, epoch = _INTEGERS[kind]
    values = np.asarray(column.cast(storage).fill_null(0))
    return (values - epoch).astype(dtype)


def _ragged(column: pa.Array) -> list[pa.Array]:
    """Length and value of each row as bytes, in pieces to be joined; nulls as the server marks them."""
    cells: list[pa.Array] = []
    if pa.types.is_list(column.type):
        framed, *cells = _lists(column)
    elif pa.types.is_string(column.type) or pa.types.is_binary(column.type):
        value = column.cast(pa.binary())
        length = pc.binary_length(value).fill_null(0)
        framed = pc.binary_join_element_wise(_as_binary(np.asarray(length).astype(">i4")), value, b"")
    else:
        wire = _wire(column)
        framed = _as_binary(_pack([np.full(len(wire), wire.dtype.itemsize, ">i4"), wire]))
    return [pc.if_else(column.is_valid(), framed, pa.scalar(NULL)) if column.null_count else framed, *cells]


def _lists(column: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Of each list its length in bytes with the header of an array of one dimension, and a cell per element."""
    elements = column.flatten()
    if elements.null_count:
        raise InputError(f"COPY: {elements.null_count} elements of a {column.type} column are null; an array has none")
    values = np.asarray(elements)
    body = np.empty(len(values), [("size", ">i4"), ("value", values.dtype.newbyteorder(">"))])
    body["size"], body["value"] = values.dtype.itemsize, values
    counts = np.asarray(column.value_lengths().fill_null(0)).astype(np.int64)
    sizes = HEADED.itemsize - 4 + counts * body.itemsize
    head = np.empty(len(counts), HEADED)
    for name, value in zip(HEADED.names or (), (sizes, 1, 0, _OIDS[elements.type], counts, 1), strict=True):
        head[name] = value
    ends = np.concatenate([[0], np.cumsum(counts * body.itemsize)]).astype("i4")
    cells = pa.Array.from_buffers(pa.binary(), len(counts), [None, pa.py_buffer(ends), pa.py_buffer(body)])
    headers = _as_binary(head)
    if not counts.all():
        empty = np.array([(EMPTY.itemsize - 4, 0, 0, _OIDS[elements.type])], EMPTY).tobytes()
        headers = pc.if_else(pa.array(counts > 0), headers, pa.scalar(empty))
    return headers, cells


def _as_binary(values: Packed) -> pa.Array:
    width = values.dtype.itemsize
    return pa.Array.from_buffers(pa.binary(width), len(values), [None, pa.py_buffer(values)]).cast(pa.binary())


def _content(column: pa.Array) -> Packed:
    """The bytes of all values on end."""
    _, offsets, data = column.buffers()
    bounds = np.frombuffer(offsets, dtype="i4")
    return np.frombuffer(data, dtype="u1")[bounds[column.offset] : bounds[column.offset + len(column)]]


HEADED = np.dtype([(name, ">i4") for name in ("size", "dimensions", "has_null", "oid", "count", "first")])
EMPTY = np.dtype([(name, ">i4") for name in ("size", "dimensions", "has_null", "oid")])
_OIDS = {pa.int32(): 23, pa.float32(): 700, pa.float64(): 701}
_INTEGERS: dict[Any, tuple[Any, str, int]] = {
    pa.int32(): (pa.int32(), ">i4", 0),
    pa.int64(): (pa.int64(), ">i8", 0),
    pa.date32(): (pa.int32(), ">i4", DATE_EPOCH),
    pa.timestamp("us", "UTC"): (pa.int64(), ">i8", INSTANT_EPOCH),
}
