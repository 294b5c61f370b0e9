"""Rows of one file: ordered, repeats counted, contradictions found."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.db.arrange import arrange
from nexus.db.shape import shape_of
from nexus.errors import InputError

START = datetime(2020, 1, 1, tzinfo=UTC)
SHAPE = shape_of("fundamentals")
# company, field, known_at or None, default_known_at, value
ROW = st.tuples(
    st.integers(1, 2), st.sampled_from(["b", "a"]), st.none() | st.integers(0, 2), st.integers(0, 2), st.integers(0, 1)
)


def table(rows: list[tuple[int, str, int | None, int, int]]) -> pa.Table:
    moments = [None if row[2] is None else START + timedelta(days=row[2]) for row in rows]
    return SHAPE.conform(
        pa.table(
            {
                "company_id": pa.array([row[0] for row in rows], pa.int32()),
                "field": pa.array([row[1] for row in rows], pa.string()),
                "unit": pa.array(["USD" for _ in rows], pa.string()),
                "period_start": pa.array([date(2019, 1, 1) for _ in rows], pa.date32()),
                "period_end": pa.array([date(2019, 4, 1) for _ in rows], pa.date32()),
                "known_at": pa.array(moments, pa.timestamp("us", "UTC")),
                "default_known_at": pa.array(
                    [START + timedelta(days=row[3]) for row in rows], pa.timestamp("us", "UTC")
                ),
                "value": pa.array([float(row[4]) for row in rows], pa.float64()),
            }
        )
    )


@given(st.lists(ROW, max_size=12))
def test_against_the_plain_twin(rows: list[tuple[int, str, int | None, int, int]]) -> None:
    vintages = defaultdict(list)
    for place, (company, field, known_at, default, _) in enumerate(rows):
        vintages[company, field, default if known_at is None else known_at].append(place)
    wrong = {place for places in vintages.values() if len({rows[p][4] for p in places}) > 1 for place in places}
    kept = [key for key, places in sorted(vintages.items()) if places[0] not in wrong]

    arranged = arrange(SHAPE, table(rows))
    found = [(rows[p][0], rows[p][1], rows[p][3] if rows[p][2] is None else rows[p][2]) for p in arranged.order]
    assert found == kept
    assert set(arranged.contradicting.tolist()) == wrong
    assert arranged.duplicates == len(rows) - len(wrong) - len(kept)
    assert arranged.rows.drop_columns("followed").equals(table([rows[p] for p in arranged.order]))
    for place, followed in zip(arranged.order, arranged.rows["followed"].to_pylist(), strict=True):
        same = [p for p in arranged.order if rows[p][:2] == rows[place][:2] and rows[p][2] is None]
        assert followed == (True if rows[place][2] is None and place != same[-1] else None)


def test_a_vintage_told_with_and_without_its_known_at_keeps_the_one_with() -> None:
    arranged = arrange(SHAPE, table([(1, "a", None, 1, 7), (1, "a", 1, 0, 7)]))
    assert arranged.order.tolist() == [1]
    assert arranged.duplicates == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows.drop_columns("value"), r"fundamentals.value: column missing"),
        (lambda rows: rows.append_column("valu", rows["value"]), r"unknown column valu; it takes company_id"),
        (
            lambda rows: rows.set_column(7, "value", pa.array([float("nan")])),
            r"fundamentals.value: 1 rows have no value",
        ),
        (
            lambda rows: rows.set_column(0, "company_id", pa.array(["x"])),
            r"fundamentals.company_id: .* must hold int32",
        ),
        (lambda rows: rows.drop_columns("default_known_at"), r"neither known_at nor default_known_at"),
    ],
)
def test_a_table_that_cannot_be_loaded_says_which_column(change, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match=message):
        SHAPE.conform(change(table([(1, "a", None, 1, 7)])))
