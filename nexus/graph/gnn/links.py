"""What happens to the edges of one type from one snapshot to the next, and the questions a link predictor is asked."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Literal

import numpy as np

from nexus.db.graph import UNDIRECTED, EdgeType, Graph
from nexus.errors import InputError
from nexus.maths.types import Bools, Ints

PER_POSITIVE = 10
Kind = Literal["new", "all"]


@dataclass(frozen=True)
class Transition:
    """Edges of one type between two consecutive snapshots, told by what was known at the earlier one.

    stayed, new, ended : (n,) codes, ascending: place of the source x number of targets + place of the target, places
        among the nodes of `before`. New: in `after`, not in `before`, both ends in `before`. Ended: in `before`, not in
        `after`, both ends in both.
    of_new_nodes : edges of `after` with an end that `before` lacks; they are no question to anybody
    """

    before: Graph
    after: Graph
    edge_type: EdgeType
    stayed: Ints
    new: Ints
    ended: Ints
    of_new_nodes: int

    @property
    def undirected(self) -> bool:
        """Whether a pair is the same pair the other way round; then it is told with the smaller place first.

        Of two node types it is not, whatever the relation: each end has its own places.
        """
        source, relation, target = self.edge_type
        return relation in UNDIRECTED and source == target

    @property
    def shape(self) -> tuple[int, int]:
        """Number of sources and of targets in `before`."""
        source, _, target = self.edge_type
        return len(self.before.nodes.get(source, ())), len(self.before.nodes.get(target, ()))

    @property
    def positives(self) -> Ints:
        """Codes of all edges of `after` whose ends `before` has, ascending."""
        return np.union1d(self.stayed, self.new)

    @property
    def forbidden(self) -> Ints:
        """Codes that no negative may be: edges of either snapshot, ascending."""
        return np.union1d(self.positives, _codes(self.before, self.edge_type, self.before)[0])

    @cached_property
    def alive(self) -> tuple[Bools, Bools]:
        """(n_sources,), (n_targets,): nodes of `before` that `after` has too."""
        source, _, target = self.edge_type
        return _alive(self.before, self.after, source), _alive(self.before, self.after, target)

    @cached_property
    def degrees(self) -> tuple[Ints, Ints]:
        """(n_sources,), (n_targets,): edges of this type in `before`, out of and into; together where undirected."""
        codes, _ = _codes(self.before, self.edge_type, self.before)
        n_sources, n_targets = self.shape
        src, dst = ends(codes, n_targets)
        out, into = np.bincount(src, minlength=n_sources), np.bincount(dst, minlength=n_targets)
        return (out + into, out + into) if self.undirected else (out, into)

    def rng(self, stream: str, seed: int = 0) -> np.random.Generator:
        """Random numbers of this snapshot and edge type: the same whoever asks."""
        words = f"{stream}|{self.before.day}|{'|'.join(self.edge_type)}|{seed}"
        return np.random.default_rng(np.frombuffer(hashlib.sha256(words.encode()).digest(), "<u4"))


def transition(before: Graph, after: Graph, edge_type: EdgeType) -> Transition:
    """Compare the edges of `edge_type` in two snapshots.

    Raises
    ------
    InputError
        When `after` is not later than `before`, or an edge joins a node with itself.
    """
    if not after.day > before.day:
        raise InputError(f"snapshot {after.day} does not come after {before.day}; give them in order")
    was, _ = _codes(before, edge_type, before)
    is_now, of_new_nodes = _codes(before, edge_type, after)
    ended = np.setdiff1d(was, is_now, assume_unique=True)
    src, dst = ends(ended, len(before.nodes.get(edge_type[2], ())))
    both = _alive(before, after, edge_type[0])[src] & _alive(before, after, edge_type[2])[dst]
    return Transition(
        before, after, edge_type, np.intersect1d(was, is_now, assume_unique=True),
        np.setdiff1d(is_now, was, assume_unique=True), ended[both], of_new_nodes,
    )  # fmt: skip


def transitions(graphs: Sequence[Graph], edge_type: EdgeType) -> list[Transition]:
    """Every consecutive pair of `graphs`, oldest first."""
    return [transition(before, after, edge_type) for before, after in pairwise(graphs)]


def edge_types(graphs: Sequence[Graph]) -> list[EdgeType]:
    """Types that any of the snapshots has, sorted."""
    return sorted({edge_type for graph in graphs for edge_type in graph.edges})


def ends(codes: Ints, n_targets: int) -> tuple[Ints, Ints]:
    """Places of source and target of each code."""
    return codes // max(n_targets, 1), codes % max(n_targets, 1)


def _codes(frame: Graph, edge_type: EdgeType, graph: Graph) -> tuple[Ints, int]:
    """Codes of the edges of `graph` in the places of `frame`, ascending; and how many have an end it lacks."""
    edges = graph.edges.get(edge_type)
    if edges is None:
        return np.empty(0, np.int64), 0
    source, _, target = edge_type
    if source == target and (edges.src == edges.dst).any():
        raise InputError(f"{graph.version} on {graph.day}: {edge_type} joins a node with itself; drop such edges")
    src, has_src = _places(frame, source, edges.src)
    dst, has_dst = _places(frame, target, edges.dst)
    known = has_src & has_dst
    codes = src[known] * len(frame.nodes.get(target, ())) + dst[known]
    return np.sort(codes), int((~known).sum())


def _places(frame: Graph, node_type: str, ids: Ints) -> tuple[Ints, Bools]:
    nodes = frame.nodes.get(node_type, np.empty(0, np.int64))
    if not len(nodes):
        return np.zeros(len(ids), np.int64), np.zeros(len(ids), bool)
    found = np.minimum(np.searchsorted(nodes, ids), len(nodes) - 1)
    return found, nodes[found] == ids


def _alive(before: Graph, after: Graph, node_type: str) -> Bools:
    none = np.empty(0, np.int64)
    return np.isin(before.nodes.get(node_type, none), after.nodes.get(node_type, none), assume_unique=True)
