"""Graph snapshots into the database: arrays of ids and weights, three rows or so a snapshot, each content once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sqlalchemy import text

from nexus.db.copy import copy
from nexus.db.engine import Writing
from nexus.db.graph import Edges, Graph
from nexus.db.graph_reader import Snapshots
from nexus.db.shape import INSTANT
from nexus.errors import InputError, RefusedError

__all__ = ["Snapshots", "check_days", "graph_version", "write_graphs"]

LOCK = 4203
"""First key of the advisory locks of graphs; the second is a hash of the graph's name."""
_NOBODY = np.empty(0, np.int64)
PART = 2**23  # edges of one round of COPY: some hundred megabytes encoded


def graph_version(graph: str, builder: str, load_id: int) -> str:
    """The name under which a builder's snapshots are stored that first came to be at `load_id`."""
    return f"{graph}.{builder[:8]}@{load_id}"


def write_graphs(
    connection: Writing, graphs: Sequence[Graph], *, builder: str, load_id: int, closes: Mapping[date, datetime]
) -> int:
    """Insert the snapshots whose content is not that of the newest one of the same graph, builder and day.

    graphs : of any recipes and days, one of each; their `version` is ignored
    builder : digest of the recipe and of the code; load_id : the facts up to it were seen
    closes : when each day's session closed: the snapshot's known_at
    Returns how many were inserted.

    Raises
    ------
    InputError
        When a snapshot is unsound (see `Graph`, `Edges`), its day has no close, or two are of one graph and day.
    RefusedError
        When the builder made another graph from the very same facts before.
    """
    for graph in graphs:
        _check(graph, closes)
    written = 0
    for name in sorted({graph.graph for graph in graphs}):
        own = [graph for graph in graphs if graph.graph == name]
        days = [_date(graph) for graph in own]
        if len(set(days)) < len(days):
            raise InputError(f'graph "{name}": two snapshots of one day among {len(days)}; write each day once')
        connection.execute(_LOCK, {"lock": LOCK, "graph": name})
        known = _newest(connection, name, builder, load_id, days)
        new = [graph for graph in own if known.get(_date(graph), ("", -1))[0] != graph.content_hash]
        for graph in new:
            if known.get(_date(graph), ("", -1))[1] == load_id:
                raise RefusedError(
                    f'graph "{name}" on {graph.day}: builder {builder[:8]} made another graph from load {load_id} '
                    "before; what it reads beside the facts belongs into its digest"
                )
        for part in _parts(new):
            _insert(connection, part, builder, load_id, closes)
        written += len(new)
    return written


def check_days(connection: Writing, graph: str, builder: str, days: Sequence[date], load_id: int) -> None:
    """Remember that the builder has looked at these days with the facts up to the load, whatever came of it."""
    asked = {"graph": graph, "builder": builder, "days": list(days), "load_id": load_id}
    connection.execute(_CHECK, asked)


def _newest(
    connection: Writing, graph: str, builder: str, load_id: int, days: Sequence[date]
) -> dict[date, tuple[str, int]]:
    """Content hash and load of the newest snapshot of each day, later loads than `load_id` left out."""
    asked = {"graph": graph, "builder": builder, "load_id": load_id, "days": list(days)}
    return {row.snapshot_date: (row.content_hash, row.load_id) for row in connection.execute(_NEWEST, asked)}


def _parts(graphs: Sequence[Graph]) -> Iterator[list[Graph]]:
    part: list[Graph] = []
    size = 0
    for graph in graphs:
        edges = sum(len(one) for one in graph.edges.values())
        if part and size + edges > PART:
            yield part
            part, size = [], 0
        part.append(graph)
        size += edges
    if part:
        yield part


def _insert(
    connection: Writing, graphs: Sequence[Graph], builder: str, load_id: int, closes: Mapping[date, datetime]
) -> None:
    days = [_date(graph) for graph in graphs]
    versions = [graph_version(graph.graph, builder, load_id) for graph in graphs]
    n = len(graphs)
    snapshots = {
        "snapshot_date": pa.array(days, pa.date32()),
        "graph_version": versions,
        "graph": [graph.graph for graph in graphs],
        "builder": [builder] * n,
        "content_hash": [graph.content_hash for graph in graphs],
        "known_at": pa.array([closes[day] for day in days], INSTANT),
        "load_id": pa.array([load_id] * n, pa.int64()),
        "tier": [graph.tier for graph in graphs],
        "n_nodes": pa.array([sum(map(len, graph.nodes.values())) for graph in graphs], pa.int32()),
        "n_edges": pa.array([sum(map(len, graph.edges.values())) for graph in graphs], pa.int32()),
    }
    copy(connection, "graph_snapshots", pa.table(snapshots))
    nodes = [(at, kind, ids) for at, graph in enumerate(graphs) for kind, ids in graph.nodes.items()]
    keys = {
        "snapshot_date": pa.array([days[at] for at, _, _ in nodes], pa.date32()),
        "graph_version": pa.array([versions[at] for at, _, _ in nodes], pa.string()),
        "node_type": pa.array([kind for _, kind, _ in nodes], pa.string()),
    }
    copy(connection, "graph_node_arrays", pa.table({**keys, "entity_ids": _lists([ids for _, _, ids in nodes], "i4")}))
    edges = [(at, kind, one) for at, graph in enumerate(graphs) for kind, one in graph.edges.items()]
    keys = {
        "snapshot_date": pa.array([days[at] for at, _, _ in edges], pa.date32()),
        "graph_version": pa.array([versions[at] for at, _, _ in edges], pa.string()),
        **{
            column: pa.array([kind[place] for _, kind, _ in edges], pa.string())
            for place, column in enumerate(("src_type", "relation", "dst_type"))
        },
    }
    sources = [_sources(one) for _, _, one in edges]
    arrays = {
        "src_ids": _lists([ids for ids, _ in sources], "i4"),
        "src_counts": _lists([counts for _, counts in sources], "i4"),
        "dst_ids": _lists([one.dst for _, _, one in edges], "i4"),
        "weights": _lists([one.weight for _, _, one in edges], "f4"),
    }
    copy(connection, "graph_edge_arrays", pa.table({**keys, **arrays}))


def _sources(edges: Edges) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Each source once, ascending, and how many edges it has."""
    src = edges.src
    first = np.flatnonzero(np.concatenate([[True], src[1:] != src[:-1]])[: len(src)])
    return src[first], np.diff(first, append=len(src))


def _lists(arrays: Sequence[NDArray[np.generic]], kind: str) -> pa.ListArray:
    ends = np.concatenate([[0], np.cumsum([len(array) for array in arrays], dtype=np.int64)]).astype("i4")
    flat = np.concatenate([*arrays, np.empty(0, kind)], dtype=kind, casting="same_kind")
    return pa.ListArray.from_arrays(pa.array(ends), pa.array(flat))


def _check(graph: Graph, closes: Mapping[date, datetime]) -> None:
    what = f'graph "{graph.graph}" on {graph.day}'
    if _date(graph) not in closes:
        raise InputError(f"{what}: no close of that day; a snapshot is of a session")
    for kind, ids in graph.nodes.items():
        if not (ids[1:] > ids[:-1]).all():
            raise InputError(f"{what}: the {kind} nodes do not ascend; sort them, each once")
    for (source, relation, target), edges in graph.edges.items():
        _check_edges(f"{what}, {source} {relation} {target}", edges)
        for node_type, ends in ((source, _sources(edges)[0]), (target, edges.dst)):
            if not np.isin(ends, graph.nodes.get(node_type, _NOBODY)).all():
                graph.places(node_type, ends)  # names who is missing


def _check_edges(what: str, edges: Edges) -> None:
    if not len(edges.src) == len(edges.dst) == len(edges.weight):
        raise InputError(f"{what}: {len(edges.src)} sources, {len(edges.dst)} targets, {len(edges.weight)} weights")
    if not np.isfinite(edges.weight).all():
        raise InputError(f"{what}: a weight is no number; leave such edges out")
    step = edges.src[1:] - edges.src[:-1]
    if not ((step > 0) | ((step == 0) & (edges.dst[1:] > edges.dst[:-1]))).all():
        raise InputError(f"{what}: edges do not ascend by (src, dst); sort them, each once")


def _date(graph: Graph) -> date:
    day: date = graph.day.astype("datetime64[D]").item()
    return day


_LOCK = text("SELECT pg_advisory_xact_lock(:lock, hashtext(:graph))")
_NEWEST = text(
    "SELECT DISTINCT ON (snapshot_date) snapshot_date, content_hash, load_id FROM graph_snapshots "
    "WHERE graph = :graph AND builder = :builder AND load_id <= :load_id AND snapshot_date = ANY(:days) "
    "ORDER BY snapshot_date, load_id DESC"
)
_CHECK = text(
    "INSERT INTO graph_checks SELECT :graph, :builder, day, :load_id FROM unnest(CAST(:days AS date[])) day "
    "ON CONFLICT (graph, builder, snapshot_date) DO UPDATE SET load_id = greatest(graph_checks.load_id, :load_id)"
)
