"""Examples of the node task on a simulated market in the database: features, labels, figures."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import torch
from graph.node_market import NodeMarket
from scipy import stats

from nexus.contract.reading import chunks_of, read_training
from nexus.contract.splits import Plan
from nexus.db.panel import Panel
from nexus.errors import InputError
from nexus.graph.gnn.baseline import GAT_BASELINE
from nexus.graph.gnn.node_inputs import FEATURES, INPUTS, Nodes, base, nodes_at, price_features
from nexus.graph.gnn.node_metrics import date_metrics, mean_of
from nexus.graph.gnn.node_task import Example, NodeExamples, types_of
from nexus.maths.ic import rank_ic


@pytest.fixture(scope="module")
def nodes(market: NodeMarket, panel: Panel) -> Nodes:
    found = nodes_at(panel.at(market.days[30]), {})
    assert found is not None
    return found


def test_price_features_are_pandas_of_the_returns_known_on_the_day(market: NodeMarket, panel: Panel) -> None:
    view = panel.at(market.days[30])
    log = pd.DataFrame(np.log1p(view.returns()))
    traded = pd.DataFrame(view.raw("close") * view.raw("volume"))
    expected = [
        log.rolling(21, min_periods=16).mean().iloc[-1],
        log.shift(21).rolling(105, min_periods=79).mean().iloc[-1],
        log.shift(21).rolling(231, min_periods=174).mean().iloc[-1],
        log.rolling(63, min_periods=48).std(ddof=0).iloc[-1],
        log.rolling(252, min_periods=189).std(ddof=0).iloc[-1],
        traded.rolling(21, min_periods=16).mean().iloc[-1],
    ]
    made = price_features(view)
    assert len(made) == len(FEATURES)
    np.testing.assert_allclose(made, np.array(expected), rtol=1e-7, atol=1e-12)
    assert np.isnan(made).any() and np.isfinite(made).mean() > 0.5


def test_features_are_ranks_among_the_companies_of_the_graph_and_say_what_is_missing(
    market: NodeMarket, panel: Panel, nodes: Nodes
) -> None:
    view = panel.at(market.days[30])
    graph = view.graph("monthly")
    assert nodes.companies.tolist() == graph.nodes["company"].tolist()
    columns = [view.companies.tolist().index(company) for company in nodes.companies]
    raw = price_features(view)[:, columns]
    made = nodes.tensors.features["company"].numpy()
    for place in range(len(FEATURES)):
        there = np.isfinite(raw[place])
        even = (stats.rankdata(raw[place, there]) - 0.5) / there.sum() - 0.5
        np.testing.assert_allclose(made[there, place], even * 12**0.5, atol=1e-6)
        assert (made[~there, place] == 0).all()
        assert (made[:, len(FEATURES) + place] == ~there).all()
    assert np.abs(made[:, : len(FEATURES)].mean(axis=0)).max() < 1e-5
    for kind in ("fund", "director"):
        nothing = nodes.tensors.features[kind]
        assert not nothing[:, : len(FEATURES)].any() and nothing[:, len(FEATURES) :].all()
    assert nodes.has_bar.tolist() == np.isfinite(view.raw("close", 1)[0][columns]).tolist()


def test_every_edge_is_there_both_ways_with_its_relative_weight(market: NodeMarket, panel: Panel, nodes: Nodes) -> None:
    graph = panel.at(market.days[30]).graph("monthly")
    both = {("company", "rev_supplies", "company"), ("company", "rev_holds", "fund")}
    both |= {("company", "rev_director_of", "director")}
    assert set(nodes.tensors.edge_index) == set(graph.edges) | both
    holds = nodes.tensors.edge_index["fund", "holds", "company"]
    assert torch.equal(nodes.tensors.edge_index["company", "rev_holds", "fund"], holds.flip(0))
    stored = graph.edges["fund", "holds", "company"]
    ends = nodes.tensors.ids["fund"][holds[0]], nodes.companies[holds[1]]
    assert set(zip(*ends, strict=True)) == set(zip(stored.src, stored.dst, strict=True))
    for kind, weight in nodes.tensors.weight.items():
        assert float(weight.abs().mean()) == pytest.approx(1.0, rel=1e-5), kind


def test_ties_count_the_edges_of_all_relations(market: NodeMarket, panel: Panel, nodes: Nodes) -> None:
    graph = panel.at(market.days[30]).graph("monthly")
    whole = nx.MultiGraph()
    for (src, _, dst), edges in graph.edges.items():
        pairs = zip(edges.src, edges.dst, strict=True)
        whole.add_edges_from(((src, one), (dst, other)) for one, other in pairs)
    places = [(kind, entity) for kind, ids in nodes.tensors.ids.items() for entity in ids]
    degree = torch.sparse.sum(nodes.ties.counts, 1).to_dense()
    assert degree.tolist() == [whole.degree(place) for place in places]
    assert nodes.ties.degree == pytest.approx(sum(dict(whole.degree).values()) / len(places))
    supplies = graph.edges["company", "supplies", "company"]
    heard = nodes.ties.relations["supplies"].to_dense()
    row, column = (np.searchsorted(nodes.companies, ends) for ends in (supplies.dst, supplies.src))  # companies first
    expected = np.zeros(heard.shape)
    expected[row, column] = (len(np.unique(supplies.dst)) / len(supplies)) ** 0.5
    np.testing.assert_allclose(heard, expected, rtol=1e-6)
    np.testing.assert_allclose(nodes.ties.relations["rev_supplies"].to_dense() > 0, expected.T > 0)
    less = nodes.without(["correlation", "holds"])
    assert {base(kind) for kind in nodes.tensors.edge_index} - {base(kind) for kind in less.tensors.edge_index} == {
        "correlation",
        "holds",
    }
    gone = sum(len(edges) for kind, edges in graph.edges.items() if kind[1] in ("correlation", "holds"))
    assert float(nodes.ties.counts.values().sum() - less.ties.counts.values().sum()) == 2 * gone


def test_left_out_features_are_missing_to_everyone_whatever_prices_say(
    market: NodeMarket, panel: Panel, nodes: Nodes
) -> None:
    one, *others = FEATURES
    some = nodes.lacking([one]).tensors.features["company"]
    place = len(FEATURES)
    assert not some[:, 0].any() and some[:, place].all()
    assert torch.equal(some[:, 1:place], nodes.tensors.features["company"][:, 1:place])
    later = nodes_at(panel.at(market.days[31]), {})
    assert later is not None
    for each in (nodes, later):
        nothing = each.lacking(FEATURES).tensors.features
        assert torch.equal(nothing["company"][0], nothing["fund"][0])
        assert (nothing["company"] == nothing["company"][0]).all()
    with pytest.raises(InputError, match=f"feature 'price' is unknown; one of {one}, {others[0]}"):
        nodes.lacking(["price"])


def test_what_is_known_on_a_day_does_not_depend_on_later_days(market: NodeMarket, panel: Panel, nodes: Nodes) -> None:
    early = market.panel(market.days[30])
    again = nodes_at(early.at(market.days[30]), {})
    assert again is not None and again.content == nodes.content
    kept = np.isin(nodes.companies, early.companies)
    assert torch.equal(again.tensors.features["company"], nodes.tensors.features["company"])
    assert kept[nodes.has_bar].all()


def test_labels_are_compounded_returns_from_the_next_session_on(market: NodeMarket, panel: Panel) -> None:
    days = market.days[26:30]
    examples = GAT_BASELINE.examples(panel, days)
    assert len(examples.dates) == len(days) and examples.dropped == 0
    told, sessions = panel.ahead.total_return, panel.sessions.tolist()
    checked = 0
    for day, example in zip(days, examples.dates, strict=True):
        row = sessions.index(day)
        for place, company in enumerate(example.nodes.companies):
            column = panel.companies.tolist().index(company)
            if panel.ahead.last_bar[column] < row + 22 or not np.isfinite(told[row : row + 23, column]).all():
                continue
            expected = np.prod(1 + told[row + 2 : row + 23, column]) - 1
            assert example.forward[place] == pytest.approx(expected, rel=1e-9)
            checked += 1
    assert checked > 100


def test_a_date_whose_window_is_not_over_is_dropped_and_counted(market: NodeMarket) -> None:
    last = market.panel(market.days[-1])
    examples = GAT_BASELINE.examples(last, market.days[-4:])
    assert len(examples.dates) in (2, 3) and examples.dropped == 4 - len(examples.dates)
    with pytest.raises(InputError, match="none of 1 training dates"):
        GAT_BASELINE.describe(GAT_BASELINE.examples(last, market.days[-1:]))


def test_no_day_of_training_or_validation_is_lost(market: NodeMarket) -> None:
    """The panel of a part ends where the labels of its last day do."""
    plan = Plan(first_train_months=12, validation_months=3, test_months=6)
    for chunk in chunks_of(market.database, GAT_BASELINE, plan)[:3]:
        panels = read_training(market.database, GAT_BASELINE, chunk)
        assert GAT_BASELINE.examples(panels.train, chunk.train[-3:]).dropped == 0
        assert GAT_BASELINE.examples(panels.validation, chunk.validation).dropped == 0


def test_a_relation_to_leave_out_that_is_not_there_is_told(caplog: pytest.LogCaptureFixture) -> None:
    described = {"node_types": ["company"], "edge_types": [["company", "supplies", "company"]]}
    assert types_of({**described, "without": ["supplies"]}) == (["company"], []) and not caplog.records
    types_of({**described, "without": ["suplies"]})
    assert caplog.messages == ["without suplies: no edge of training is; there are supplies"]


def test_label_and_rank_of_a_date(nodes: Nodes) -> None:
    forward = np.full(len(nodes.companies), np.nan)
    forward[:6] = [0.1, -0.2, 0.3, 0.05, -0.1, 0.05]
    example = Example(nodes, forward)
    assert example.label("median")[:6].tolist() == [True, False, True, False, False, False]
    assert example.label("up")[:6].tolist() == [True, False, True, True, False, True]
    assert not example.label("median")[6:].any()
    expected = (stats.rankdata(forward[:6]) - 0.5) / 6 - 0.5
    np.testing.assert_allclose(example.ranks()[:6], expected)
    assert np.isnan(example.ranks()[6:]).all()


def test_what_training_describes_is_plain_and_of_the_training_dates(market: NodeMarket, panel: Panel) -> None:
    examples = GAT_BASELINE.examples(panel, market.days[20:24])
    said = GAT_BASELINE.describe(examples)
    assert said["node_types"] == sorted({kind for each in examples.dates for kind in each.nodes.tensors.features})
    assert {"company", "director", "fund"} <= set(said["node_types"])
    assert ["company", "rev_supplies", "company"] in said["edge_types"]
    labels = [each.forward[np.isfinite(each.forward)] for each in examples.dates]
    assert said["share"]["up"] == pytest.approx(np.mean(np.concatenate(labels) > 0))
    assert said["share"]["median"] == pytest.approx(0.5, abs=0.02)


def test_figures_of_a_date_against_scipy(market: NodeMarket, panel: Panel) -> None:
    (example,) = GAT_BASELINE.examples(panel, market.days[28:29]).dates
    score = np.random.default_rng(1).normal(size=len(example.forward))
    label = example.label("median")
    found = date_metrics(example.nodes, example.forward, label, score, score > 0)
    told = np.isfinite(example.forward)
    assert found["rank_ic"] == pytest.approx(stats.spearmanr(score[told], example.forward[told]).statistic)
    u = stats.mannwhitneyu(score[told & label], score[told & ~label]).statistic
    assert found["auc"] == pytest.approx(u / (label[told].sum() * (~label)[told].sum()))
    assert found["matthews"] == pytest.approx(np.corrcoef(score[told] > 0, label[told])[0, 1])
    assert found["tp"] + found["fp"] + found["tn"] + found["fn"] == told.sum()
    always = 2 * label[told].mean() / (1 + label[told].mean())
    assert found["up_f1"] == pytest.approx(always)
    month = example.nodes.tensors.features["company"][:, FEATURES.index("return_21")].numpy()
    assert found["last_month_rank_ic"] == pytest.approx(
        stats.spearmanr(month[told], example.forward[told]).statistic, abs=1e-9
    )


def test_means_over_dates_leave_out_what_a_date_cannot_say() -> None:
    found = mean_of([{"auc": 0.6, "tp": 3}, {"auc": np.nan, "tp": 4}, {"auc": 0.8, "tp": 0}])
    assert found == {"dates": 3.0, "auc": pytest.approx(0.7), "tp": 7.0}
    assert mean_of([]) == {"dates": 0.0}


@pytest.mark.parametrize("loss", ["cross_entropy", "weighted", "focal"])
@pytest.mark.parametrize("rank_loss", ["error", "correlation"])
def test_every_loss_trains(market: NodeMarket, panel: Panel, loss: str, rank_loss: str) -> None:
    """The order that the loss wants is learned from a feature that tells it outright."""
    examples = planted(GAT_BASELINE.examples(panel, market.days[18:24]))
    set_to = {"hidden": 16, "heads": 2, "layers": 1, "dropout": 0.0, "lr": 1e-2, "loss": loss, "rank_loss": rank_loss}
    state = GAT_BASELINE.build({**GAT_BASELINE.describe(examples), **set_to})
    before = GAT_BASELINE.loss(state, examples)
    for _ in range(12):
        GAT_BASELINE.step(state, examples)
    assert GAT_BASELINE.loss(state, examples) < before
    metrics = GAT_BASELINE.metrics(state, examples)
    assert metrics["rank_ic"] > 0.5 and metrics["auc"] > 0.7


def test_an_unknown_loss_is_named(market: NodeMarket, panel: Panel) -> None:
    examples = GAT_BASELINE.examples(panel, market.days[18:19])
    state = GAT_BASELINE.build({**GAT_BASELINE.describe(examples), "hidden": 8, "heads": 2, "loss": "hinge"})
    with pytest.raises(InputError, match="hinge"):
        GAT_BASELINE.step(state, examples)
    with pytest.raises(InputError, match="sideways"):
        examples.dates[0].label("sideways")


def planted(examples: NodeExamples) -> NodeExamples:
    """The same dates with the volatility as the return ahead."""
    place = FEATURES.index("volatility_63")
    dates = [
        Example(
            each.nodes,
            np.where(np.isfinite(each.forward), each.nodes.tensors.features["company"][:, place].double(), np.nan),
        )
        for each in examples.dates
    ]
    return NodeExamples(dates, 0)


def test_inputs_are_what_is_read() -> None:
    assert set(INPUTS) == {"graph_snapshots.monthly", "prices.close", "prices.volume"}


def test_rank_ic_of_the_figures_is_the_gates(nodes: Nodes) -> None:
    forward = np.random.default_rng(0).normal(size=len(nodes.companies))
    score = forward + np.random.default_rng(1).normal(size=len(forward))
    found = date_metrics(nodes, forward, forward > 0, score, score > 0)
    assert found["rank_ic"] == rank_ic(score[None], forward[None])[0]
