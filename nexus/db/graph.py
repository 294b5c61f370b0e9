"""A graph as of one day: who was there and who was tied to whom, as it was known then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from nexus.errors import InputError

Ints = NDArray[np.int64]
Weights = NDArray[np.float32]
EdgeType = tuple[str, str, str]
"""(source node type, relation, target node type)."""

NODE_TYPES = ("company", "director", "extended", "fund")
UNDIRECTED = frozenset({"board", "competes", "correlation", "fund_similarity", "sector"})
"""Relations that hold both ways, each edge stored once; any other goes from source to target."""


@dataclass(frozen=True)
class Edges:
    """Edges of one type: entity ids of source and target and a weight, (n_edges,) each, sorted by (src, dst), unique.

    An undirected relation is stored once, src < dst. A weight is 1 where the relation has none.
    """

    src: Ints
    dst: Ints
    weight: Weights

    def __len__(self) -> int:
        return len(self.src)


@dataclass(frozen=True)
class Graph:
    """One snapshot.

    day : the session whose close it is of
    graph : the recipe's name; version : which building of it, a `graph_version`
    nodes : node type -> (n,) entity ids, ascending; every end of an edge is among them
    edges : edge type -> its edges; a type without an edge on that day is left out
    tier : as of a factor, by the sources of its rows
    """

    day: np.datetime64
    graph: str
    version: str
    nodes: Mapping[str, Ints]
    edges: Mapping[EdgeType, Edges]
    tier: str = "A"

    @cached_property
    def content_hash(self) -> str:
        """sha256 of the sorted nodes and edges, day not included: the same hash, the same graph."""
        from nexus.db.fingerprint import digest

        parts: list[object] = []
        for node_type in sorted(self.nodes):
            parts += [node_type, self.nodes[node_type].astype("<i8")]
        for edge_type in sorted(self.edges):
            edges = self.edges[edge_type]
            parts += [edge_type, edges.src.astype("<i8"), edges.dst.astype("<i8"), edges.weight.astype("<f4")]
        return digest(*parts)

    def places(self, node_type: str, ids: Ints) -> Ints:
        """Place of each entity among the nodes of its type.

        Raises
        ------
        InputError
            When one is not there.
        """
        there = self.nodes.get(node_type, np.empty(0, np.int64))
        found = np.minimum(np.searchsorted(there, ids), max(len(there) - 1, 0))
        if len(ids) and (not len(there) or (there[found] != ids).any()):
            missing = np.setdiff1d(ids, there)
            raise InputError(f"{node_type} {missing[0]} is no node of {self.version} on {self.day}; {len(there)} are")
        return found
