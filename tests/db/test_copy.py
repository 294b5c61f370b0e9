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
from nexus.errors import InputError

COLUMNS = {
    "small": ("integer", pa.int32()),
    "large": ("bigint", pa.int64()),
    "real": ("double precision", pa.float64()),
    "day": ("date", pa.date32()),
    "moment": ("timestamptz", pa.timestamp("us", "UTC")),
    "yes": ("boolean", pa.bool_()),
    "word": ("text", pa.string()),
    "id": ("bytea", pa.binary(3)),
    "ids": ("integer[]", pa.list_(pa.int32())),
    "weights": ("real[]", pa.list_(pa.float32())),
    "reals": ("double precision[]", pa.list_(pa.float64())),
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
    "ids": st.lists(st.integers(-(2**31), 2**31 - 1), max_size=4),
    "weights": st.lists(st.integers(-9999, 9999).map(lambda n: n / 4), max_size=4),  # PostgreSQL prints these whole
    "reals": st.lists(st.floats(allow_nan=False), max_size=4),
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
    whole = table(
        [
            (n, n, float(n), date(2020, 1, 1 + n), None, n % 2 == 0, f"w{n}", b"abc", [n] * (n % 3), [], None)
            for n in range(9)
        ]
    )
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


def test_long_lists_are_encoded_in_parts(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "BYTES", 4000)
    random = np.random.default_rng(0)
    lists = [random.integers(-9, 9, size).tolist() for size in (0, 3000, 1, 500, 0, 900, 7)]
    rows = pa.table({"small": pa.array(range(7), pa.int32()), "ids": pa.array(lists, pa.list_(pa.int32()))})
    assert len(list(copying.encode(rows))) > 2
    assert round_trip(database, rows) == list(enumerate(lists))


def test_a_real_keeps_every_bit(database: Database) -> None:
    values = np.array([0.1, -0.0, 1e-45, np.inf, 3.4e38], np.float32)
    rows = pa.table({"n": pa.array([0], pa.int32()), "weights": pa.array([values.tolist()], pa.list_(pa.float32()))})
    with database.write() as connection:
        connection.execute(text("CREATE TEMP TABLE copied (n integer, weights real[]) ON COMMIT DROP"))
        copy(connection, "copied", rows)
        sent = connection.scalar(
            text(
                "SELECT string_agg(float4send(w), '' ORDER BY place) "
                "FROM copied, unnest(weights) WITH ORDINALITY u (w, place)"
            )
        )
    assert sent == values.astype(">f4").tobytes()


def test_a_null_within_a_list_is_refused() -> None:
    rows = pa.table({"ids": pa.array([[1, None]], pa.list_(pa.int32()))})
    with pytest.raises(InputError, match=r"1 elements of a list<.*int32> column are null"):
        list(copying.encode(rows))


def test_floats_keep_every_bit(database: Database) -> None:
    values = np.array([0.1 + 0.2, -0.0, 5e-324, np.inf, -np.inf, 1e308])
    found = round_trip(database, pa.table({"real": values}))
    assert np.array([row[0] for row in found]).tobytes() == values.tobytes()
