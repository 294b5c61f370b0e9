"""Baselines against networkx and against their definitions over sets."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from graph.link_graphs import BOARD, HOLDS, SUPPLY, graph, random_graphs

from nexus.graph.gnn.baselines import BASELINES, History, baselines, paths_between
from nexus.graph.gnn.links import transitions
from nexus.graph.gnn.negatives import question


def as_networkx(snapshot):
    out = nx.Graph()
    for node_type, ids in snapshot.nodes.items():
        out.add_nodes_from((node_type, int(node)) for node in ids)
    for (source, _, target), edges in snapshot.edges.items():
        out.add_edges_from(((source, int(a)), (target, int(b))) for a, b in zip(edges.src, edges.dst, strict=True))
    return out


@pytest.mark.parametrize("edge_type", [SUPPLY, BOARD])
def test_common_neighbours_are_those_of_networkx_through_any_type(edge_type):
    snapshot = random_graphs(1, 3)[2]
    oracle = as_networkx(snapshot)
    ids = snapshot.nodes["company"]
    src, dst = (side.ravel() for side in np.meshgrid(np.arange(len(ids)), np.arange(len(ids))))
    src, dst = src[src != dst], dst[src != dst]
    expected = [
        len(list(nx.common_neighbors(oracle, ("company", int(ids[a])), ("company", int(ids[b])))))
        for a, b in zip(src, dst, strict=True)
    ]
    assert max(expected) > 2
    assert paths_between(snapshot, edge_type, src, dst).tolist() == expected


def test_between_types_paths_of_length_three_are_counted():
    snapshot = random_graphs(2, 3, companies=14, funds=5)[2]
    oracle = as_networkx(snapshot)
    funds, companies = snapshot.nodes["fund"], snapshot.nodes["company"]
    src, dst = (side.ravel() for side in np.meshgrid(np.arange(len(funds)), np.arange(len(companies))))
    expected = [
        sum(
            len(path) == 4
            for path in nx.all_simple_paths(oracle, ("fund", int(funds[a])), ("company", int(companies[b])), cutoff=3)
        )
        for a, b in zip(src, dst, strict=True)
    ]
    assert max(expected) > 3
    assert paths_between(snapshot, HOLDS, src, dst).tolist() == expected


@pytest.mark.parametrize("edge_type", [SUPPLY, BOARD, HOLDS])
def test_the_other_baselines_are_what_they_say(edge_type):
    graphs = random_graphs(3, 7)
    history, past = History(), []
    for step in transitions(graphs, edge_type):
        history.see(step.before)
        past.append(step.before)
        asked = question(step, "all")
        scores = baselines(step, history, asked.src, asked.dst)
        assert tuple(scores) == BASELINES
        source, _, target = edge_type
        for i in range(len(asked.src)):
            pair = int(step.before.nodes[source][asked.src[i]]), int(step.before.nodes[target][asked.dst[i]])
            value, age = _slow_last(past, edge_type, pair)
            assert scores["persistence"][i] == (age == 0)
            assert scores["age"][i] == -age
            assert scores["last_value"][i] == pytest.approx(value)
            assert scores["degree_product"][i] == _slow_degrees(step.before, edge_type, pair)


def _slow_last(past, edge_type, pair):
    for age, snapshot in enumerate(reversed(past)):
        edges = snapshot.edges.get(edge_type)
        if edges is None:
            continue
        found = (edges.src == pair[0]) & (edges.dst == pair[1])
        if found.any():
            return abs(float(edges.weight[found][0])), age
    return 0.0, len(past)


def _slow_degrees(snapshot, edge_type, pair):
    edges = snapshot.edges.get(edge_type)
    if edges is None:
        return 0
    if edge_type == BOARD:
        degree = [int(((edges.src == end) | (edges.dst == end)).sum()) for end in pair]
    else:
        degree = [int((edges.src == pair[0]).sum()), int((edges.dst == pair[1]).sum())]
    return degree[0] * degree[1]


def test_a_weight_that_changed_sign_counts_by_its_size_and_the_newest_counts():
    nodes = {"company": [1, 2, 3]}
    history = History.of([
        graph(0, nodes, {BOARD: {(1, 2), (2, 3)}}, weight={(1, 2): 0.9, (2, 3): -0.8}),
        graph(1, nodes, {BOARD: {(1, 2)}}, weight={(1, 2): -0.3}),
    ])  # fmt: skip
    value, age = history.last(BOARD, np.array([1, 2, 1]), np.array([2, 3, 3]))
    assert value == pytest.approx([0.3, 0.8, 0.0], abs=1e-7) and age.tolist() == [0, 1, 2]


def test_a_type_never_seen_has_no_past():
    value, age = History.of(random_graphs(4, 2)).last(("company", "sector", "company"), np.array([1]), np.array([2]))
    assert value.tolist() == [0.0] and age.tolist() == [2]
