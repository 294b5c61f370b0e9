"""Snapshots as tensors: five features a node of any type has, from structure known on the day only."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from nexus.db.graph import UNDIRECTED, Edges, EdgeType, Graph, Ints
from nexus.nn.hetero import Metadata, Tensors

__all__ = ["FEATURES", "HISTORY", "TWO_WAY", "UNDIRECTED", "Tensors", "metadata", "tensors"]

FEATURES = ("in_degree", "out_degree", "weighted_degree", "age", "new_share")
HISTORY = 12
"""Snapshots back to which a node's age is counted; earlier ones change nothing."""
TWO_WAY = frozenset({"supplies", "holds"})
"""Directed relations whose reverse, `rev_NAME`, is a relation of its own: both ends learn of the edge."""

_Arrays = tuple[Ints, Ints, NDArray[np.float32]]


def tensors(graph: Graph, previous: Sequence[Graph] = (), *, two_way: Collection[str] = TWO_WAY) -> Tensors:
    """One snapshot as tensors.

    previous : snapshots before it, oldest first; the last `HISTORY` count
    two_way : directed relations that get a reverse

    The features of a node, float32, never NaN, in the order of `FEATURES` (edges as stored: a reverse is no edge of its
    own; both ends of an undirected edge have it as in-edge and as out-edge):

    - log1p of the edges into it, and of those out of it;
    - log1p of the summed |weight| of its edges, each divided by the mean of its edge type in the snapshot, so that
      units do not matter; a weight that is not finite counts as 0;
    - log1p of the snapshots since it was first seen, at most `HISTORY`; 0 for a new node;
    - the share of its edges that the previous snapshot lacks; 0 without an edge or without a previous snapshot.
    """
    placed = {kind: _placed(graph, kind, edges) for kind, edges in graph.edges.items() if len(edges)}
    return _assembled(graph, _features(graph, placed, previous[-HISTORY:]), _directions(placed, two_way))


def metadata(graphs: Sequence[Graph], *, two_way: Collection[str] = TWO_WAY) -> Metadata:
    """Node types and edge types, reverses included, that occur in any of the snapshots; sorted, as PyG's metadata."""
    node_types = {node_type for graph in graphs for node_type, ids in graph.nodes.items() if len(ids)}
    stored = {kind for graph in graphs for kind, edges in graph.edges.items() if len(edges)}
    return sorted(node_types), sorted(direction for kind in stored for direction in _names(kind, two_way))


def _names(kind: EdgeType, two_way: Collection[str]) -> set[EdgeType]:
    src, relation, dst = kind
    if relation in UNDIRECTED:
        return {kind, (dst, relation, src)}
    return {kind, (dst, f"rev_{relation}", src)} if relation in two_way else {kind}


def _placed(graph: Graph, kind: EdgeType, edges: Edges) -> _Arrays:
    return graph.places(kind[0], edges.src), graph.places(kind[2], edges.dst), edges.weight


def _directions(placed: dict[EdgeType, _Arrays], two_way: Collection[str]) -> dict[EdgeType, _Arrays]:
    found: dict[EdgeType, list[_Arrays]] = {}
    for kind, (src, dst, weight) in placed.items():
        found.setdefault(kind, []).append((src, dst, weight))
        for back in _names(kind, two_way) - {kind}:
            found.setdefault(back, []).append((dst, src, weight))
        if kind[1] in UNDIRECTED and kind[0] == kind[2]:
            other = src != dst
            found[kind].append((dst[other], src[other], weight[other]))
    return {kind: _joined(parts) for kind, parts in sorted(found.items())}


def _joined(parts: list[_Arrays]) -> _Arrays:
    src, dst, weight = (np.concatenate(column) for column in zip(*parts, strict=True))
    return src, dst, weight


def _features(
    graph: Graph, placed: dict[EdgeType, _Arrays], previous: Sequence[Graph]
) -> dict[str, NDArray[np.float32]]:
    """As `tensors` says, node type -> (n, features)."""
    counts = {node_type: np.zeros((5, len(ids))) for node_type, ids in graph.nodes.items()}
    for kind, (src, dst, weight) in placed.items():
        new, size = _new(kind, graph.edges[kind], previous), _relative(weight)
        for incoming, node_type, places in ((0, kind[0], src), (1, kind[2], dst)):
            n = len(graph.nodes[node_type])
            edges_of = np.bincount(places, minlength=n).astype(np.float64)
            both = kind[1] in UNDIRECTED
            counts[node_type] += np.stack([
                edges_of * (incoming or both), edges_of * (both or not incoming),
                np.bincount(places, size, n), np.bincount(places, new, n), edges_of,
            ])  # fmt: skip
    found = {}
    for node_type, ids in graph.nodes.items():
        *degrees, fresh, edges_of = counts[node_type]
        logs = np.log1p([*degrees, _age(node_type, ids, previous)])
        found[node_type] = np.vstack([logs, fresh / np.maximum(edges_of, 1)]).T.astype(np.float32, order="C")
    return found


def _relative(weight: NDArray[np.float32]) -> NDArray[np.float64]:
    size = np.abs(np.where(np.isfinite(weight), weight, 0.0)).astype(np.float64)
    mean = size.mean()
    return size / mean if mean > 0 else size


def _new(kind: EdgeType, edges: Edges, previous: Sequence[Graph]) -> NDArray[np.float64]:
    """1 where the snapshot before had no such edge."""
    if not previous:
        return np.zeros(len(edges))
    before = previous[-1].edges.get(kind)
    if before is None:
        return np.ones(len(edges))
    span = max(int(each.dst.max(initial=0)) for each in (before, edges)) + 1
    old, now = (each.src.astype(np.int64) * span + each.dst for each in (before, edges))
    return (~np.isin(now, old, kind="sort")).astype(np.float64)


def _age(node_type: str, ids: Ints, previous: Sequence[Graph]) -> NDArray[np.int64]:
    age = np.zeros(len(ids), np.int64)
    for back, graph in enumerate(reversed(previous) if len(ids) else (), 1):
        there = graph.nodes.get(node_type, ids[:0])
        found = np.minimum(np.searchsorted(ids, there), len(ids) - 1)
        age[found[ids[found] == there]] = back
    return age


def _assembled(graph: Graph, columns: dict[str, NDArray[np.float32]], directions: dict[EdgeType, _Arrays]) -> Tensors:
    return Tensors(
        {node_type: torch.from_numpy(columns[node_type]) for node_type in sorted(columns)},
        {kind: torch.from_numpy(np.stack([src, dst])) for kind, (src, dst, _) in directions.items()},
        {node_type: graph.nodes[node_type] for node_type in sorted(columns)},
        {kind: torch.from_numpy(weight.copy()) for kind, (_, _, weight) in directions.items()},
    )
