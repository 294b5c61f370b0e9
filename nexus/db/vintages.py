"""Sparse facts ordered so that the first row known at an instant is the answer at that instant."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from nexus.db.scatter import Arrays, Floats
from nexus.db.snapshot import ArrowReader, Days, Ints, Request, values

_FUNDAMENTALS = """
SELECT company_id, array_position({{fields}}, field) - 1 AS field, unit,
       array_position({{sources}}, source) - 1 AS source, period_start, period_end, known_at, value
FROM fundamentals
WHERE field = ANY({{fields}}) AND source = ANY({{sources}}) AND load_id <= {{load_id}} AND known_at <= {{until}}
  AND (period_end = period_start OR period_end - period_start BETWEEN 75 AND 105) AND {about}
"""


@dataclass(frozen=True)
class Vintages:
    """The rows of one field, by company; within one: newest period first, then preferred source, then newest vintage.

    start : (m + 1,) where each company's rows begin
    """

    start: Ints
    period_end: Days
    known_at: Ints
    value: Floats

    def newest(self, instant: int, periods: int) -> tuple[Floats, Days]:
        """Values and period ends (periods, m) of the newest periods known at `instant`, newest first; NaN and NaT none."""
        found = pick(self.start, self.period_end.view(np.int64), self.known_at, instant, periods)
        missing = found < 0
        value, end = self.value[found], self.period_end[found]
        value[missing], end[missing] = np.nan, np.datetime64("NaT")
        return value, end


def read_fundamentals(reader: ArrowReader, request: Request, fields: tuple[str, ...]) -> Arrays:
    """Quarters (flows of 75 to 105 days) and instants of the fields, in the order of `Vintages`."""
    table = reader.table(
        _FUNDAMENTALS.format(about=request.about()),
        fields=list(fields),
        sources=request.source_names,
        load_id=request.load_id,
        until=request.until,
    )
    unit = table.column("unit").combine_chunks().dictionary_encode()
    names = unit.dictionary.to_pylist()
    by_preference = sorted(names, key=lambda name: (name != "USD", name))
    unit_rank = np.array([by_preference.index(name) for name in names], dtype=np.int64)[unit.indices.to_numpy()]
    arrays = {name: values(table, name) for name in table.column_names if name != "unit"}
    order = np.lexsort(
        (
            -arrays["period_start"].astype(np.int64),
            -arrays["known_at"],
            unit_rank,
            arrays["source"],
            -arrays["period_end"].astype(np.int64),
            arrays["company_id"],
            arrays["field"],
        )
    )
    return {name: array[order] for name, array in arrays.items()}


def place_vintages(arrays: Arrays, field: int, companies: Ints) -> Vintages:
    """The vintages of the field numbered `field`, by the panel's companies."""
    here = slice(*np.searchsorted(arrays["field"], [field, field + 1]))
    company = arrays["company_id"][here].astype(np.int64)
    kept = np.isin(company, companies)
    start = np.searchsorted(company[kept], np.append(companies, np.iinfo(np.int64).max))
    return Vintages(
        start.astype(np.int64),
        arrays["period_end"][here][kept],
        arrays["known_at"][here][kept],
        arrays["value"][here][kept],
    )


@njit(cache=True)
def pick(start: Ints, period: Ints, known_at: Ints, instant: int, periods: int) -> Ints:
    """Row of the newest vintage known at `instant` of each of the newest `periods` known periods; (periods, m), -1 none."""
    found = np.full((periods, len(start) - 1), -1)
    for company in range(len(start) - 1):
        taken = 0
        for row in range(start[company], start[company + 1]):
            if known_at[row] > instant:
                continue
            if taken > 0 and period[found[taken - 1, company]] == period[row]:
                continue
            if taken == periods:
                break
            found[taken, company] = row
            taken += 1
    return found
