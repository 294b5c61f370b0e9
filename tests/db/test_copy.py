"""Binary COPY: what goes in comes out, for every type, null and length."""

from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from nexus.db import copy as copying
from nexus.db.copy import copy
from nexus.db.engine import Database

COLUMNS = {
    "small": ("integer", pa.int32()),
    "large": ("bigint", pa.int64()),
    "real": ("double precision", pa.float64()),
    "day": ("date", pa.date32()),
    "moment": ("timestamptz", pa.timestamp("us", "UTC")),
    "yes": ("boolean", pa.bool_()),
    "word": ("text", pa.string()),
    "id": ("bytea", pa.binary(3)),
}
VALUES = {
    "small": st.integers(-(2**31), 2**31 - 1),
    "large": st.integers(-(2**63), 2**63 - 1),
    "real": st.floats(allow_nan=False),
    "day": st.dates(),
    "moment": st.datetimes(min_value=datetime(1700, 1, 1), max_value=datetime(2200, 1, 1), timezones=st.just(UTC)),
    "yes": st.booleans(),
    "word": st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=5),
    "id": st.binary(min_size=3, max_size=3),
}
ROW = st.tuples(*(st.none() | values for values in VALUES.values()))


def round_trip(database: Database, rows: pa.Table) -> list[tuple[object, ...]]:
    columns = ", ".join(f"{name} {COLUMNS[name][0]}" for name in rows.column_names)
    with database.write() as connection:
        connection.execute(text(f"CREATE TEMP TABLE copied ({columns}, n serial) ON COMMIT DROP"))
        copy(connection, "copied", rows)
        found = connection.execute(text(f"SELECT {', '.join(rows.column_names)} FROM copied ORDER BY n")).all()
    return [tuple(row) for row in found]


def table(rows: list[tuple[object, ...]]) -> pa.Table:
    columns = zip(*rows, strict=True) if rows else ([] for _ in COLUMNS)
    return pa.table({name: pa.array(values, COLUMNS[name][1]) for name, values in zip(COLUMNS, columns, strict=True)})


@given(st.lists(ROW, max_size=12), st.integers(1, 5))
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_round_trip(database: Database, rows: list[tuple[object, ...]], batch: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(copying, "BATCH", batch)
        patch.setattr(copying, "STATEMENT", 2 * batch)
        assert round_trip(database, table(rows)) == rows


def test_slices_and_chunks_are_read_from_their_own_start(database: Database) -> None:
    whole = table([(n, n, float(n), date(2020, 1, 1 + n), None, n % 2 == 0, f"w{n}", b"abc") for n in range(9)])
    pieces = pa.concat_tables([whole.slice(6, 2), whole.slice(1, 4)])
    assert round_trip(database, pieces) == [tuple(row.values()) for row in pieces.to_pylist()]


def test_texts_of_one_length_and_of_several_give_the_same_stream() -> None:
    one = pa.table({"word": ["ab", "cd"], "small": pa.array([1, 2], pa.int32())})
    several = pa.table({"word": ["ab", "cd", "e"], "small": pa.array([1, 2, 3], pa.int32())})
    fixed, ragged = b"".join(copying.encode(one)), b"".join(copying.encode(several))
    assert ragged.startswith(fixed)


def test_no_rows_is_no_error(database: Database) -> None:
    assert round_trip(database, table([])) == []


def test_jsonb(database: Database) -> None:
    rows = pa.table({"payload": ['{"a": [1, 2]}', None, "3"]})
    with database.write() as connection:
        connection.execute(text("CREATE TEMP TABLE copied (payload jsonb, n serial) ON COMMIT DROP"))
        copy(connection, "copied", rows, jsonb=["payload"])
        found = connection.scalars(text("SELECT payload FROM copied ORDER BY n")).all()
    assert found == [{"a": [1, 2]}, None, 3]


def test_floats_keep_every_bit(database: Database) -> None:
    values = np.array([0.1 + 0.2, -0.0, 5e-324, np.inf, -np.inf, 1e308])
    found = round_trip(database, pa.table({"real": values}))
    assert np.array([row[0] for row in found]).tobytes() == values.tobytes()
