"""Scattering rows in any order, against a loop: the database promises no order, though it often keeps one."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from nexus.db.bars import COMPANY, Bars, scatter
from nexus.db.request import Market

OFFSETS = [0, 1, 4, 5]  # a weekend
MARKET = Market(np.datetime64("2020-01-02") + OFFSETS, np.array([10, 20, 30, 40]))
COMPANIES = np.array([3, 5, 9])
ROWS = st.lists(st.tuples(st.integers(0, 5), st.sampled_from([3, 5, 9]), st.integers(5, 50)), max_size=40, unique=True)


@settings(deadline=None)
@given(ROWS, st.integers(0, 3), st.integers(0, 3), st.integers(5, 50))
def test_a_window_is_the_newest_known_vintage_of_each_cell(
    rows: list[tuple[int, int, int]], first: int, last: int, instant: int
) -> None:
    first, last = min(first, last), max(first, last)
    instant = max(instant, int(MARKET.closes[last]))  # nobody asks for sessions that have not closed
    table = pa.table(
        {
            "place": pa.array([(company << COMPANY) + day for day, company, _ in rows], pa.int64()),
            "known_at": pa.array([known_at for _, _, known_at in rows], pa.int64()).cast(pa.timestamp("us", "UTC")),
            "close": pa.array(np.arange(len(rows), dtype=float)),
        }
    )
    bars = Bars.from_arrays(scatter(table, MARKET, COMPANIES, ["close"]), len(MARKET.days))
    wanted = np.full((4, 3), np.nan)
    first_row = np.full(3, 4)
    for value in sorted(range(len(rows)), key=lambda place: rows[place][2]):
        day, company, known_at = rows[value]
        column = COMPANIES.tolist().index(company)
        if day in OFFSETS:
            row = OFFSETS.index(day)
            first_row[column] = min(first_row[column], row)
            if known_at <= instant:
                wanted[row, column] = value
    assert_array_equal(bars.window("close", first, last, instant), wanted[first : last + 1])
    assert_array_equal(bars.first_row, first_row)
