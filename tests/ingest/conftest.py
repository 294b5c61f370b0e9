"""Files as a user writes them, and what became of them in the database."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sqlalchemy import text

from nexus.db.engine import Database
from nexus.ingest.run import ingest_frames

Write = Callable[..., Path]
Ask = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A CSV or Parquet file of rows, by suffix."""

    def to(name: str, rows: pd.DataFrame | str) -> Path:
        path = tmp_path / name
        if isinstance(rows, str):
            path.write_text(rows, encoding="utf-8")
        elif path.suffix == ".csv":
            rows.to_csv(path, index=False)
        else:
            rows.to_parquet(path)
        return path

    return to


@pytest.fixture(scope="module")
def ask(database: Database) -> Ask:
    """Rows of a query."""

    def answer(query: str, **parameters: object) -> list[tuple[Any, ...]]:
        with database.read() as connection:
            return [tuple(row) for row in connection.execute(text(query), parameters)]

    return answer


@pytest.fixture(scope="module")
def companies(database: Database) -> Database:
    """A database that knows Alpha, Beta, and the two lines of Gamma."""
    known = pd.DataFrame(
        {
            "ticker": ["ALPH", "BETA", "GAM-A", "GAM-B"],
            "cik": [101, 102, 103, 103],
            "name": ["Alpha", "Beta", "Gamma", "Gamma"],
            "valid_from": "2000-01-03",
        }
    )
    ingest_frames(database, {"reference": known}, "test companies")
    return database
