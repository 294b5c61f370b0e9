"""The table of graph truths on a few markets; `python -m research.graph_truths --full` asks it of many."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
import torch

from nexus.ingest.simulate.economy import economy
from nexus.ingest.simulate.truths import truths_of
from research.graph_truths import links, rows
from research.graph_truths.graphs import HELD, SUPPLIES, graphs
from research.graph_truths.rows import Case
from research.truths.arrays import labels_of


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    """Half as long as the table's markets, and a third as wide."""
    worlds = [economy(seed, sessions=2520, listed=170) for seed in range(2)]
    return [Case(world, labels_of(truths_of(world))) for world in worlds]


@pytest.mark.parametrize("name", ["rewired", "reversed", "unknown", "drift", "centrality"])
def test_what_means_nothing_does_not_pass(cases: list[Case], name: str) -> None:
    found = rows.ROWS[name].conclude(pd.DataFrame([rows.ROWS[name].measure(case) for case in cases]))
    assert found.holds, f"{name} must {rows.ROWS[name].must}: {found.measured}"


def test_neighbour_momentum_passes(cases: list[Case]) -> None:
    """119 months of 170 names: chance has a wider sd, the mean is that of any size."""
    found = pd.DataFrame([rows.ROWS["neighbours"].measure(case) for case in cases])
    assert found["passes"].all()
    assert found["ic"].mean() == pytest.approx(0.05, abs=4 * 0.1 / np.sqrt(2 * 119))


def test_graphs_are_what_is_known_on_the_day() -> None:
    world = economy(3, sessions=400, listed=40)
    (graph,) = graphs(world, [12])
    close, session = world.time.closes[world.time.months[12]], world.time.months[12]
    found = world.supply
    expected = {
        (int(found.owner[tie]), int(found.partner[tie]))
        for tie in range(len(found.owner))
        if found.known[tie] <= close and not found.over[tie] <= close
        if world.lives.last[found.owner[tie]] >= session and world.lives.last[found.partner[tie]] >= session
    }
    edges = graph.edges[SUPPLIES]
    assert set(zip(edges.src.tolist(), edges.dst.tolist(), strict=True)) == expected and len(expected) > 80
    assert graph.nodes["company"].tolist() == np.flatnonzero(world.lives.listed(np.array([session]))[0]).tolist()
    assert len(graph.edges[HELD]) > 500


def test_a_static_graph_is_undecidable() -> None:
    row = links.ROWS["static"]
    size = links.Size(sessions=1200, listed=60, epochs=1)
    found = row.conclude(pd.DataFrame([row.measure(0, size)]))
    assert found.holds, found.measured


def test_edges_at_random_are_refused() -> None:
    row = links.ROWS["random"]
    found = row.conclude(pd.DataFrame([row.measure(0, links.Size(sessions=1200, listed=100, epochs=5))]))
    assert found.holds, found.measured


@pytest.mark.slow
def test_affinity_is_learnt() -> None:
    row = links.ROWS["affinity"]
    found = row.conclude(pd.DataFrame([row.measure(0, links.Size())]))
    assert found.holds, found.measured
