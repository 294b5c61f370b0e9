"""Snapshots go in as arrays and come out as they were; each content once, each version beside the others."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime
from time import sleep

import numpy as np
import pytest
from made_rows import SUPPLY, edges, graph, some_loads
from numpy.testing import assert_array_equal
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from nexus.db.engine import Database
from nexus.db.graph import Edges, EdgeType, Graph
from nexus.db.graph_store import Snapshots, write_graphs
from nexus.errors import InputError, RefusedError

DAYS = [date(2020, month, 28) for month in range(1, 7)]
CLOSES = {day: datetime(day.year, day.month, day.day, 21, tzinfo=UTC) for day in DAYS}
OLD, NEW = "a builder", "b, newer"


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
    return some_loads(database, 9)


def write(database: Database, *graphs: Graph, load_id: int = 1, builder: str = OLD) -> int:
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
        assert (read.day, read.graph, read.version, read.tier) == (one.day, "random", "random.a builde@1", "B")
        assert read.content_hash == one.content_hash
        assert set(read.nodes) == set(one.nodes)
        assert set(read.edges) == set(one.edges)
        for kind, made in one.edges.items():
            for column in ("src", "dst", "weight"):
                there, here = getattr(read.edges[kind], column), getattr(made, column)
                assert_array_equal(there, here)
                assert there.dtype == here.dtype
                assert there.base is None and not there.flags.writeable
    assert_array_equal(got.companies, np.unique(np.concatenate([one.nodes["company"] for one in put])))


def test_each_source_is_stored_once(database: Database, loads: list[int]) -> None:
    random = np.random.default_rng(2)
    made = next(one for one in (random_graph(random, DAYS[0]) for _ in range(99)) if len(one.edges) == 3)
    none = Edges(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))
    kinds: dict[EdgeType, Edges] = {**made.edges, ("company", "competes", "company"): none}
    write(database, replace(made, graph="sources", edges=kinds))
    for kind, one in kinds.items():
        own = {"source": kind[0], "relation": kind[1], "version": "sources.a builde@1"}
        of_it = "WHERE graph_version = :version AND src_type = :source AND relation = :relation"
        with database.read() as connection:
            row = connection.execute(text(f"SELECT * FROM graph_edge_arrays {of_it}"), own).one()
            seen = connection.execute(text(f"SELECT src_id, dst_id, weight FROM graph_edges {of_it}"), own).all()
        assert dict(zip(row.src_ids, row.src_counts, strict=True)) == Counter(one.src.tolist())
        assert row.src_ids == sorted(row.src_ids)
        src, dst, weight = np.array(sorted(seen)).reshape(-1, 3).T
        assert_array_equal(src, one.src)
        assert_array_equal(dst, one.dst)
        assert_array_equal(weight.astype(np.float32), one.weight)


@pytest.mark.parametrize(
    ("sources", "counts", "check"),
    [([1, 2], [2], "lengths"), ([1], [1], "counts"), ([1, 2, 3], [1, 0, 1], "counts"), ([], [], "counts")],
)
def test_counts_that_do_not_add_up_are_refused(
    database: Database, sources: list[int], counts: list[int], check: str
) -> None:
    statement = text(
        "INSERT INTO graph_edge_arrays "
        "(snapshot_date, graph_version, src_type, relation, dst_type, src_ids, src_counts, dst_ids, weights) "
        "VALUES (:day, 'v', 'company', 'supplies', 'company', CAST(:sources AS integer[]), "
        "CAST(:counts AS integer[]), '{7, 8}', '{1, 1}')"
    )
    with pytest.raises(DBAPIError, match=f"ck_graph_edge_arrays_{check}"), database.write() as connection:
        connection.execute(statement, {"day": DAYS[0], "sources": sources, "counts": counts})


def test_the_counts_beside_a_snapshot_are_its_own(database: Database, loads: list[int]) -> None:
    write(database, graph(DAYS[0], range(1, 10), {SUPPLY: edges([(1, 2), (1, 3)])}, "counted"))
    with database.read() as connection:
        row = connection.execute(text("SELECT * FROM graph_snapshots WHERE graph = 'counted'")).one()
    assert (row.n_nodes, row.n_edges, row.load_id, row.known_at) == (9, 2, 1, CLOSES[DAYS[0]])


def test_snapshot_reader(database: Database, loads: list[int]) -> None:
    write(database, *(graph(day, [1, 2], name="read") for day in DAYS))
    got = Snapshots.open(database, "read", start=DAYS[1], end=DAYS[4])
    assert got.days.tolist() == DAYS[1:5]
    assert [one.day for one in got.last(DAYS[3], 2)] == [np.datetime64(day) for day in DAYS[2:4]]
    assert [one.day for one in got.last(DAYS[3], 9)] == [np.datetime64(day) for day in DAYS[1:4]]
    assert got.at("2020-04-15").day == np.datetime64(DAYS[2])
    assert got.at("2030-01-01").day == np.datetime64(DAYS[4])
    with pytest.raises(InputError, match="no snapshot by 2020-01-28, there is 2020-02-28 to 2020-05-28"):
        got.at(DAYS[0])
    with pytest.raises(InputError, match="no snapshot by 2020-01-28, there is nothing; run `nexus graph snapshots`"):
        Snapshots.open(database, "unheard of").at(DAYS[0])


def test_each_content_once_and_each_version_beside_the_others(database: Database, loads: list[int]) -> None:
    """Written again; after a late load that changed one day; by a newer builder; read as of each."""
    one, two = ({SUPPLY: edges([(1, other)])} for other in (2, 3))
    first = [graph(day, [1, 2, 3], one, "versions") for day in DAYS[:2]]
    changed = [first[0], graph(DAYS[1], [1, 2, 3], two, "versions")]
    assert write(database, *first, load_id=2) == 2
    assert write(database, *first, load_id=2) == 0
    assert write(database, *changed, load_id=5) == 1
    assert write(database, *changed, load_id=6) == 0
    assert write(database, *first, load_id=4) == 0  # as it was seen then
    newer = [graph(DAYS[0], [1], {}, "versions")]
    assert write(database, *newer, load_id=4, builder=NEW) == 1

    def seen(load_id: int) -> list[tuple[str, str]]:
        got = Snapshots.open(database, "versions", load_id=load_id)
        return [(one.version.removeprefix("versions."), one.content_hash) for one in got.last(DAYS[-1], 9)]

    assert seen(1) == []
    assert seen(3) == [("a builde@2", one.content_hash) for one in first]
    assert seen(4) == [("b, newer@4", newer[0].content_hash), ("a builde@2", first[1].content_hash)]
    assert seen(9) == [("b, newer@4", newer[0].content_hash), ("a builde@5", changed[1].content_hash)]
    assert write(database, *changed, load_id=9) == 0


def test_two_graphs_of_the_same_facts_by_one_builder_are_refused(database: Database, loads: list[int]) -> None:
    write(database, graph(DAYS[0], [1, 2], name="twice"))
    with pytest.raises(RefusedError, match='"twice" on 2020-01-28: builder a builde made another graph from load 1'):
        write(database, graph(DAYS[0], [1, 3], name="twice"))


def test_two_builders_at_once(database: Database, loads: list[int]) -> None:
    """The second waits for the first and then finds all of it there."""
    made = [graph(day, [1, 2], name="at once") for day in DAYS]
    with ThreadPoolExecutor(1) as pool:
        with database.write() as connection:
            assert write_graphs(connection, made, builder=OLD, load_id=1, closes=CLOSES) == len(DAYS)
            other = pool.submit(write, database, *made)
            sleep(0.3)
            assert not other.done()
        assert other.result(30) == 0


def test_snapshots_are_never_changed(database: Database, loads: list[int]) -> None:
    write(database, graph(DAYS[0], [1, 2], {SUPPLY: edges([(1, 2)])}, "fixed"))
    for table in ("graph_snapshots", "graph_node_arrays", "graph_edge_arrays"):
        for statement in (f"DELETE FROM {table}", f"UPDATE {table} SET graph_version = 'x'", f"TRUNCATE {table}"):
            with pytest.raises(DBAPIError, match=r"insert-only|permission denied"), database.owner() as connection:
                connection.execute(text(statement))


BROKEN = {
    "no close of that day": graph(date(2020, 2, 1), [1, 2]),
    "the company nodes do not ascend": Graph(np.datetime64(DAYS[0]), "g", "", {"company": np.array([2, 1])}, {}),
    "company 7 is no node of": graph(DAYS[0], [1, 2], {SUPPLY: edges([(1, 7)])}),
    "a weight is no number": graph(DAYS[0], [1, 2], {SUPPLY: edges([(1, 2)], np.nan)}),
    "2 sources, 1 targets, 1 weights": graph(
        DAYS[0], [1, 2], {SUPPLY: Edges(np.array([1, 2]), np.array([2]), np.ones(1, np.float32))}
    ),
    "edges do not ascend": graph(
        DAYS[0], [1, 2], {SUPPLY: Edges(np.array([1, 1]), np.array([2, 2]), np.ones(2, np.float32))}
    ),
}


@pytest.mark.parametrize("sentence", BROKEN)
def test_an_unsound_snapshot_is_refused(database: Database, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        write(database, BROKEN[sentence])


def test_each_day_once(database: Database) -> None:
    with pytest.raises(InputError, match='graph "g": two snapshots of one day among 2'):
        write(database, graph(DAYS[0], [1]), graph(DAYS[0], [1, 2]))
