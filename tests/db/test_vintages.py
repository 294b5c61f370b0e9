"""The order of vintages, against np.lexsort; and the as-of over many instants, against one at a time."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_array_equal

from nexus.db.vintages import known_over_time, newest_first, newest_known

small = st.integers(-3, 3)


@settings(deadline=None)
@given(hnp.arrays(np.int64, hnp.array_shapes(min_dims=2, max_dims=2, max_side=40), elements=small), st.booleans())
def test_newest_first_is_lexsort(columns: np.ndarray, huge: bool) -> None:
    columns = np.ascontiguousarray(columns)
    *keys, known_at, tie = (
        (columns * [[2**40 if huge else 1]]) if len(columns) > 2 else (*columns[:1], *columns[:1] * 0, columns[0])
    )
    order = newest_first(keys, known_at, tie)
    assert sorted(order.tolist()) == list(range(columns.shape[1]))
    wanted = np.lexsort((-tie, -known_at, *reversed(keys)))
    for array in (*keys, known_at, tie):
        assert_array_equal(array[order], array[wanted])


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), max_size=30), st.lists(st.integers(-1, 10), min_size=1)
)
def test_over_time_is_one_instant_after_another(rows: list[tuple[int, int]], instants: list[int]) -> None:
    rows.sort(key=lambda row: row[0])
    company, known_at = np.array(rows, dtype=np.int64).reshape(-1, 2).T.copy()
    start = np.searchsorted(company, np.arange(5)).astype(np.int64)
    moments = np.sort(np.array(instants, dtype=np.int64))
    found = known_over_time(start, known_at, moments)
    each = [newest_known(start, np.arange(len(rows)), known_at, moment, 1)[0] for moment in moments]
    assert_array_equal(found, each)
