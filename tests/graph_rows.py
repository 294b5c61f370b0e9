"""Facts of a graph, written by hand into a real database."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import pandas as pd
import pyarrow as pa
from sqlalchemy import text

from nexus.db.engine import Database
from nexus.db.load import SourceInfo, begin_run, ensure_source, load

RELATION = ["src_id", "relation", "dst_id", "valid_from", "valid_to", "weight", "known_at"]
MEMBER = ["universe", "company_id", "valid_from", "valid_to", "known_at"]


def entities(database: Database, kind: str, names: Iterable[str]) -> dict[str, int]:
    """New entities of a kind, by name."""
    insert = text("INSERT INTO entities (kind, identity, name) VALUES (:kind, :name, :name) RETURNING entity_id")
    with database.write() as connection:
        return {name: connection.scalar(insert, {"kind": kind, "name": name}) for name in names}


def weekdays(database: Database, first: str, last: str) -> pd.DatetimeIndex:
    """A calendar of all weekdays, closing at 21:00 UTC."""
    days = pd.bdate_range(first, last)
    rows = [{"day": day.date(), "opens": close(day) - timedelta(hours=6), "closes": close(day)} for day in days]
    with database.write() as connection:
        connection.execute(text("INSERT INTO sessions VALUES ('XNYS', :day, :opens, :closes)"), rows)
    return days


def close(day: Any) -> datetime:
    """When a session closed."""
    return (pd.Timestamp(day, tz="UTC") + pd.Timedelta(hours=21)).to_pydatetime()


def add(
    database: Database,
    table: str,
    rows: Sequence[Sequence[Any]] | pd.DataFrame,
    *,
    source: str = "first",
    basis: str = "reported",
    preference: int = 100,
) -> int:
    """Load rows of a table, each with its known_at; the number of the load."""
    columns = {"relations": RELATION, "universe_members": MEMBER}.get(table)
    frame = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(rows, columns=columns)
    for name in {"valid_from", "valid_to", "session"} & set(frame.columns):
        frame[name] = pd.to_datetime(frame[name]).dt.date.astype(object).where(frame[name].notna(), None)
    frame["known_at"] = pd.to_datetime(frame["known_at"], utc=True)
    ensure_source(database, SourceInfo(source, basis, preference=preference))
    rows_of = pa.Table.from_pandas(frame, preserve_index=False)
    done = load(database, begin_run(database, "test"), table, rows_of, source=source, file=None, known_at_given=True)
    assert done.load_id is not None and done.rejected == 0
    return done.load_id


def day(text_: str) -> date:
    """A date."""
    return date.fromisoformat(text_)
