"""Shorthand for loading a few facts in tests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pandas as pd
import pyarrow as pa
from sqlalchemy import text

from nexus.db.engine import Database
from nexus.db.identity import ensure_entities
from nexus.db.load import FileMark, Loaded, Reject, SourceInfo, begin_run, ensure_source, load
from nexus.db.shape import shape_of

EPOCH = datetime(2020, 1, 1, tzinfo=UTC)


def moment(day: float) -> datetime:
    return EPOCH + timedelta(days=day)


def sha(name: str) -> str:
    return sha256(name.encode()).hexdigest()


def companies(database: Database, count: int) -> list[int]:
    names = [f"company {n:05d}" for n in range(count)]
    wanted = pd.DataFrame({"kind": "company", "identity": names, "cik": None, "name": names})
    ids = ensure_entities(database, wanted)
    return [ids[name] for name in names]


def nothing(table: str) -> pa.Table:
    shape = shape_of(table)
    return pa.table({name: pa.nulls(0) for name in (*shape.key, *shape.values)})


@dataclass
class Feed:
    """A source of its own in a database, and its files."""

    database: Database
    basis: str = "assumed"
    source: str = field(default_factory=lambda: f"source {uuid4().hex[:8]}")
    run_id: UUID = field(init=False)

    def __post_init__(self) -> None:
        self.run_id = begin_run(self.database, "test")
        ensure_source(self.database, SourceInfo(self.source, self.basis))

    def load(
        self,
        table: str,
        rows: Iterable[dict[str, Any]],
        file: str | None = None,
        *,
        known_at_given: bool = True,
        rejects: Sequence[Reject] = (),
        numbers: Sequence[int] | None = None,
    ) -> Loaded:
        listed = list(rows)
        numbers = range(1, len(listed) + 1) if numbers is None else numbers
        return load(
            self.database,
            self.run_id,
            table,
            pa.Table.from_pylist(listed) if listed else nothing(table),
            source=self.source,
            file=FileMark(file, sha(file)) if file else None,
            rejects=rejects,
            row_numbers=np.array(numbers, dtype=np.int64),
            known_at_given=known_at_given,
        )

    def rows(self, table: str, *columns: str) -> list[tuple[Any, ...]]:
        sql = f"SELECT {', '.join(columns)} FROM {table} WHERE source = :source ORDER BY {', '.join(columns)}"
        with self.database.read() as connection:
            return [tuple(row) for row in connection.execute(text(sql), {"source": self.source})]

    def opened_at(self, loaded: Loaded) -> datetime:
        with self.database.read() as connection:
            found = connection.scalar(
                text("SELECT opened_at FROM loads WHERE load_id = :load_id"), {"load_id": loaded.load_id}
            )
        assert isinstance(found, datetime)
        return found


def price(company: int, day: int, close: float, **more: Any) -> dict[str, Any]:
    """A bar known at the end of its day, and when its file says otherwise at `known_at`."""
    session = date(2020, 1, 1) + timedelta(days=day)
    return {"company_id": company, "session": session, "close": close, "default_known_at": moment(day + 0.9), **more}


def fact(company: int, value: float, known_at: float | None = None, **more: Any) -> dict[str, Any]:
    return {
        "company_id": company,
        "field": "net_income",
        "unit": "USD",
        "period_start": date(2019, 10, 1),
        "period_end": date(2019, 12, 31),
        "known_at": None if known_at is None else moment(known_at),
        "default_known_at": moment(1),
        "value": value,
        **more,
    }


def spell(company: int, valid_from: int, valid_to: int | None = None) -> list[dict[str, Any]]:
    """A membership without known_at: one row, or open and ended."""
    first = date(2020, 1, 1) + timedelta(days=valid_from)
    same = {"universe": "U", "company_id": company, "valid_from": first}
    rows = [{**same, "valid_to": None, "default_known_at": moment(valid_from + 1)}]
    if valid_to is not None:
        last = date(2020, 1, 1) + timedelta(days=valid_to)
        rows.append({**same, "valid_to": last, "default_known_at": moment(valid_to + 1)})
    return rows
