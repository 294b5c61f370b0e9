"""What features of `nexus.graph.gnn.data` lose with an edge: those of its ends, and all by the unit of weights."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from nexus.db.graph import Graph
from nexus.graph.gnn.data import FEATURES, UNDIRECTED
from nexus.graph.gnn.edge_list import EdgeList
from nexus.maths.types import Bools, Floats
from nexus.nn.hetero import Tensors

_WEIGHTED, _NEW = FEATURES.index("weighted_degree"), FEATURES.index("new_share")


class FeatureSlopes:
    """Edges of a snapshot and the features of its nodes, node types ascending."""

    def __init__(self, edges: EdgeList, told: Tensors, previous: Sequence[Graph]) -> None:
        self.edges, self._previous = edges, previous
        self._values = np.concatenate([told.features[kind].numpy() for kind in sorted(told.features)]).astype(float)

    def by_edge(self, slopes: Floats) -> Floats:
        """First-order change by each edge (n_edges,).

        slopes : (n_nodes, features) of what is wanted, in the units of the features
        """
        ends = np.einsum("sef,sef->e", self._ends, slopes[self.edges.ends])
        pull = slopes[:, _WEIGHTED] / np.exp(self._values[:, _WEIGHTED])
        found: Floats = ends - self._lighter * (self._sums @ pull)[self.edges.kind]
        return found

    @cached_property
    def _ends(self) -> Floats:
        """Of source and target, exactly, (2, n_edges, features)."""
        edges, lost = self.edges, np.zeros((2, len(self.edges), len(FEATURES)))
        both = self._both
        lost[0, :, 1] = lost[1, :, 0] = 1
        lost[0, :, 0] = lost[1, :, 1] = both
        lost[:, :, _WEIGHTED] = self._size
        counts = np.expm1(np.minimum(self._values, 50.0))[edges.ends]
        change: Floats = self._values[edges.ends] - np.log1p(np.maximum(counts - lost, 0.0))
        change[:, :, 3:] = 0.0
        degree = np.bincount(edges.ends.ravel(), minlength=len(self._values))[edges.ends]
        share = self._values[edges.ends, _NEW]
        change[:, :, _NEW] = share - np.where(degree > 1, (share * degree - self._new) / np.maximum(degree - 1, 1), 0.0)
        return change

    @cached_property
    def _size(self) -> Floats:
        """|weight| over the mean of the edge type, (n_edges,)."""
        size = np.zeros(len(self.edges))
        for kind in self.edges.kinds:
            weight = np.abs(np.nan_to_num(self.edges.graph.edges[kind].weight, nan=0.0, posinf=0.0, neginf=0.0))
            size[self.edges.numbers(kind)] = weight / (weight.mean() or 1.0)
        return size

    @cached_property
    def _lighter(self) -> Floats:
        """By what share all other weights of its type grow when the edge no longer counts in their mean, (n_edges,)."""
        n = np.bincount(self.edges.kind, minlength=len(self.edges.kinds))[self.edges.kind]
        return (self._size - 1) / np.maximum(n - 1, 1)

    @cached_property
    def _sums(self) -> Floats:
        """Weighted degree of each node by edge type, (n_kinds, n_nodes)."""
        sums = np.zeros((len(self.edges.kinds), len(self._values)))
        for ends in self.edges.ends:
            np.add.at(sums, (self.edges.kind, ends), self._size)
        return sums

    @property
    def _both(self) -> Bools:
        undirected = np.array([kind[1] in UNDIRECTED for kind in self.edges.kinds], bool)
        return undirected[self.edges.kind]

    @property
    def _new(self) -> Bools:
        """Whether the snapshot before had no such edge."""
        return self.edges.missing_from(self._previous[-1]) if self._previous else np.zeros(len(self.edges), bool)
