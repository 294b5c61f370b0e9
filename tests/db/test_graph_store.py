"""Snapshots go in as arrays and come out as they were; each content once, each version beside the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sqlalchemy import text

from nexus.db.engine import Database
from nexus.db.graph import Edges, EdgeType, Graph
from nexus.db.graph_store import Snapshots, write_graphs
from nexus.db.load import SourceInfo, begin_run, ensure_source
from nexus.errors import InputError

DAYS = [date(2020, month, 28) for month in range(1, 7)]
CLOSES = {day: datetime(day.year, day.month, day.day, 21, tzinfo=UTC) for day in DAYS}
SUPPLY: EdgeType = ("company", "supplies", "company")


def edges(pairs: Sequence[tuple[int, int]], weight: float = 1.0) -> Edges:
    ends = np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2)
    return Edges(ends[:, 0], ends[:, 1], np.full(len(ends), weight, np.float32))


def graph(day: date, kinds: Mapping[EdgeType, Edges], name: str = "monthly", tier: str = "A", n: int = 9) -> Graph:
    nodes = {kind: np.arange(1, n + 1) for kind in ("company", "fund")}
    return Graph(np.datetime64(day), name, "", nodes, kinds, tier)


def random_graph(random: np.random.Generator, day: date, n: int = 40) -> Graph:
    nodes = {kind: np.sort(random.choice(10**9, n, replace=False)) for kind in ("company", "director", "fund")}
    kinds = [SUPPLY, ("fund", "holds", "company"), ("director", "director_of", "company")]
    made = {}
    for kind in kinds[: random.integers(0, 4)]:
        pairs = np.argwhere(random.random((n, n)) < 0.2)
        weights = random.standard_normal(len(pairs)).astype(np.float32)
        made[kind] = Edges(nodes[kind[0]][pairs[:, 0]], nodes[kind[2]][pairs[:, 1]], weights)
    return Graph(np.datetime64(day), "random", "", nodes, made, "B")


@pytest.fixture(scope="module")
def loads(database: Database) -> list[int]:
    """Nine loads of nothing."""
    ensure_source(database, SourceInfo("test", "reported"))
    run = begin_run(database, "test")
    statement = text(
        "INSERT INTO loads (ingest_run_id, table_name, source, rows_read, rows_inserted) "
        "VALUES (:run, 'prices', 'test', 0, 0) RETURNING load_id"
    )
    made = []
    for _ in range(9):
        with database.write() as connection:
            made.append(connection.scalar(statement, {"run": run}))
    return made


def write(database: Database, *graphs: Graph, load_id: int = 1, builder: str = "builder of the tests") -> int:
    with database.write() as connection:
        return write_graphs(connection, graphs, builder=builder, load_id=load_id, closes=CLOSES)


def test_what_goes_in_comes_out(database: Database, loads: list[int]) -> None:
    random = np.random.default_rng(1)
    put = [random_graph(random, day) for day in DAYS]
    assert write(database, *put) == len(DAYS)
    got = Snapshots.open(database, "random")
    assert got.days.tolist() == DAYS
    assert got.tier == "B"
    for one in put:
        read = got.at(one.day)
        assert (read.day, read.graph, read.version, read.tier) == (one.day, "random", "random.builder @1", "B")
        assert read.content_hash == one.content_hash
        assert set(read.nodes) == set(one.nodes)
        assert {kind: len(made) for kind, made in read.edges.items()} == {k: len(made) for k, made in one.edges.items()}
        for kind, made in one.edges.items():
            for column in ("src", "dst", "weight"):
                there, here = getattr(read.edges[kind], column), getattr(made, column)
                assert_array_equal(there, here)
                assert there.dtype == here.dtype
                assert there.base is None and not there.flags.writeable
    assert_array_equal(got.companies, np.unique(np.concatenate([one.nodes["company"] for one in put])))


def test_snapshot_reader(database: Database, loads: list[int]) -> None:
    got = Snapshots.open(database, "random", start=DAYS[1], end=DAYS[4])
    assert got.days.tolist() == DAYS[1:5]
    assert [one.day for one in got.last(DAYS[3], 2)] == [np.datetime64(day) for day in DAYS[2:4]]
    assert [one.day for one in got.last(DAYS[3], 9)] == [np.datetime64(day) for day in DAYS[1:4]]
    assert got.at("2020-04-15").day == np.datetime64(DAYS[2])
    with pytest.raises(InputError, match="no snapshot by 2020-01-28, there is 2020-02-28 to 2020-05-28"):
        got.at(DAYS[0])
    with pytest.raises(InputError, match="no snapshot by 2020-01-28, there is nothing; run `nexus graph snapshots`"):
        Snapshots.open(database, "unheard of").at(DAYS[0])
