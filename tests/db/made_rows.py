"""Graphs, loads without a row, runs and embeddings, for tests of what is made of the facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
from sqlalchemy import text

from nexus.db.engine import Database
from nexus.db.graph import Edges, EdgeType, Graph
from nexus.db.load import SourceInfo, begin_run, ensure_source
from nexus.db.outputs import upsert
from nexus.db.runs import Run, record_run

SUPPLY: EdgeType = ("company", "supplies", "company")
_LOAD = text(
    "INSERT INTO loads (ingest_run_id, table_name, source, rows_read, rows_inserted) "
    "VALUES (:run, 'relations', 'of no rows', 0, 0) RETURNING load_id"
)


def some_loads(database: Database, n: int) -> list[int]:
    """Ids of new loads of nothing."""
    ensure_source(database, SourceInfo("of no rows", "reported"))
    run = begin_run(database, "test")
    made = []
    for _ in range(n):
        with database.write() as connection:
            made.append(int(connection.scalar(_LOAD, {"run": run})))
    return made


def some_run(database: Database, load_id: int, tier: str | None = "A") -> UUID:
    with database.write() as connection:
        return record_run(connection, Run("test", "t-1", "code", {}, load_id, "data", tier), {})


def edges(pairs: Sequence[tuple[int, int]], weight: float = 1.0) -> Edges:
    ends = np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2)
    return Edges(ends[:, 0], ends[:, 1], np.full(len(ends), weight, np.float32))


def graph(
    day: date, companies: Sequence[int], kinds: Mapping[EdgeType, Edges] | None = None, name: str = "g", tier: str = "A"
) -> Graph:
    return Graph(np.datetime64(day), name, "", {"company": np.array(sorted(companies))}, kinds or {}, tier)


def embedding(
    company: int, day: date, known_at: datetime, run: UUID, vector: Sequence[float], **more: Any
) -> dict[str, Any]:
    """A row of `node_embeddings`; `more` overrides model_version, chunk, trained_to, graph_version, split."""
    row: dict[str, Any] = {"model_version": "m", "chunk": 0, "trained_to": date(2019, 1, 2), "graph_version": "none"}
    stamps = {"split": "test", "known_at": known_at, "run_id": run, "embedding": vector, "embedding_dim": len(vector)}
    return {"company_id": company, "snapshot_date": day, **row, **stamps, **more}


def put(database: Database, table: str, rows: Sequence[Mapping[str, Any]]) -> int:
    with database.write() as connection:
        return upsert(connection, table, pd.DataFrame(list(rows)))
