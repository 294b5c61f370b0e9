"""The read-only questions under sql/queries/, asked by name."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nexus.db import views
from nexus.db.engine import Database, driver


@dataclass(frozen=True)
class Answer:
    """Column names and rows."""

    columns: list[str]
    rows: list[tuple[Any, ...]]

    def write_csv(self, path: Path) -> None:
        """Write the answer with a header line."""
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(self.columns)
            writer.writerows(self.rows)


def titles() -> list[tuple[str, str]]:
    """(name, what it answers: the comment on its first line) of every question."""
    return [(name, views.query(name).splitlines()[0].removeprefix("--").strip()) for name in views.queries()]


def ask(name: str, database: Database | None = None) -> Answer:
    """Run the question `name` as nexus_reader, in a read-only transaction."""
    statement = views.query(name).encode()
    with (database or Database.configured()).read() as connection:
        cursor = driver(connection).execute(statement)
        return Answer([column.name for column in cursor.description or ()], cursor.fetchall())
