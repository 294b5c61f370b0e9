"""Edges that carry what is said, against leaving out every edge by hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from graph.explained_market import SMALL, Explained, build_explained
from graph.link_graphs import SUPPLY, edges, random_graphs
from graph.node_market import own_settings

from nexus.db.engine import Database
from nexus.db.graph import UNDIRECTED, Graph
from nexus.graph.gnn.baseline import GAT_BASELINE
from nexus.graph.gnn.data import tensors
from nexus.graph.gnn.edge_list import EdgeList
from nexus.graph.gnn.edge_reasons import Occlusion, edge_reasons, edge_rows
from nexus.graph.gnn.examples import Links
from nexus.graph.gnn.hgt_edges import HGTOcclusion
from nexus.graph.gnn.role_aware import ROLE_AWARE
from nexus.graph.gnn.trainer import HGT
from nexus.maths.types import Floats

EVERYTHING = float("inf")


@pytest.fixture(scope="module")
def explained(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Explained]:
    with own_settings(database, tmp_path_factory.mktemp("home")):
        yield build_explained(database)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def named(occlusion: Occlusion, edge: int) -> tuple[str, int, int]:
    relation, _, pair = occlusion.edges.name(edge).partition(":")
    src, dst = pair.split(">")
    return relation, int(src), int(dst)


def less_one(graph: Graph, relation: str, src: int, dst: int) -> Graph:
    """Slow twin: the graph spelled out again without the edge."""
    kept = {}
    for kind, each in graph.edges.items():
        rows = list(zip(each.src.tolist(), each.dst.tolist(), each.weight.tolist(), strict=True))
        rows = [row for row in rows if (kind[1], *row[:2]) != (relation, src, dst)]
        if rows:
            kept[kind] = edges({row[:2] for row in rows}, {row[:2]: row[2] for row in rows})
    return replace(graph, edges=kept)


def distance(state: Any, whole: Floats, graphs: list[Graph], edge: tuple[str, int, int]) -> Floats:
    graph, *previous = (less_one(each, *edge) for each in [graphs[-1], *graphs[:-1]])
    (found,) = HGT.embeddings(state, [tensors(graph, previous)])
    return np.linalg.norm(found["company"] - whole, axis=1) / np.linalg.norm(whole, axis=1)


Small = tuple[list[Graph], Any, HGTOcclusion]


@pytest.fixture(scope="module", params=[0, 10], ids=["untrained", "trained"])
def small(request: pytest.FixtureRequest) -> Small:
    random = np.random.default_rng(0)
    graphs = [
        replace(graph, edges={
            kind: replace(each, weight=random.exponential(size=len(each)).astype(np.float32))
            for kind, each in graph.edges.items()
        })
        for graph in random_graphs(3, 8, companies=20, funds=5)
    ]  # fmt: skip
    links = Links(tuple(graphs))
    state = HGT.build({**HGT.describe(links), **SMALL})
    for _ in range(request.param):
        HGT.step(state, links)
    return graphs, state, HGTOcclusion(state, graphs[-1], graphs[:-1], partial(HGT.embeddings, state))


class TestOnASmallGraph:
    """Every edge of a company's computation graph is left out, so that the best are known."""

    def test_the_best_are_those_of_leaving_out_all(self, small: Small) -> None:
        graphs, state, occlusion = small
        company = int(occlusion.companies[5])
        (whole,) = HGT.embeddings(state, [tensors(graphs[-1], graphs[:-1])])
        around = occlusion.edges.around(company, 2).tolist()
        brute = {edge: distance(state, whole["company"], graphs, named(occlusion, edge))[5] for edge in around}
        best = sorted(brute, key=lambda edge: -brute[edge])[:10]
        (found,) = edge_reasons(occlusion, [company], 10)
        assert len(around) > 40
        assert found.edges.tolist() == best
        np.testing.assert_allclose(found.attribution, [brute[edge] for edge in best], rtol=1e-3, atol=1e-6)

    def test_to_first_order_is_nearly_what_leaving_out_does(
        self, small: Small, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        *_, occlusion = small
        monkeypatch.setattr("nexus.graph.gnn.hgt_edges.PROJECTIONS", 64)
        rows = np.arange(0, len(occlusion.companies), 4)
        moved = np.array(
            [
                occlusion.moved(less)[rows]
                for less in occlusion.without([np.array([e]) for e in range(len(occlusion.edges))])
            ]
        )
        for promise, exact in zip(occlusion.promise(rows), moved.T, strict=True):
            assert np.corrcoef(promise, exact)[0, 1] > 0.95

    def test_what_is_nearer_than_the_layers_are_many(self, small: Small) -> None:
        graphs, _, occlusion = small
        company = int(occlusion.companies[3])
        pairs = [
            ({(kind[0], src), (kind[2], dst)}, (kind[1], src, dst))
            for kind, each in graphs[-1].edges.items()
            for src, dst in zip(each.src.tolist(), each.dst.tolist(), strict=True)
        ]
        near = {("company", company)}
        for hops in (1, 2):
            touched = [(ends, edge) for ends, edge in pairs if ends & near]
            found = {named(occlusion, edge) for edge in occlusion.edges.around(company, hops).tolist()}
            assert found == {edge for _, edge in touched}
            near = near.union(*(ends for ends, _ in touched))


class TestHGT:
    def test_attributions_are_what_leaving_the_edge_out_does(self, explained: Explained) -> None:
        told, state = explained.occlusion("hgt"), explained.states["hgt"]
        graphs = explained.panel.at(explained.day).graphs("monthly", 13)
        (whole,) = HGT.embeddings(state, [tensors(graphs[-1], graphs[:-1])])
        companies = told.companies[[2, 11]].tolist()
        for found in edge_reasons(told, companies, 4):
            row = int(np.searchsorted(told.companies, found.company))
            by_hand = [
                distance(state, whole["company"], graphs, named(told, edge))[row] for edge in found.edges.tolist()
            ]
            np.testing.assert_allclose(found.attribution, by_hand, rtol=1e-3, atol=1e-6)
            assert len(found.edges) == 4 and (np.diff(found.attribution) <= 0).all()

    def test_hardly_an_edge_that_was_not_tried_does_more(self, explained: Explained) -> None:
        assert overlooked(explained.occlusion("hgt")) <= 0.07

    def test_those_that_moved_most_are_explained(self, explained: Explained) -> None:
        told, state = explained.occlusion("hgt"), explained.states["hgt"]
        rows = HGT.explain(state, explained.panel.blind(), explained.day)
        single = rows[rows["feature"].str.startswith("edge:")]
        graphs = explained.panel.at(explained.day).graphs("monthly", 14)
        now, then = HGT.embeddings(state, [tensors(graphs[-1], graphs[-14:-1]), tensors(graphs[-2], graphs[:-2])])
        both, here, there = np.intersect1d(
            graphs[-1].nodes["company"], graphs[-2].nodes["company"], return_indices=True
        )
        drift = np.linalg.norm(now["company"][here] - then["company"][there], axis=1)
        most = both[np.argsort(-drift, kind="stable")[:4]]
        assert sorted(single["company_id"].unique()) == sorted(most.tolist())
        assert (single.groupby("company_id").size() == 5).all()
        assert_are_edges(single, graphs[-1])
        assert len(told.edges) == sum(len(each) for each in graphs[-1].edges.values())


class TestRoleAware:
    def test_attributions_are_what_the_score_loses_without_the_edge(self, explained: Explained) -> None:
        told, state = explained.occlusion("role_aware"), explained.states["role_aware"]
        nodes = ROLE_AWARE.nodes(state, explained.panel.blind(), explained.day)
        assert nodes is not None
        companies = nodes.companies[[1, 8]].tolist()
        with torch.no_grad():
            whole = score(state, nodes)
            for found in edge_reasons(told, companies, 4):
                row = int(np.searchsorted(nodes.companies, found.company))
                by_hand = [whole[row] - score(state, cut(nodes, named(told, e)))[row] for e in found.edges.tolist()]
                np.testing.assert_allclose(found.attribution, by_hand, atol=1e-7)
                assert (np.diff(np.abs(found.attribution)) <= 0).all()

    def test_few_edges_that_were_not_tried_do_more(self, explained: Explained) -> None:
        """What passes through the encodings is not linear."""
        assert overlooked(explained.occlusion("role_aware")) <= 0.1

    def test_the_largest_scores_are_explained(self, explained: Explained) -> None:
        state, blind = explained.states["role_aware"], explained.panel.blind()
        rows = ROLE_AWARE.explain(state, blind, explained.day)
        single = rows[rows["feature"].str.startswith("edge:")]
        said = ROLE_AWARE.predict(state, blind, explained.day).set_index("company_id")["score"].abs()
        assert set(single["company_id"]) == set(said.nlargest(4).index)
        assert single.groupby("company_id").size().le(5).all() and len(single) > 15
        assert_are_edges(single, explained.panel.at(explained.day).graph("monthly"))

    def test_no_edge_of_a_relation_left_out_is_named(self, explained: Explained) -> None:
        state = explained.states["role_aware"]
        state = replace(state, params={**state.params, "without": ["holds", "fund_similarity", "director_of"]})
        told = ROLE_AWARE.occlusion(state, explained.panel.blind(), explained.day)
        assert told is not None
        assert {kind[1] for kind in told.edges.kinds} <= {"board", "correlation", "sector", "supplies"}
        (found,) = edge_reasons(told, [int(told.companies[0])], 3)
        assert len(found.edges) == 3


def test_attention_blind_to_relations_loses_a_pair_with_its_last_edge(explained: Explained) -> None:
    """Of two edges of a pair the baseline does not miss one."""
    nodes = ROLE_AWARE.nodes(explained.states["role_aware"], explained.panel.blind(), explained.day)
    assert nodes is not None
    state = GAT_BASELINE.build({**SMALL, "without": [], "without_features": []})
    told = GAT_BASELINE.occlusion(state, explained.panel.blind(), explained.day)
    assert told is not None
    assert overlooked(told) <= 0.02
    pairs = pd.Series(list(map(frozenset, told.edges.ends.T.tolist())))
    double = np.flatnonzero(pairs.duplicated(keep=False))
    moved = [told.moved(less) for less in told.without([np.array([edge]) for edge in double[:3].tolist()])]
    assert len(double) > 3 and not np.any(moved)
    for promise in told.promise(np.arange(3)):
        assert not promise[double].any() and promise.any()


def test_rows_of_nobody_have_the_columns_of_rows(explained: Explained) -> None:
    told = explained.occlusion("hgt")
    for companies, top in ((0, 5), (3, 0)):
        rows = edge_rows(told, companies, top)
        assert list(rows) == ["company_id", "feature", "attribution"] and rows.empty


def test_a_company_that_nobody_is_tied_to_has_no_reasons() -> None:
    graphs = [
        replace(graph, nodes={**graph.nodes, "company": np.append(graph.nodes["company"], 999)})
        for graph in random_graphs(4, 3, companies=10, funds=3)
    ]
    links = Links(tuple(graphs))
    state = HGT.build({**HGT.describe(links), **SMALL})
    told = HGTOcclusion(state, graphs[-1], graphs[:-1], partial(HGT.embeddings, state))
    alone, other = edge_reasons(told, [999, int(told.companies[0])], 3)
    assert not len(alone.edges) and len(other.edges) == 3


def test_a_snapshot_without_edges_has_no_reasons() -> None:
    graph = replace(random_graphs(0, 1)[0], edges={})
    listed = EdgeList.of(graph)
    assert len(listed) == 0 and not len(listed.around(int(graph.nodes["company"][0]), 2))
    assert not len(listed.numbers(SUPPLY)) and dict(listed.directed(())) == {}


def score(state: Any, nodes: Any) -> Floats:
    raw = ROLE_AWARE.respond(state.network.eval(), nodes, state.device)[:, 0]
    return 0.5 * np.tanh(raw.double().numpy())


def cut(nodes: Any, edge: tuple[str, int, int]) -> Any:
    """Slow twin: by the entities at the ends of each edge, both ways where it goes both ways."""
    relation, src, dst = edge
    gone = {relation: {(src, dst)}, f"rev_{relation}": {(dst, src)}}
    if relation in UNDIRECTED:
        gone[relation].add((dst, src))
    ids, index, weight = nodes.tensors.ids, {}, {}
    for kind, each in nodes.tensors.edge_index.items():
        ends = zip(ids[kind[0]][each[0]].tolist(), ids[kind[2]][each[1]].tolist(), strict=True)
        stays = torch.tensor([pair not in gone.get(kind[1], ()) for pair in ends])
        index[kind], weight[kind] = each[:, stays], nodes.tensors.weight[kind][stays]
    everybody = np.concatenate(list(ids.values()))
    stays = torch.tensor([tuple(everybody[pair]) != (src, dst) for pair in nodes.ends[relation].T.tolist()])
    assert int((~stays).sum()) == 1
    ends = {**nodes.ends, relation: nodes.ends[relation][:, stays]}
    return replace(nodes, tensors=replace(nodes.tensors, edge_index=index, weight=weight), ends=ends)


def overlooked(told: Occlusion, companies: int = 3, tried: int = 60) -> float:
    """Of some of the edges that were not named, the share that does more than the weakest named one."""
    random = np.random.default_rng(0)
    rows = np.arange(companies)
    found = edge_reasons(told, told.companies[rows].tolist(), 10)
    every = np.sort(random.choice(len(told.edges), tried, replace=False))
    moved = np.array([np.abs(told.moved(less)[rows]) for less in told.without([np.array([edge]) for edge in every])])
    more = 0
    for row, each in zip(rows, found, strict=True):
        others = np.isin(every, told.edges.around(each.company, told.layers)) & ~np.isin(every, each.edges)
        more += int((moved[others, row] > np.abs(each.attribution).min()).sum())
    return more / (companies * 10)


def assert_are_edges(rows: pd.DataFrame, graph: Graph) -> None:
    assert np.isfinite(rows["attribution"]).all() and (rows["attribution"] != 0).all()
    there = {
        f"edge:{kind[1]}:{src}>{dst}"
        for kind, each in graph.edges.items()
        for src, dst in zip(each.src.tolist(), each.dst.tolist(), strict=True)
    }
    assert set(rows["feature"]) <= there
