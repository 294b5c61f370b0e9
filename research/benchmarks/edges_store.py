"""Top-50 edges of 2,500 nodes, snapshot by snapshot: arrays by `write_graphs` against a row per edge, both by COPY.

    python research/benchmarks/edges_store.py [SNAPSHOTS]

Both write the same edges into the same server, in turns, each in a transaction of its own that commits. The peer's
table is the least that holds such a graph: day, both ends and weight, with a primary key over all but the weight. Its
rows go through the same vectorised binary COPY, which an ordinary client does not have, and need not be checked or
hashed. It writes PEER_SNAPSHOTS of them and its time is extrapolated linearly, which favours it: its index grows. A
table of the columns of the view `graph_edges`, which says whose edges and of what kind, is timed too. What comes out of
the arrays is compared with what went in before the ratio is printed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta

import numpy as np
import pyarrow as pa
from harness import interleaved, peak_rss_gib, report, seconds
from store import throw_away

from nexus.db.copy import copy
from nexus.db.engine import Database
from nexus.db.graph import Edges, Graph
from nexus.db.graph_store import Snapshots, write_graphs

NODES, TOP, FIRST = 2_500, 50, date(2000, 1, 3)
SNAPSHOTS, PEER_SNAPSHOTS = 20, 4
TYPES = ("graph_version", "src_type", "relation", "dst_type")
CORRELATION = ("company", "correlation", "company")
ROWS = """
CREATE TABLE edge_rows (
    snapshot_date date NOT NULL,
    src_id integer NOT NULL,
    dst_id integer NOT NULL,
    weight real NOT NULL,
    PRIMARY KEY (snapshot_date, src_id, dst_id)
);
CREATE TABLE typed_edge_rows (
    snapshot_date date NOT NULL,
    graph_version text NOT NULL,
    src_type text NOT NULL,
    relation text NOT NULL,
    dst_type text NOT NULL,
    src_id integer NOT NULL,
    dst_id integer NOT NULL,
    weight real NOT NULL,
    PRIMARY KEY (snapshot_date, graph_version, src_type, relation, dst_type, src_id, dst_id)
);
GRANT SELECT, INSERT ON edge_rows, typed_edge_rows TO nexus_app;
"""


def graph(number: int, name: str) -> Graph:
    """Every node's 50 neighbours, another draw each time."""
    random = np.random.default_rng(number)
    chosen = np.argpartition(random.random((NODES, NODES), dtype=np.float32), TOP, axis=1)[:, :TOP]
    src = np.repeat(np.arange(1, NODES + 1), TOP)
    edges = Edges(src, np.sort(chosen, axis=1).ravel() + 1, random.random(NODES * TOP, dtype=np.float32))
    nodes = {"company": np.arange(1, NODES + 1)}
    return Graph(np.datetime64(FIRST + timedelta(28 * number)), name, "", nodes, {CORRELATION: edges})


def rows(one: Graph, attempt: int) -> pa.Table:
    """The same edges, a row each, under days that no other attempt has."""
    edges = one.edges[CORRELATION]
    return pa.table(
        {
            "snapshot_date": pa.array(np.full(len(edges), one.day.astype("M8[D]") + 1_000 * attempt)),
            "src_id": edges.src.astype(np.int32),
            "dst_id": edges.dst.astype(np.int32),
            "weight": edges.weight,
        }
    )


def typed_rows(one: Graph, attempt: int) -> pa.Table:
    """With the columns that say whose edges they are and of what kind."""
    table = rows(one, attempt)
    for name, value in zip(TYPES, (f"try {attempt}", *CORRELATION), strict=True):
        table = table.append_column(name, pa.array([value] * len(table), pa.string()))
    return table


def main(snapshots: int) -> None:
    with throw_away() as database:
        with database.owner() as connection:
            connection.exec_driver_sql(ROWS)
        tries: Iterator[int] = iter(range(99))
        best, best_peer = interleaved(
            lambda: ours(database, snapshots, next(tries)),
            lambda: theirs(database, "edge_rows", rows, next(tries)),
            3,
            3,
        )
        share = snapshots / PEER_SNAPSHOTS
        typed = share * theirs(database, "typed_edge_rows", typed_rows, next(tries))
        print(f"{snapshots} snapshots of {NODES * TOP:,} edges; the peer wrote {PEER_SNAPSHOTS} in {best_peer:.2f} s")
        print(f"with the types in every row it takes {typed:.2f} s (extrapolated), {typed / best:.1f} times ours")
        report("edges_store", best, best_peer * share, 10, "COPY of a row per edge (extrapolated)", peak_rss_gib())


def ours(database: Database, snapshots: int, attempt: int) -> float:
    """Seconds to write the snapshots under a new name, commit included."""
    name = f"try {attempt}"
    graphs = [graph(number, name) for number in range(snapshots)]
    closes = {one.day.item(): datetime.fromisoformat(f"{one.day}T21:00:00+00:00") for one in graphs}

    def write() -> None:
        with database.write() as connection:
            write_graphs(connection, graphs, builder="benchmark", load_id=0, closes=closes)

    taken = seconds(write)
    read = Snapshots.open(database, name)
    if [one.content_hash for one in graphs] != [one.content_hash for one in read.last(graphs[-1].day, snapshots)]:
        raise SystemExit("edges_store: what was read is not what was written")
    return taken


def theirs(database: Database, name: str, rows_of: Callable[[Graph, int], pa.Table], attempt: int) -> float:
    """Seconds to write the peer's share as rows of that table, commit included."""
    tables = [rows_of(graph(number, ""), attempt) for number in range(PEER_SNAPSHOTS)]

    def write() -> None:
        with database.write() as connection:
            for table in tables:
                copy(connection, name, table)

    return seconds(write)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else SNAPSHOTS)
