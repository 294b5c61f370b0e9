"""Centralities are networkx's, where that converges; where it does not, what it would converge to."""

from __future__ import annotations

from time import perf_counter

import networkx as nx
import numpy as np
import pytest

from nexus.maths.centrality import Centralities, centralities
from nexus.maths.types import Ints

GRAPHS = {
    "sparse": nx.gnm_random_graph(60, 50, seed=1),  # falls into parts
    "middling": nx.gnm_random_graph(80, 400, seed=2),
    "dense": nx.gnm_random_graph(40, 700, seed=3),
    "scale-free": nx.barabasi_albert_graph(150, 3, seed=4),
    "path": nx.path_graph(12),
    "star": nx.star_graph(9),
    "bipartite": nx.complete_bipartite_graph(4, 7),
    "cliques": nx.disjoint_union(nx.complete_graph(6), nx.complete_graph(4)),
    "isolated": nx.disjoint_union(nx.complete_graph(3), nx.empty_graph(5)),
    "large part": nx.disjoint_union(nx.barabasi_albert_graph(200, 2, seed=5), nx.cycle_graph(70)),
}


def ends(graph: nx.Graph) -> tuple[Ints, Ints]:
    edges = np.array(graph.edges, np.int64).reshape(-1, 2)
    return edges[:, 0], edges[:, 1]


def listed(values: dict[int, float]) -> list[float]:
    return [values[node] for node in sorted(values)]


@pytest.mark.parametrize("name", GRAPHS)
def test_networkx_agrees(name: str) -> None:
    graph = GRAPHS[name]
    found = centralities(len(graph), *ends(graph))
    largest = np.linalg.eigvalsh(nx.to_numpy_array(graph))[-1]
    expected = {
        "degree": dict(graph.degree),
        "pagerank": nx.pagerank(graph, alpha=0.85, tol=1e-14, max_iter=10_000),
        "eigenvector": nx.eigenvector_centrality(graph, tol=1e-13, max_iter=200_000),
        "betweenness": nx.betweenness_centrality(graph),
        "clustering": nx.clustering(graph),
        "k_core": nx.core_number(graph),
        "katz": nx.katz_centrality_numpy(graph, alpha=0.85 / largest),
    }
    for measure, values in expected.items():
        np.testing.assert_allclose(getattr(found, measure), listed(values), rtol=1e-7, atol=1e-9, err_msg=measure)


def test_parts_with_the_same_largest_eigenvalue_share() -> None:
    graph = nx.disjoint_union(nx.complete_graph(5), nx.complete_graph(5))
    np.testing.assert_allclose(centralities(10, *ends(graph)).eigenvector, np.sqrt(0.1))


@pytest.mark.parametrize("n", [1, 2, 7])
def test_without_an_edge(n: int) -> None:
    found = centralities(n, *[np.empty(0, np.int64)] * 2)
    for measure in ("degree", "eigenvector", "betweenness", "clustering", "k_core"):
        assert not getattr(found, measure).any(), measure
    np.testing.assert_allclose(found.pagerank, 1 / n)
    np.testing.assert_allclose(found.katz, 1 / np.sqrt(n))


def test_nobody() -> None:
    found = centralities(0, *[np.empty(0, np.int64)] * 2)
    assert all(len(values) == 0 for values in vars(found).values())


def test_direction_repetition_loops_and_order_do_not_count() -> None:
    src, dst = ends(GRAPHS["middling"])
    turned = np.arange(len(src)) % 3 == 0
    again = np.concatenate([np.where(turned, dst, src), src[:20], [5, 9]])
    again_too = np.concatenate([np.where(turned, src, dst), dst[:20], [5, 9]])
    order = np.random.default_rng(1).permutation(len(again))
    assert_same(centralities(80, src, dst), centralities(80, again[order], again_too[order]))


def test_nobody_outside_the_graph() -> None:
    with pytest.raises(ValueError, match="number them from 0 to 4"):
        centralities(5, np.array([0, 1]), np.array([2, 5]))


def test_five_hundred_companies_with_ten_thousand_edges() -> None:
    src, dst = ends(nx.gnm_random_graph(500, 10_000, seed=6))
    start = perf_counter()
    first = centralities(500, src, dst)
    assert perf_counter() - start < 3.0  # 0.2 s on a quiet machine
    assert_same(first, centralities(500, src, dst))


def assert_same(first: Centralities, second: Centralities) -> None:
    for measure, values in vars(first).items():
        np.testing.assert_array_equal(getattr(second, measure), values, err_msg=measure)
