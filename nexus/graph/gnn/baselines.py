"""What a link predictor must beat: five scores of a pair that need no training."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from nexus.db.graph import EdgeType, Graph
from nexus.graph.gnn.links import Transition
from nexus.maths.types import Floats, Ints

BASELINES = ("persistence", "common_neighbours", "degree_product", "last_value", "age")


def baselines(step: Transition, history: History, src: Ints, dst: Ints) -> dict[str, Floats]:
    """Each baseline's score of pairs, the higher the likelier an edge.

    src, dst : (n,) places among the nodes of `step.before`
    history : has seen every snapshot up to and including `step.before`, none later
    persistence : 1 where the earlier snapshot has the edge (on new edges it is .5 by construction)
    common_neighbours : see `paths_between`
    degree_product : edges of this type at the one end times those at the other
    last_value : size of the weight the edge had when last seen, 0 where never
    age : minus the snapshots since it was last seen; never seen is older than any
    """
    source, _, target = step.edge_type
    value, age = history.last(step.edge_type, step.before.nodes[source][src], step.before.nodes[target][dst])
    return {
        "persistence": (age == 0).astype(float),
        "common_neighbours": paths_between(step.before, step.edge_type, src, dst),
        "degree_product": (step.degrees[0][src] * step.degrees[1][dst]).astype(float),
        "last_value": value,
        "age": -age.astype(float),
    }


def paths_between(graph: Graph, edge_type: EdgeType, src: Ints, dst: Ints) -> Floats:
    """Number of paths from `src` to `dst` along edges of any type, either way, parallel edges counted once.

    Of length two, through one common neighbour, where both ends are of one type. Of length three where they are not:
    two ends of a bipartite relation share no neighbour, but a fund and a stock may share a fund that holds the one and
    a stock that the other holds (Huang, Li & Chen 2005).
    """
    from scipy.sparse import csr_array

    source, _, target = edge_type
    start, n = _starts(graph)
    rows, columns = _either_way(graph, start)
    adjacency = csr_array((np.ones(len(rows)), (rows, columns)), shape=(n, n))
    adjacency.data[:] = 1.0
    out, into = src + start[source], dst + start[target]
    if source == target:
        return _at(adjacency @ adjacency, out, into)
    # of the walks u-a-b-v of an edge u-v, those that go back over it are no paths
    degree = np.asarray(adjacency.sum(axis=1))
    back = _at(adjacency, out, into) * (degree[out] + degree[into] - 1)
    leaving = adjacency[start[source] : start[source] + len(graph.nodes[source])]
    walks = _at(leaving @ adjacency @ adjacency, src, into)
    return np.asarray(walks - back)


@dataclass
class History:
    """When each edge was last seen and with which weight, over snapshots in order."""

    seen: int = 0
    _last: dict[EdgeType, tuple[Ints, Ints, Floats]] = field(default_factory=dict)

    @classmethod
    def of(cls, graphs: Iterable[Graph]) -> History:
        """One that has seen `graphs`, oldest first."""
        history = cls()
        for graph in graphs:
            history.see(graph)
        return history

    def see(self, graph: Graph) -> None:
        """Take in the next snapshot."""
        for edge_type, edges in graph.edges.items():
            pairs, when, value = self._last.get(edge_type, _NOTHING)
            pairs = np.concatenate([_pair(edges.src, edges.dst), pairs])
            when = np.concatenate([np.full(len(edges), self.seen), when])
            value = np.concatenate([np.abs(edges.weight.astype(float)), value])
            kept, first = np.unique(pairs, return_index=True)
            self._last[edge_type] = kept, when[first], value[first]
        self.seen += 1

    def last(self, edge_type: EdgeType, src_ids: Ints, dst_ids: Ints) -> tuple[Floats, Ints]:
        """Size of the weight when last seen, and how many snapshots ago; where never, 0 and as many as were seen."""
        pairs, when, value = self._last.get(edge_type, _NOTHING)
        if not len(pairs):
            return np.zeros(len(src_ids)), np.full(len(src_ids), self.seen)
        wanted = _pair(src_ids, dst_ids)
        found = np.minimum(np.searchsorted(pairs, wanted), len(pairs) - 1)
        there = pairs[found] == wanted
        return np.where(there, value[found], 0.0), np.where(there, self.seen - 1 - when[found], self.seen)


_NOTHING: tuple[Ints, Ints, Floats] = (np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))


def _pair(src: Ints, dst: Ints) -> Ints:
    """Entity ids fit in 31 bits."""
    return (np.asarray(src, np.int64) << 32) | np.asarray(dst, np.int64)


def _starts(graph: Graph) -> tuple[dict[str, int], int]:
    start, n = {}, 0
    for node_type in sorted(graph.nodes):
        start[node_type] = n
        n += len(graph.nodes[node_type])
    return start, n


def _either_way(graph: Graph, start: dict[str, int]) -> tuple[Ints, Ints]:
    """Both directions of every edge of every type, each pair once, in joint places."""
    out, into = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for (source, _, target), edges in graph.edges.items():
        out.append(graph.places(source, edges.src) + start[source])
        into.append(graph.places(target, edges.dst) + start[target])
    rows, columns = np.concatenate([*out, *into]), np.concatenate([*into, *out])
    pairs = np.unique(_pair(rows, columns))
    return pairs >> 32, pairs & 0xFFFFFFFF


def _at(matrix: object, rows: Ints, columns: Ints) -> Floats:
    """Entries of a sparse matrix; none where nothing is asked."""
    return np.asarray(matrix[rows, columns]).astype(float).ravel() if len(rows) else np.empty(0)  # type: ignore[index]
