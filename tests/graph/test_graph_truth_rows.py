"""The table of graph truths on a few markets; `python -m research.graph_truths --full` asks it of many."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from nexus.ingest.simulate.economy import economy
from nexus.ingest.simulate.truths import truths_of
from research.graph_truths import links, roles, rows
from research.graph_truths.__main__ import ALL, FULL, MARKETS, main
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
    figures = row.measure(0, size)
    found = row.conclude(pd.DataFrame([figures]))
    assert found.holds, found.measured
    assert figures["undecidable"] and figures["edges"] == 0


def test_edges_at_random_are_refused() -> None:
    row = links.ROWS["random"]
    figures = row.measure(0, links.Size(sessions=1200, listed=100, epochs=5))
    found = row.conclude(pd.DataFrame([figures]))
    assert found.holds, found.measured
    assert figures["fail"] and figures["edges"] >= 50 and figures["auc"] < 0.6


@pytest.mark.slow
def test_affinity_is_learnt() -> None:
    row = links.ROWS["affinity"]
    figures = row.measure(0, links.Size())
    found = row.conclude(pd.DataFrame([figures]))
    assert found.holds, found.measured
    assert figures["pass"] and figures["auc"] > 0.6 > figures["rule"]


def test_help_and_method_say_how_many_markets_a_full_run_asks(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    told = MARKETS.format(**FULL)
    assert told in " ".join(capsys.readouterr().out.split())
    method = (Path(__file__).parents[2] / "docs" / "method.md").read_text(encoding="utf-8")
    assert told in " ".join(method.split())


NONE = {"p": np.nan, "ic": np.nan}
PASSES = {"passes": 1, "p": 1e-6, "ic": 0.05}
MISSED = {"supply": 1, "supply gain": 0.1, "pearl": 0, "pearl gain": 0.0, "others": 0, "arms": 5, "ic": 0.1}
JUDGED = {"passes": 0, "p": 0.5, "ic": 0.001, "sd": 0.05, "names": 480}
GATE = {"pass": 0, "fail": 0, "undecidable": 0, "auc": 0.5, "rule": 0.5, "edges": 100}
RIGHT = {
    **{name: JUDGED for name in ("rewired", "reversed", "unknown", "drift", "centrality")},
    "neighbours": {**JUDGED, **PASSES},
    "affinity": {**GATE, "pass": 1}, "random": {**GATE, "fail": 1}, "static": {**GATE, "undecidable": 1},
    "supply": MISSED, "degree": {**MISSED, "pearl": 1},
}  # fmt: skip
WRONG = {
    **{name: [PASSES, NONE, {"passes": 1}] for name in ("rewired", "reversed", "drift", "centrality")},
    "unknown": [PASSES, NONE, {"passes": 1}, {"ic": 0.02}],
    "neighbours": [{"passes": 0}, {"ic": 0.02}, {"ic": np.nan}],
    "affinity": [GATE, {**GATE, "fail": 1}], "random": [GATE, {**GATE, "pass": 1}],
    "static": [GATE, {**GATE, "fail": 1}],
    "supply": [{"supply": 0}, {"pearl": 1}, {"others": 1}], "degree": [{"pearl": 0}],
}  # fmt: skip


@pytest.mark.parametrize("markets", [1, 2, 4])
@pytest.mark.parametrize("name", ALL)
def test_a_row_fails_where_its_figures_are_wrong_on_every_market(name: str, markets: int) -> None:
    assert ALL[name].conclude(pd.DataFrame([RIGHT[name]] * markets)).holds
    for wrong in WRONG[name]:
        assert not ALL[name].conclude(pd.DataFrame([{**RIGHT[name], **wrong}] * markets)).holds, wrong


@pytest.mark.parametrize("name", ["rewired", "reversed", "drift", "centrality"])
def test_nothing_may_have_a_rare_p_on_one_of_two_markets_but_not_on_both(name: str) -> None:
    rare = {**JUDGED, "p": 0.01}
    assert ALL[name].conclude(pd.DataFrame([JUDGED, rare])).holds
    assert not ALL[name].conclude(pd.DataFrame([rare, rare])).holds


@pytest.mark.parametrize("name", [*links.ROWS, *roles.ROWS])
def test_a_row_fails_where_half_of_four_markets_are_wrong(name: str) -> None:
    for wrong in WRONG[name]:
        markets = [RIGHT[name], {**RIGHT[name], **wrong}] * 2
        assert not ALL[name].conclude(pd.DataFrame(markets)).holds, wrong


@pytest.mark.parametrize("name", [name for name, right in RIGHT.items() if right is JUDGED])
def test_a_row_of_nothing_fails_where_one_market_of_many_was_not_judged(name: str) -> None:
    markets = [JUDGED] * 39
    assert ALL[name].conclude(pd.DataFrame(markets)).holds
    assert not ALL[name].conclude(pd.DataFrame([*markets, {**JUDGED, **NONE}])).holds
