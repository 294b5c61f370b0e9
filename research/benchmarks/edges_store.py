"""Top-50 edges of 2,500 nodes, snapshot by snapshot: arrays by `write_graphs` against a row per edge, both by COPY.

    python research/benchmarks/edges_store.py [SNAPSHOTS]

Both write the same edges into the same server, in turns, each in a transaction of its own that commits. The peer's
table has the columns of the view `graph_edges` and a primary key over all but the weight; its rows go through the same
vectorised binary COPY, which an ordinary client does not have, and need not be checked or hashed. It writes
PEER_SNAPSHOTS of them and its time is extrapolated linearly, which favours it: its index grows. (A table without the
columns of the types, which could hold one kind of edge only, takes about a quarter of the peer's time.) What comes out
of the arrays is compared with what went in before the ratio is printed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
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
    graph_version text NOT NULL,
    src_type text NOT NULL,
    relation text NOT NULL,
    dst_type text NOT NULL,
    src_id integer NOT NULL,
    dst_id integer NOT NULL,
    weight real NOT NULL,
    PRIMARY KEY (snapshot_date, graph_version, src_type, relation, dst_type, src_id, dst_id)
);
GRANT SELECT, INSERT ON edge_rows TO nexus_app;
"""


def graph(number: int, name: str) -> Graph:
    """Every node's 50 neighbours, another draw each time."""
    random = np.random.default_rng(number)
    chosen = np.argpartition(random.random((NODES, NODES), dtype=np.float32), TOP, axis=1)[:, :TOP]
    src = np.repeat(np.arange(1, NODES + 1), TOP)
    edges = Edges(src, np.sort(chosen, axis=1).ravel() + 1, random.random(NODES * TOP, dtype=np.float32))
    nodes = {"company": np.arange(1, NODES + 1)}
    return Graph(np.datetime64(FIRST + timedelta(28 * number)), name, "", nodes, {CORRELATION: edges})


def rows(one: Graph, version: str) -> pa.Table:
    """The same edges, a row each."""
    edges = one.edges[CORRELATION]
    texts = dict(zip(TYPES, (version, *CORRELATION), strict=True))
    return pa.table(
        {
            "snapshot_date": pa.array(np.full(len(edges), one.day.astype("M8[D]"))),
            **{name: pa.array([value] * len(edges), pa.string()) for name, value in texts.items()},
            "src_id": edges.src.astype(np.int32),
            "dst_id": edges.dst.astype(np.int32),
            "weight": edges.weight,
        }
    )


def main(snapshots: int) -> None:
    with throw_away() as database:
        with database.owner() as connection:
            connection.exec_driver_sql(ROWS)
        tries: Iterator[int] = iter(range(99))
        best, best_peer = interleaved(
            lambda: ours(database, snapshots, next(tries)), lambda: theirs(database, next(tries)), 3, 3
        )
        scaled = best_peer * snapshots / PEER_SNAPSHOTS
        print(f"{snapshots} snapshots of {NODES * TOP:,} edges; the peer wrote {PEER_SNAPSHOTS} in {best_peer:.2f} s")
        report("edges_store", best, scaled, 10, "COPY of a row per edge (extrapolated)", peak_rss_gib())


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


def theirs(database: Database, attempt: int) -> float:
    """Seconds to write the peer's share as rows, commit included."""
    tables = [rows(graph(number, ""), f"try {attempt}") for number in range(PEER_SNAPSHOTS)]

    def write() -> None:
        with database.write() as connection:
            for table in tables:
                copy(connection, "edge_rows", table)

    return seconds(write)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else SNAPSHOTS)
