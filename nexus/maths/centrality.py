"""How central each node of a graph is, by the usual seven measures."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import rustworkx as rx
from scipy import sparse
from scipy.sparse import csgraph
from scipy.sparse.linalg import eigsh

from nexus.maths.types import Floats, Ints

DAMPING = 0.85
"""Of PageRank, and of Katz as a share of what would no longer converge."""
TOLERANCE = 1e-12
_STEPS = 10_000
_DENSE = 64  # nodes up to which all eigenvalues are found at once
_SAME = 1e-9  # relative difference under which two components' largest eigenvalues are the same


@dataclass(frozen=True)
class Centralities:
    """Of each node, (n,); an isolated one is 0 everywhere but in `pagerank` and `katz`, which give all their share.

    degree : neighbours
    pagerank : damping 0.85, sums to 1; Page et al. (1998)
    eigenvector : of the largest eigenvalue, Euclidean norm 1; where the graph falls into parts, only the part with the
        largest counts (parts with the same one share by size), as power iteration from equal values would end
    betweenness : share of the other pairs' shortest paths that pass; Brandes (2001)
    clustering : share of the pairs of neighbours that are neighbours themselves; 0 with fewer than two
    k_core : the highest k for which the node is in a part where everybody has k neighbours
    katz : attenuation 0.85 / the largest eigenvalue, Euclidean norm 1; Katz (1953)
    """

    degree: Ints
    pagerank: Floats
    eigenvector: Floats
    betweenness: Floats
    clustering: Floats
    k_core: Ints
    katz: Floats


def centralities(n: int, src: Ints, dst: Ints) -> Centralities:
    """All of them, of the simple undirected graph that the edges make: direction, repetition and loops do not count.

    n : number of nodes; src, dst : (n_edges,) from 0
    The same bits whatever the order of the edges and the number of threads.
    """
    adjacency = simple(n, src, dst)
    degree = np.diff(adjacency.indptr).astype(np.int64)
    graph = _graph(adjacency)
    largest, eigenvector = _principal(adjacency)
    alone = sys.maxsize  # threads would add up in another order each time
    return Centralities(
        degree,
        pagerank(adjacency),
        eigenvector,
        _values(rx.graph_betweenness_centrality(graph, parallel_threshold=alone), n),
        _clustering(adjacency, degree),
        _values(rx.graph_core_number(graph), n).astype(np.int64),  # type: ignore[arg-type]  # a dict, not an int
        _katz(graph, largest),
    )


def simple(n: int, src: Ints, dst: Ints) -> sparse.csr_array:
    """Adjacency (n, n) of ones, symmetric, without a diagonal.

    Raises
    ------
    ValueError
        When an end is not from 0 to n - 1.
    """
    ends = np.concatenate([src, dst])
    if len(ends) and (ends.min() < 0 or ends.max() >= n):
        raise ValueError(f"centralities: node {ends.min()} to {ends.max()} of {n}; number them from 0 to {n - 1}")
    proper = src != dst
    low, high = np.minimum(src, dst)[proper], np.maximum(src, dst)[proper]
    low, high = np.divmod(np.unique(low * n + high), max(n, 1))
    both = np.concatenate([low, high]), np.concatenate([high, low])
    return sparse.csr_array((np.ones(len(both[0])), both), shape=(n, n))


def pagerank(adjacency: sparse.csr_array) -> Floats:
    """PageRank (n,) of the graph that `simple` gives, damping 0.85; sums to 1."""
    n = adjacency.shape[0]
    graph = rx.PyDiGraph()
    graph.add_nodes_from(range(n))
    graph.add_edges_from_no_data(list(zip(*(ends.tolist() for ends in adjacency.nonzero()), strict=True)))
    return _values(rx.pagerank(graph, alpha=DAMPING, tol=TOLERANCE / max(n, 1), max_iter=_STEPS), n)


def _graph(adjacency: sparse.csr_array) -> rx.PyGraph:
    graph = rx.PyGraph(multigraph=False)
    graph.add_nodes_from(range(adjacency.shape[0]))
    row, column = sparse.triu(adjacency).nonzero()
    graph.add_edges_from_no_data(list(zip(row.tolist(), column.tolist(), strict=True)))
    return graph


def _values(found: Mapping[int, float], n: int) -> Floats:
    return np.array([found[node] for node in range(n)], np.float64)


def _katz(graph: rx.PyGraph, largest: float) -> Floats:
    if len(graph) == 0:
        return np.empty(0)
    alpha = DAMPING / largest if largest > 0 else 0.0
    return _values(rx.graph_katz_centrality(graph, alpha=alpha, tol=TOLERANCE, max_iter=_STEPS), len(graph))


def _clustering(adjacency: sparse.csr_array, degree: Ints) -> Floats:
    closed = (adjacency @ adjacency).multiply(adjacency).sum(axis=1)
    pairs = degree * (degree - 1.0)
    out = np.zeros(len(degree))
    np.divide(closed, pairs, out=out, where=pairs > 0)
    return out


def _principal(adjacency: sparse.csr_array) -> tuple[float, Floats]:
    """Largest eigenvalue, and what power iteration from equal values would converge to; 0 without an edge."""
    out = np.zeros(adjacency.shape[0])
    _, part = csgraph.connected_components(adjacency, directed=False)
    parts = np.split(np.argsort(part, kind="stable"), np.cumsum(np.bincount(part))[:-1]) if len(part) else []
    best = 0.0
    for nodes in sorted((nodes for nodes in parts if len(nodes) > 1), key=len, reverse=True):
        inside = adjacency[nodes][:, nodes]
        if np.sqrt(inside.nnz * (1 - 1 / len(nodes))) < best * (1 - _SAME):
            continue  # an eigenvalue is at most that
        value, vector = _perron(inside)
        if value > best * (1 + _SAME):
            best, out = value, np.zeros(len(out))
        if value >= best * (1 - _SAME):
            out[nodes] = vector * vector.sum()
    norm = np.linalg.norm(out)
    return best, out / norm if norm > 0 else out


def _perron(connected: sparse.csr_array) -> tuple[float, Floats]:
    n = connected.shape[0]
    if n <= _DENSE:
        values, vectors = np.linalg.eigh(connected.toarray())
    else:
        values, vectors = eigsh(connected, k=1, which="LA", v0=np.ones(n))
    return float(values[-1]), np.abs(vectors[:, -1])
