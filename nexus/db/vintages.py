"""Fundamentals, ordered so that the first row known at an instant is the answer at that instant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numba import njit

from nexus.db.bars import Floats
from nexus.db.request import Days, Ints, Request
from nexus.db.snapshot import Arrays, ArrowReader, codes, values

DAY_ONE = np.datetime64("0001-01-01")
QUARTER_DAYS = (75, 105)
"""Length of what counts as a quarter's flow; longer and shorter ones (a year, a year to date) are not mixed in."""

# one number says who, until when and for how long: each column of a row costs as much as a third of the row
_FUNDAMENTALS = """
SELECT (company_id::bigint << 32) + ((period_end - date '0001-01-01') << 8) + (period_end - period_start) AS place,
       field, nullif(unit, 'USD') AS unit, {source} known_at, value
FROM fundamentals
WHERE field = ANY({{fields}}) AND {limits}
  AND (period_end = period_start OR period_end - period_start BETWEEN {{shortest}} AND {{longest}}) AND {about}
"""


@dataclass(frozen=True)
class Vintages:
    """The rows of one field by company; within one the newest period, preferred source and newest vintage come first.

    start : (m + 1,) where each company's rows begin
    """

    start: Ints
    period_end: Days
    known_at: Ints
    value: Floats

    def newest(self, instant: int, periods: int) -> tuple[Floats, Days]:
        """Values and ends (periods, m) of the newest periods known at `instant`, newest first; NaN and NaT none."""
        found = newest_known(self.start, self.period_end.view(np.int64), self.known_at, instant, periods)
        value, end = np.full(found.shape, np.nan), np.full(found.shape, np.datetime64("NaT", "D"))
        there = found >= 0
        value[there], end[there] = self.value[found[there]], self.period_end[found[there]]
        return value, end

    def over_time(self, instants: Ints) -> Floats:
        """Value of the newest known period (n_instants, m), instants ascending; NaN none."""
        found = known_over_time(self.start, self.known_at, instants)
        value = np.full(found.shape, np.nan)
        value[found >= 0] = self.value[found[found >= 0]]
        return value


def read_fundamentals(reader: ArrowReader, request: Request, fields: Sequence[str]) -> pa.Table:
    """Quarters and instants of the fields."""
    shortest, longest = QUARTER_DAYS
    present = request.sources_of("fundamentals")
    source = "" if len(present) == 1 else f"{request.rank('fundamentals')} AS source,"
    statement = _FUNDAMENTALS.format(source=source, limits=request.limits("fundamentals"), about=request.about())
    table = reader.table(statement, fields=list(fields), shortest=shortest, longest=longest, **request.bounds)
    if len(present) == 1:
        rank = pa.array(np.full(len(table), request.names.index(present[0])))
        table = table.append_column("source", rank)
    return table


def order_vintages(table: pa.Table, fields: Sequence[str]) -> Arrays:
    """Rows by field (numbered as in `fields`) and company, in the order of `Vintages`; of the units dollars first."""
    field, field_names = codes(table, "field")
    unit, unit_names = codes(table, "unit")
    number = {name: place for place, name in enumerate(fields)}
    units = sorted(unit_names, key=lambda name: name or "")
    place = values(table, "place")
    arrays: Arrays = {name: values(table, name) for name in ("known_at", "value", "source")}
    arrays["company_id"], end, length = place >> 32, (place >> 8) & 0xFFFFFF, place & 0xFF
    arrays["period_end"] = DAY_ONE + end
    arrays["field"] = np.array([number[str(name)] for name in field_names], dtype=np.int64)[field]
    unit = np.array([units.index(name) for name in unit_names], dtype=np.int64)[unit]
    keys = [arrays["field"], arrays["company_id"], -end, arrays["source"], unit]
    order = newest_first(keys, arrays["known_at"], -length)
    return {name: array[order] for name, array in arrays.items()}


def newest_first(keys: Sequence[Ints], known_at: Ints, tie: Ints) -> Ints:
    """Order by the keys ascending, then `known_at` and `tie` descending: np.lexsort, several times faster.

    One sort of the keys packed into one number; the few vintages of a fact are then sorted among themselves.
    """
    packed, size = np.zeros(len(known_at), dtype=np.int64), 1
    for key in keys:
        low, high = (int(key.min()), int(key.max())) if len(key) else (0, 0)
        packed = packed * (high - low + 1) + (key - low)
        size *= high - low + 1
    if size > np.iinfo(np.int64).max:
        return np.lexsort((-tie, -known_at, *reversed(keys)))
    order = np.argsort(packed)
    sort_runs(order, packed, known_at, tie)
    return order


@njit(cache=True)
def sort_runs(order: Ints, key: Ints, known_at: Ints, tie: Ints) -> None:
    """Sort each run of equal keys in `order` by (known_at, tie) descending, in place."""
    for place in range(1, len(order)):
        row, free = order[place], place
        while free > 0:
            other = order[free - 1]
            if key[other] != key[row] or (known_at[other], tie[other]) >= (known_at[row], tie[row]):
                break
            order[free] = other
            free -= 1
        order[free] = row


def place_vintages(arrays: Arrays, field: int, companies: Ints) -> Vintages:
    """The vintages of the field numbered `field`, of the panel's companies."""
    here = slice(*np.searchsorted(arrays["field"], [field, field + 1]))
    company = arrays["company_id"][here]
    inside = np.isin(company, companies)
    kept = slice(None) if inside.all() else inside
    start = np.searchsorted(company[kept], np.append(companies, np.iinfo(np.int64).max)).astype(np.int64)
    return Vintages(start, *(arrays[name][here][kept] for name in ("period_end", "known_at", "value")))


@njit(cache=True)
def newest_known(start: Ints, period: Ints, known_at: Ints, instant: int, periods: int) -> Ints:
    """Row of the vintage that holds at `instant`, of the newest `periods` known periods; (periods, m), -1 none."""
    found = np.full((periods, len(start) - 1), -1)
    for company in range(len(start) - 1):
        taken = 0
        for row in range(start[company], start[company + 1]):
            if known_at[row] > instant or (taken > 0 and period[found[taken - 1, company]] == period[row]):
                continue
            if taken == periods:
                break
            found[taken, company] = row
            taken += 1
    return found


@njit(cache=True)
def known_over_time(start: Ints, known_at: Ints, instants: Ints) -> Ints:
    """Row of the first vintage known at each of the ascending `instants`; (n_instants, m), -1 none.

    Going backwards in time, a row that was not known yet stays unknown: each is passed once.
    """
    found = np.full((len(instants), len(start) - 1), -1)
    for company in range(len(start) - 1):
        row, end = start[company], start[company + 1]
        for day in range(len(instants) - 1, -1, -1):
            while row < end and known_at[row] > instants[day]:
                row += 1
            if row == end:
                break
            found[day, company] = row
    return found
