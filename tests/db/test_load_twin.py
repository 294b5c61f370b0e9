"""Sequences of loads against a slow twin: late, restated, out-of-order and duplicate vintages, spells that end."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from loading import Feed, companies, moment

from nexus.db import compare
from nexus.db.engine import Database
from nexus.db.load import Reject

MICROSECOND = timedelta(microseconds=1)


class Row(NamedTuple):
    """A row of a small file: one of three companies, a moment of its own or None, the rule's moment, a value.

    The caller's checks reject a row that is `held` when its file comes first, and let it through when it comes again.
    """

    company: int
    known_at: int | None
    default: int
    value: int | None
    held: bool = False

    @property
    def moment(self) -> int:
        return self.default if self.known_at is None else self.known_at


class Vintage(NamedTuple):
    value: int | None
    load_no: int


@dataclass
class Twin:
    """The rule, spelled out for one row after another. `vintages[company][known_at]` is what is known."""

    is_spell: bool
    vintages: dict[int, dict[datetime, Vintage]] = field(default_factory=lambda: defaultdict(dict))
    rejected: dict[str, dict[int, Row]] = field(default_factory=dict)
    first_load: dict[str, int] = field(default_factory=dict)

    def load(self, file: str, rows: list[Row], load_no: int, opened_at: datetime) -> None:
        numbered = dict(enumerate(rows, 1))
        retried_of = self.first_load.get(file)
        if retried_of is not None:
            numbered = {number: row for number, row in numbered.items() if number in self.rejected[file]}
        held = {number: row for number, row in numbered.items() if row.held and retried_of is None}
        wrong = self.contradictions({number: row for number, row in numbered.items() if number not in held}) | held
        taken = self.without_repeats({n: row for n, row in numbered.items() if n not in wrong})
        there = {company: dict(known) for company, known in self.vintages.items()}
        for number, row in taken.items():
            known = there.get(row.company, {})
            if row.known_at is not None:
                if known.get(moment(row.known_at), Vintage(row.value, 0)).value != row.value:
                    wrong[number] = row
                elif moment(row.known_at) not in known:
                    self.vintages[row.company][moment(row.known_at)] = Vintage(row.value, load_no)
            elif not known:
                self.vintages[row.company][moment(row.default)] = Vintage(row.value, load_no)
            elif row == self.last_of(row.company, taken):
                self.compare_with_newest(row, known, load_no, opened_at, retried_of)
        self.rejected[file] = wrong
        self.first_load.setdefault(file, load_no)

    def compare_with_newest(
        self, row: Row, known: dict[datetime, Vintage], load_no: int, opened_at: datetime, retried_of: int | None
    ) -> None:
        newest_at = max(known)
        newest = known[newest_at]
        overtaken = retried_of is not None and newest.load_no > retried_of
        if newest.value == row.value or overtaken:
            return
        ends = self.is_spell and newest.value is None and moment(row.default) > newest_at
        at = moment(row.default) if ends else max(opened_at, newest_at + MICROSECOND)
        self.vintages[row.company][at] = Vintage(row.value, load_no)

    @staticmethod
    def contradictions(rows: dict[int, Row]) -> dict[int, Row]:
        return {
            number: row
            for number, row in rows.items()
            if any(
                (row.company, row.moment) == (other.company, other.moment) and row.value != other.value
                for other in rows.values()
            )
        }

    @staticmethod
    def without_repeats(rows: dict[int, Row]) -> dict[int, Row]:
        kept: dict[tuple[int, int], int] = {}
        for number, row in rows.items():
            place = (row.company, row.moment)
            if place not in kept or (row.known_at is not None and rows[kept[place]].known_at is None):
                kept[place] = number
        return {number: rows[number] for number in sorted(kept.values())}

    @staticmethod
    def last_of(company: int, rows: dict[int, Row]) -> Row:
        return max(
            (row for row in rows.values() if row.company == company and row.known_at is None), key=lambda r: r.default
        )

    def contents(self) -> list[tuple[int, datetime, int | None]]:
        return sorted(
            (company, known_at, vintage.value)
            for company, known in self.vintages.items()
            for known_at, vintage in known.items()
        )


FAR = 365 * 60  # beyond the load's own instant
MOMENTS = st.sampled_from([1, 2, 3, FAR, FAR + 1])
HELD = st.sampled_from([False, False, True])
VALUE_ROWS = st.builds(Row, st.integers(0, 2), st.none() | MOMENTS, MOMENTS, st.integers(1, 3), HELD)
SPELL_ROWS = st.builds(Row, st.integers(0, 1), st.none() | MOMENTS, MOMENTS, st.none() | st.integers(40, 42), HELD)


def files(rows: st.SearchStrategy[Row]) -> st.SearchStrategy[list[tuple[str, list[Row]]]]:
    """Files to load one after another; a name that comes again is the same file."""
    contents = st.lists(st.lists(rows, min_size=1, max_size=6), min_size=1, max_size=4)
    order = st.lists(st.integers(0, 3), min_size=1, max_size=6)
    return st.builds(
        lambda files, order: [(f"{i % len(files)}.csv", files[i % len(files)]) for i in order], contents, order
    )


def as_facts(ids: list[int], rows: list[Row], table: str) -> list[dict[str, Any]]:
    return [
        {
            "company_id": ids[row.company],
            "known_at": None if row.known_at is None else moment(row.known_at),
            "default_known_at": moment(row.default),
            **(price(row) if table == "fundamentals" else membership(row)),
        }
        for row in rows
    ]


def price(row: Row) -> dict[str, Any]:
    period = date(2019, 12, 31)
    return {"field": "f", "unit": "USD", "period_start": period, "period_end": period, "value": float(row.value or 0)}


def membership(row: Row) -> dict[str, Any]:
    ended = None if row.value is None else date(2020, 1, 1) + timedelta(days=row.value)
    return {"universe": "U", "valid_from": date(2020, 1, 1), "valid_to": ended}


def check(database: Database, table: str, value: str, loads: list[tuple[str, list[Row]]]) -> None:
    feed, ids = Feed(database), companies(database, 3)
    twin = Twin(is_spell=table == "universe_members")
    for load_no, (file, rows) in enumerate(loads, 1):
        held = [number for number, row in enumerate(rows, 1) if row.held and file not in twin.first_load]
        numbers = [number for number in range(1, len(rows) + 1) if number not in held]
        facts = as_facts(ids, [rows[number - 1] for number in numbers], table)
        rejects = [Reject(number, "held", "held back by the test") for number in held]
        done = feed.load(table, facts, file, rejects=rejects, numbers=numbers)
        opened_at = feed.opened_at(done) if done.load_id else datetime.now(UTC)
        twin.load(file, rows, load_no, opened_at)
        found = feed.rows(table, "company_id", "known_at", value)
        plain = [(ids.index(company), known_at, as_int(item)) for company, known_at, item in found]
        assert sorted(plain, key=str) == sorted(twin.contents(), key=str)
        assert done.read == len(rows) == done.inserted + done.unchanged + done.duplicates + done.rejected


def as_int(value: float | date | None) -> int | None:
    if isinstance(value, date):
        return (value - date(2020, 1, 1)).days
    return None if value is None else int(value)


@pytest.mark.parametrize("many", [0, compare.MANY])
@given(loads=files(VALUE_ROWS))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_values(database: Database, many: int, loads: list[tuple[str, list[Row]]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compare, "MANY", many)
        check(database, "fundamentals", "value", loads)


@given(loads=files(SPELL_ROWS))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_spells(database: Database, loads: list[tuple[str, list[Row]]]) -> None:
    check(database, "universe_members", "valid_to", loads)
