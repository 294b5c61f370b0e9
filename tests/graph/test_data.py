"""Snapshots as tensors, against a twin that counts node by node; and through the database to the size of the model."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

import numpy as np
import pytest
import torch

from nexus.db.engine import Database
from nexus.db.graph import Edges, EdgeType, Graph
from nexus.db.graph_store import Snapshots, write_graphs
from nexus.errors import InputError
from nexus.graph.gnn.data import FEATURES, HISTORY, UNDIRECTED, metadata, tensors
from nexus.nn.hgt import HGTEncoder, batches
from research.benchmarks.graphs import EDGES, NODES, PARAMETERS, months

SUPPLIES = ("company", "supplies", "company")
HOLDS = ("fund", "holds", "company")
BOARD = ("company", "board", "company")
ODD = ("planet", "orbits", "star")


def edges(*rows: tuple[int, int, float]) -> Edges:
    src, dst, weight = zip(*sorted(rows), strict=True)
    return Edges(np.array(src), np.array(dst), np.array(weight, np.float32))


def graph(day: str, nodes: dict[str, list[int]], found: dict[EdgeType, Edges]) -> Graph:
    return Graph(np.datetime64(day), "g", "", {kind: np.array(ids) for kind, ids in nodes.items()}, found)


def drawn(seed: int) -> Graph:
    """A graph in which all sorts of things occur: loops, isolated nodes, a relation both ways, weights of any sign."""
    random = np.random.default_rng(seed)
    nodes = {
        "company": np.arange(5, 25),
        "fund": np.arange(30, 34),
        "planet": np.array([50]),
        "star": np.arange(60, 63),
    }
    nodes = {kind: np.sort(random.choice(ids, max(1, len(ids) - 2), replace=False)) for kind, ids in nodes.items()}
    found = {}
    for kind, n in {SUPPLIES: 30, HOLDS: 20, BOARD: 25, ODD: 2}.items():
        pairs = {(int(random.choice(nodes[kind[0]])), int(random.choice(nodes[kind[2]]))) for _ in range(n)}
        if kind[1] in UNDIRECTED:
            pairs = {(min(pair), max(pair)) for pair in pairs}
        found[kind] = edges(*((src, dst, float(random.normal())) for src, dst in pairs))
    return Graph(np.datetime64("2024-01-31"), "g", "", nodes, found)


def twin(of: Graph, previous: list[Graph], node_type: str, node: int) -> list[float]:
    """The features of one node, counted edge by edge as the docstring has it."""
    incoming = outgoing = strength = new = total = 0.0
    for kind, found in of.edges.items():
        mean = np.mean(
            [abs(w) for w in found.weight if np.isfinite(w)] + [0.0] * int((~np.isfinite(found.weight)).sum())
        )
        before = previous[-1].edges.get(kind) if previous else None
        old = set(zip(before.src.tolist(), before.dst.tolist(), strict=True)) if before else set()
        for src, dst, weight in zip(found.src.tolist(), found.dst.tolist(), found.weight.tolist(), strict=True):
            for mine, is_target in (
                (kind[0] == node_type and src == node, 0),
                (kind[2] == node_type and dst == node, 1),
            ):
                if mine:
                    incoming += is_target or kind[1] in UNDIRECTED
                    outgoing += not is_target or kind[1] in UNDIRECTED
                    strength += abs(weight) / mean if np.isfinite(weight) else 0
                    new += bool(previous) and (src, dst) not in old
                    total += 1
    ages = [back for back, g in enumerate(reversed(previous), 1) if node in g.nodes.get(node_type, [])]
    return [*np.log1p([incoming, outgoing, strength, max(ages, default=0)]), new / total if total else 0.0]


@pytest.mark.parametrize("before", [0, 1, 3])
def test_features_are_those_counted_by_hand(before: int) -> None:
    previous, now = [drawn(seed) for seed in range(before)], drawn(100)
    made = tensors(now, previous)
    assert set(made.features) == set(now.nodes)
    for node_type, ids in now.nodes.items():
        expected = [twin(now, previous, node_type, int(node)) for node in ids]
        np.testing.assert_allclose(made.features[node_type], np.array(expected).reshape(-1, len(FEATURES)), rtol=1e-5)
        np.testing.assert_array_equal(made.ids[node_type], ids)


def test_age_and_novelty_by_example() -> None:
    first = graph("2024-01-31", {"company": [1, 2]}, {SUPPLIES: edges((1, 2, 1))})
    second = graph("2024-02-29", {"company": [1, 2, 3]}, {SUPPLIES: edges((1, 2, 1), (1, 3, 3))})
    made = tensors(second, [first]).features["company"].double().numpy()
    np.testing.assert_allclose(np.expm1(made[:, 0]), [0, 1, 1], atol=1e-6)
    np.testing.assert_allclose(np.expm1(made[:, 1]), [2, 0, 0], atol=1e-6)
    np.testing.assert_allclose(np.expm1(made[:, 2]), [2, 0.5, 1.5], atol=1e-6)
    np.testing.assert_allclose(np.expm1(made[:, 3]), [1, 1, 0], atol=1e-6)
    np.testing.assert_allclose(made[:, 4], [0.5, 0, 1])


def test_what_lies_further_back_than_history_changes_nothing() -> None:
    past = [drawn(seed) for seed in range(HISTORY + 5)]
    far, near = tensors(drawn(99), past), tensors(drawn(99), past[5:])
    for node_type, values in near.features.items():
        assert torch.equal(values, far.features[node_type])


def test_units_of_a_weight_do_not_matter_and_a_missing_one_is_no_nan() -> None:
    def with_weights(scale: float, missing: bool = False) -> torch.Tensor:
        rows = [(1, 2, scale), (2, 3, 2 * scale), (1, 3, np.nan if missing else 3 * scale)]
        return tensors(graph("2024-01-31", {"company": [1, 2, 3, 4]}, {SUPPLIES: edges(*rows)})).features["company"]

    torch.testing.assert_close(with_weights(1e9), with_weights(1e-3))
    assert torch.isfinite(with_weights(1.0, missing=True)).all()
    assert torch.isfinite(with_weights(0.0)).all()


def test_directions_of_relations() -> None:
    made = tensors(
        graph(
            "2024-01-31",
            {"company": [1, 2, 3], "fund": [9], "planet": [4], "star": [5]},
            {
                SUPPLIES: edges((1, 3, 0.5)),
                HOLDS: edges((9, 2, 0.25)),
                BOARD: edges((1, 2, 7), (2, 2, 8)),
                ODD: edges((4, 5, 1)),
            },
        )
    )
    assert {kind: index.tolist() for kind, index in made.edge_index.items()} == {
        SUPPLIES: [[0], [2]],
        ("company", "rev_supplies", "company"): [[2], [0]],
        HOLDS: [[0], [1]],
        ("company", "rev_holds", "fund"): [[1], [0]],
        BOARD: [[0, 1, 1], [1, 1, 0]],
        ODD: [[0], [0]],
    }
    assert made.weight[BOARD].tolist() == [7, 8, 7]
    assert made.weight["company", "rev_supplies", "company"].tolist() == [0.5]


def test_metadata_is_what_the_tensors_have() -> None:
    graphs = [drawn(seed) for seed in range(4)]
    node_types, edge_types = metadata(graphs)
    assert node_types == sorted({kind for each in graphs for kind in tensors(each).features})
    assert edge_types == sorted({kind for each in graphs for kind in tensors(each).edge_index})


def test_an_end_that_is_no_node_is_named() -> None:
    with pytest.raises(InputError, match="company 3 is no node"):
        tensors(graph("2024-01-31", {"company": [1, 2]}, {SUPPLIES: edges((1, 3, 1))}))


def test_the_simulated_graph_through_the_database_has_the_size_of_the_method(database: Database) -> None:
    torch.set_num_threads(1)
    made = months(3)
    closes = {each.day.astype(object): _close(each.day.astype(object)) for each in made}
    with database.write() as connection:
        assert write_graphs(connection, made, builder="0" * 64, load_id=0, closes=closes) == len(made)
    read = Snapshots.open(database, "simulated", load_id=0)
    stored = read.last(made[-1].day, len(made))
    assert [each.content_hash for each in stored] == [each.content_hash for each in made]
    assert {kind: len(ids) for kind, ids in stored[-1].nodes.items()} == NODES
    assert {kind: len(each) for kind, each in stored[-1].edges.items()} == EDGES

    found = metadata(stored)
    assert [len(types) for types in found] == [4, 5]
    torch.manual_seed(0)
    encoder = HGTEncoder(found, in_channels=len(FEATURES)).eval()
    assert sum(each.numel() for each in encoder.parameters()) == PARAMETERS == 155_184

    snapshots = [tensors(each, stored[:i]) for i, each in enumerate(stored)]
    assert [type(each).__name__ for each in batches(snapshots)] == ["DenseBatch"]
    for snapshot, fast in zip(snapshots, encoder.embed(snapshots), strict=True):
        slow = encoder(snapshot.features, snapshot.edge_index)
        assert {kind: each.shape for kind, each in slow.items()} == {kind: (n, 64) for kind, n in NODES.items()}
        for kind, each in slow.items():
            torch.testing.assert_close(fast[kind], each, rtol=0, atol=1e-5)


def _close(day: date) -> datetime:
    return datetime.combine(day, time(21), UTC)
