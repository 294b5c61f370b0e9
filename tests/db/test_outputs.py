"""Outputs: what is new or changed is written, what is equal stays, what is wrong is refused with its reason."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from time import sleep
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from made_rows import embedding, put, some_loads, some_run
from sqlalchemy import text

from nexus.db.engine import Database
from nexus.db.outputs import upsert, written_days
from nexus.db.runs import Run, begin_run, finish_run, read_run, unfinished
from nexus.errors import DatabaseError, InputError, RefusedError

DAY, NEXT = date(2020, 1, 31), date(2020, 2, 28)
CLOSE = datetime(2020, 2, 28, 21, tzinfo=UTC)
N = 6


@pytest.fixture(scope="module")
def companies(database: Database) -> list[int]:
    statement = text("INSERT INTO entities (kind, identity, name) VALUES (:kind, :n, :n) RETURNING entity_id")
    with database.write() as connection:
        connection.execute(statement, {"kind": "fund", "n": "a fund"})
        return [connection.scalar(statement, {"kind": "company", "n": f"company {n}"}) for n in range(N)]


@pytest.fixture(scope="module")
def runs(database: Database) -> list[UUID]:
    (load_id,) = some_loads(database, 1)
    return [some_run(database, load_id) for _ in range(3)]


def stored(database: Database, version: str, columns: str = "embedding", table: str = "node_embeddings") -> list[Any]:
    statement = f"SELECT {columns} FROM {table} WHERE model_version = :version ORDER BY company_id"
    with database.read() as connection:
        return [tuple(row) for row in connection.execute(text(statement), {"version": version})]


def test_equal_rows_are_not_rewritten_and_changed_ones_are(
    database: Database, companies: list[int], runs: list[UUID]
) -> None:
    first, second, third = runs
    rows = [embedding(company, DAY, CLOSE, first, [company, 0.1]) for company in companies[:4]]
    assert put(database, "node_embeddings", rows) == 4
    again = [row | {"run_id": second} for row in rows]
    again[1] |= {"embedding": [9.0, 9.0]}
    again[2] |= {"split": "validation"}
    assert put(database, "node_embeddings", [*again, embedding(companies[4], DAY, CLOSE, second, [5, 5])]) == 3
    found = stored(database, "m", "embedding[1], split, run_id")
    assert [row[0] for row in found] == [companies[0], 9.0, companies[2], companies[3], 5.0]
    assert [row[1] for row in found] == ["test", "test", "validation", "test", "test"]
    assert [row[2] for row in found] == [first, second, second, first, second]
    other = [row | {"chunk": 1, "run_id": third} for row in rows]
    assert put(database, "node_embeddings", other) == 4  # another chunk is another row
    assert len(stored(database, "m")) == 9


def test_several_in_one_transaction_and_none_at_all(database: Database, companies: list[int], runs: list[UUID]) -> None:
    rows = [embedding(companies[0], day, CLOSE, runs[0], [1.0], model_version="two") for day in (DAY, NEXT)]
    with database.write() as connection:
        assert upsert(connection, "node_embeddings", pd.DataFrame(rows)) == 2
        assert upsert(connection, "node_embeddings", pd.DataFrame(rows)) == 0
        assert upsert(connection, "node_embeddings", pd.DataFrame(rows[:1])) == 0
        assert upsert(connection, "node_embeddings", pd.DataFrame(rows)[:0]) == 0
    with database.read() as connection:
        assert written_days(connection, "node_embeddings", "two", 0) == {DAY, NEXT}
        assert written_days(connection, "node_embeddings", "two", 1) == set()


def test_every_table_takes_its_columns(database: Database, companies: list[int], runs: list[UUID]) -> None:
    """From a frame with numpy scalars, timestamps and dicts, and from Arrow: what comes out is what went in."""
    stamps = {"split": "none", "known_at": pd.Timestamp(CLOSE), "run_id": runs[0], "model_version": "c-1", "chunk": 0}
    degrees = {"out:supplies": 2, "in:supplies": 0}
    centrality = {
        "company_id": companies[0], "as_of": pd.Timestamp(DAY), "graph_version": "g@1", "degree": 2, "degrees": degrees,
        "pagerank": 0.1, "eigenvector": 0.2, "betweenness": 0.3, "clustering": 0.4, "k_core": 1, "katz": 0.6, **stamps,
    }  # fmt: skip
    assert put(database, "centrality_history", [centrality]) == 1
    assert put(database, "centrality_history", [centrality | {"degrees": json.dumps(degrees)}]) == 0
    assert stored(database, "c-1", "degrees, katz, as_of", "centrality_history") == [(degrees, 0.6, DAY)]
    prediction = pa.table(
        {
            "company_id": pa.array(companies, pa.int64()),
            "as_of": [DAY] * N,
            "model_version": ["p"] * N,
            "chunk": pa.array([3] * N, pa.int8()),
            "score": np.linspace(-0.5, 0.5, N),
            "probability": np.linspace(0, 1, N),
            "trained_to": [DAY] * N,
            "split": ["test"] * N,
            "known_at": [CLOSE] * N,
            "run_id": pa.array([runs[0].bytes] * N, pa.binary(16)),
        }
    )
    with database.write() as connection:
        assert upsert(connection, "graph_predictions", prediction) == N
        assert upsert(connection, "graph_predictions", prediction) == 0
    assert stored(database, "p", "score", "graph_predictions")[-1] == (0.5,)
    why = {
        "module": "HGT", "model_version": "p", "company_id": companies[0], "as_of": DAY, "chunk": 0,
        "attribution": 0.25, "known_at": CLOSE, "run_id": str(runs[0]),
    }  # fmt: skip
    explained = [why | {"feature": feature} for feature in ("degree", "age")]
    assert put(database, "explanations", explained) == 2
    assert put(database, "explanations", [explained[0] | {"attribution": 0.5}, explained[1]]) == 1


def wrong(row: dict[str, Any], companies: list[int]) -> dict[str, tuple[str, list[dict[str, Any]]]]:
    lacking = {name: value for name, value in row.items() if name != "split"}
    return {
        "unknown column colour; it takes company_id, snapshot_date": ("node_embeddings", [row | {"colour": 1}]),
        "column split missing": ("node_embeddings", [lacking]),
        "embedding: 1 values are no finite number": ("node_embeddings", [row | {"embedding": [1.0, np.nan]}]),
        "trained_to: 1 rows have no value": ("node_embeddings", [row | {"trained_to": None}]),
        "embedding_dim: .*the column holds int32": ("node_embeddings", [row | {"embedding_dim": "two"}]),
        f"two rows of company_id {companies[0]}, snapshot_date 2020-01-31": ("node_embeddings", [row, row]),
        "company 987654 is not among the entities .1 such": ("node_embeddings", [row | {"company_id": 987654}]),
        "company 1 is not among": ("node_embeddings", [row | {"company_id": 1}]),  # a fund
        '"prices": no output table; there are centrality_history': ("prices", [row]),
    }


@pytest.mark.parametrize("number", range(9))
def test_what_cannot_be_written_is_said(
    database: Database, companies: list[int], runs: list[UUID], number: int
) -> None:
    row = embedding(companies[0], DAY, CLOSE, runs[0], [1.0, 2.0], model_version="wrong")
    sentence, (table, rows) = list(wrong(row, companies).items())[number]
    with pytest.raises(InputError, match=sentence):
        put(database, table, rows)
    assert not stored(database, "wrong")


def test_a_nan_in_a_number_is_refused(database: Database, companies: list[int], runs: list[UUID]) -> None:
    row = {
        "company_id": companies[0], "as_of": DAY, "model_version": "p", "chunk": 0, "score": np.nan, "probability": 0.5,
        "trained_to": DAY, "split": "test", "known_at": CLOSE, "run_id": runs[0],
    }  # fmt: skip
    with pytest.raises(InputError, match=r"graph_predictions\.score: 1 rows have no value"):
        put(database, "graph_predictions", [row])


def test_what_the_table_refuses_is_said(database: Database, companies: list[int], runs: list[UUID]) -> None:
    """Straight into the table, and by way of the comparison with what is there."""
    row = embedding(companies[0], DAY, CLOSE, runs[0], [1.0, 2.0], model_version="checked")
    for _ in range(2):
        with pytest.raises(DatabaseError, match="ck_node_embeddings_split"):
            put(database, "node_embeddings", [row | {"split": "holdout"}])
        put(database, "node_embeddings", [row])


def test_two_writers_of_the_same_rows(database: Database, companies: list[int], runs: list[UUID]) -> None:
    """The second waits, then updates what differs instead of colliding."""
    rows = [embedding(company, DAY, CLOSE, runs[0], [1.0], model_version="at once") for company in companies]
    changed = [rows[0] | {"embedding": [2.0]}, *rows[1:]]
    with ThreadPoolExecutor(1) as pool:
        with database.write() as connection:
            assert upsert(connection, "node_embeddings", pd.DataFrame(rows)) == N
            other = pool.submit(put, database, "node_embeddings", changed)
            sleep(0.3)
            assert not other.done()
        assert other.result(30) == 1


def test_a_run_begins_and_ends_once(database: Database, runs: list[UUID]) -> None:
    run = Run("HGT", "hgt-1", "code", {"lr": 0.1}, 1, "data", "B")
    with database.write() as connection:
        killed, kept = (begin_run(connection, run, device="cuda:0") for _ in range(2))
    with database.write() as connection:
        finish_run(connection, kept, {"auc": 0.7, "undefined": float("nan")}, trained_to=DAY)
    with database.read() as connection:
        rows = {row.run_id: row for row in connection.execute(text("SELECT * FROM model_runs WHERE module = 'HGT'"))}
        assert [run_id for run_id, _ in unfinished(connection, "HGT")] == [killed]
        assert read_run(connection, kept) == run
    assert (rows[killed].status, rows[killed].finished_at, rows[killed].device) == ("running", None, "cuda:0")
    assert (rows[kept].status, rows[kept].trained_to, rows[kept].tier) == ("done", DAY, "B")
    assert rows[kept].metrics == {"auc": 0.7, "undefined": None}
    with pytest.raises(RefusedError, match=f"run {kept}: not running"), database.write() as connection:
        finish_run(connection, kept, {}, status="failed")
