"""A small world of facts: put into the database row by row, and kept as plain Python for the slow twin."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any

from sqlalchemy import text

from nexus.db.engine import Database, driver

CALENDAR = "TEST"
DAYS = [date(2020, 1, day) for day in (2, 3, 6, 7, 8, 9, 10, 13, 14, 15, 17, 21)]  # the 16th and the 20th are holidays
CLOSES = [datetime(day.year, day.month, day.day, 18 if day.weekday() == 4 else 21, tzinfo=UTC) for day in DAYS]
"""Fridays close early."""

Row = dict[str, Any]
_numbers = count(1)


def ensure_calendar(database: Database) -> None:
    with database.write() as connection:
        driver(connection).cursor().executemany(
            "INSERT INTO sessions VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
            [(CALENDAR, day, close - timedelta(hours=6), close) for day, close in zip(DAYS, CLOSES, strict=True)],
        )


@dataclass
class World:
    """Companies and sources of its own in a shared database; `rows` per table, each with its load."""

    database: Database
    bases: Sequence[date | None] = (None,)
    known_at_bases: Sequence[str] = ()
    n_companies: int = 3
    sources: list[str] = field(init=False)
    companies: list[int] = field(init=False)
    rows: dict[str, list[Row]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        ensure_calendar(self.database)
        number = next(_numbers)
        self.sources = [f"source {number}.{place}" for place in range(len(self.bases))]
        honesty = [*self.known_at_bases, *["reported"] * len(self.bases)]
        with self.database.write() as connection:
            cursor = driver(connection).cursor()
            for place, source in enumerate(self.sources):
                cursor.execute(
                    "INSERT INTO sources (source, known_at_basis, basis, preference) VALUES (%s, %s, %s, %s)",
                    (source, honesty[place], self.bases[place], 10 * number + place),
                )
            self.companies = []
            for place in range(self.n_companies):
                name = f"company {number}.{place}"
                cursor.execute(
                    "INSERT INTO entities (kind, identity, name) VALUES ('company', %s, %s) RETURNING entity_id",
                    (name, name),
                )
                self.companies += [row[0] for row in cursor]

    def load(self, table: str, rows: Iterable[Row]) -> int:
        """One load per source of the rows; the load_id of the last."""
        listed = list(rows)
        load_id = 0
        for source in self.sources:
            own = [row for row in listed if row["source"] == source]
            if own:
                load_id = self._insert(table, source, own)
        return load_id

    def _insert(self, table: str, source: str, rows: list[Row]) -> int:
        with self.database.write() as connection:
            run = connection.scalar(
                text("INSERT INTO ingest_runs (command, code_version) VALUES ('t', 't') RETURNING ingest_run_id")
            )
            load_id = connection.scalar(
                text(
                    "INSERT INTO loads (ingest_run_id, table_name, source, rows_read, rows_inserted) "
                    "VALUES (:run, :table, :source, :n, :n) RETURNING load_id"
                ),
                {"run": run, "table": table, "source": source, "n": len(rows)},
            )
            assert isinstance(load_id, int)
            columns = list(rows[0])
            driver(connection).cursor().executemany(
                f"INSERT INTO {table} ({', '.join(columns)}, load_id) "
                f"VALUES ({', '.join(['%s'] * (len(columns) + 1))})",
                [(*(row[column] for column in columns), load_id) for row in rows],
            )
        self.rows.setdefault(table, []).extend({**row, "load_id": load_id} for row in rows)
        return load_id
