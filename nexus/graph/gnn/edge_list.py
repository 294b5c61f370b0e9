"""The edges of a snapshot, numbered, so that any of them can be named and taken away."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from nexus.db.graph import Edges, EdgeType, Graph, Ints
from nexus.graph.gnn.data import tensors
from nexus.maths.types import Bools

MOST = 1 << 24
"""Numbers beyond are not all exact as weights."""


@dataclass(frozen=True)
class EdgeList:
    """All stored edges of a snapshot (n,), by edge type, in the order of the types.

    kinds : edge types, ascending; kind : (n,) place in it
    src, dst : (n,) entity ids; ends : (2, n) places among all nodes, node types ascending
    """

    graph: Graph
    kinds: tuple[EdgeType, ...]
    kind: Ints
    src: Ints
    dst: Ints
    ends: Ints

    @classmethod
    def of(cls, graph: Graph) -> EdgeList:
        """Number the edges."""
        kinds = tuple(sorted(kind for kind, edges in graph.edges.items() if len(edges)))
        node_types = sorted(graph.nodes)
        first = dict(zip(node_types, np.cumsum([0, *(len(graph.nodes[each]) for each in node_types)]), strict=False))
        nothing: Ints = np.empty(0, np.int64)
        parts = [[nothing] * 5] + [
            [
                np.full(len(edges), place), edges.src, edges.dst,
                first[kind[0]] + graph.places(kind[0], edges.src), first[kind[2]] + graph.places(kind[2], edges.dst),
            ]
            for place, kind in enumerate(kinds)
            for edges in [graph.edges[kind]]
        ]  # fmt: skip
        kind, src, dst, *ends = (np.concatenate(column) for column in zip(*parts, strict=True))
        return cls(graph, kinds, kind, src, dst, np.stack(ends))

    def __len__(self) -> int:
        return len(self.src)

    def name(self, edge: int) -> str:
        """RELATION:SOURCE>TARGET, entity ids, as stored."""
        return f"{self.kinds[self.kind[edge]][1]}:{self.src[edge]}>{self.dst[edge]}"

    def numbers(self, kind: EdgeType) -> Ints:
        """Edges of one stored type, in their order."""
        return np.flatnonzero(self.kind == self.kinds.index(kind)) if kind in self.kinds else np.empty(0, np.int64)

    def directed(self, two_way: Collection[str]) -> Mapping[EdgeType, Ints]:
        """Which edge each column of `tensors(graph, two_way=two_way).edge_index` is, by its edge type."""
        assert len(self) < MOST
        weights = {kind: self.numbers(kind).astype(np.float32) for kind in self.kinds}
        numbered = {kind: replace(self.graph.edges[kind], weight=weights[kind]) for kind in self.kinds}
        made = tensors(replace(self.graph, edges=numbered), two_way=two_way)
        return {kind: each.numpy().astype(np.int64) for kind, each in made.weight.items()}

    def without(self, graph: Graph, drop: Ints) -> Graph:
        """A snapshot, this or another, without those edges, where it has them."""
        edges = dict(graph.edges)
        for place in np.unique(self.kind[drop]).tolist():
            kind, dropped = self.kinds[place], drop[self.kind[drop] == place]
            if kind in edges:
                each = edges[kind]
                kept = ~np.isin(self._key(each.src, each.dst), self._key(self.src[dropped], self.dst[dropped]))
                edges[kind] = Edges(each.src[kept], each.dst[kept], each.weight[kept])
        return replace(graph, edges={kind: each for kind, each in edges.items() if len(each)})

    def missing_from(self, graph: Graph) -> Bools:
        """Which of the edges another snapshot has not, (n,)."""
        found: Bools = np.ones(len(self), bool)
        for kind, there in graph.edges.items():
            numbers = self.numbers(kind)
            mine = self._key(self.src[numbers], self.dst[numbers])
            found[numbers] = ~np.isin(mine, self._key(there.src, there.dst))
        return found

    def around(self, company: int, hops: int) -> Ints:
        """Edges of the nodes that are fewer than `hops` edges away, in any direction: what `hops` layers can tell of.

        With two layers the company's own edges and those of its neighbours.
        """
        near: Bools = np.zeros(self._n_nodes, bool)
        start = sum(len(ids) for kind, ids in self.graph.nodes.items() if kind < "company")
        near[start + self.graph.places("company", np.array([company]))] = True
        touched: Bools = np.zeros(len(self), bool)
        for _ in range(hops):
            touched = np.asarray(near[self.ends].any(axis=0))
            near[self.ends[:, touched]] = True
        return np.flatnonzero(touched)

    @cached_property
    def _n_nodes(self) -> int:
        return sum(len(ids) for ids in self.graph.nodes.values())

    def _key(self, src: Ints, dst: Ints) -> Ints:
        """A number of its own for each pair of entities: their ids are 32-bit."""
        return (src.astype(np.int64) << 32) | dst
