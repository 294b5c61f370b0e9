"""The role-aware transformer on a simulated market in the database, from examples to explanations."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from graph.node_market import QUICK, NodeMarket

from nexus.contract.reading import chunks_of
from nexus.contract.runner import predict, restore, train
from nexus.contract.splits import Plan
from nexus.contract.torch import TorchState
from nexus.db.panel import Panel
from nexus.errors import InputError
from nexus.graph.gnn.node_inputs import FEATURES, Nodes
from nexus.graph.gnn.node_task import Example, NodeExamples
from nexus.graph.gnn.role_aware import ROLE_AWARE, RoleNetwork
from nexus.graph.gnn.role_aware_embedding import ROLE_AWARE_EMBEDDING

PARAMS = {**QUICK, "dropout": 0.0}


@pytest.fixture(scope="module")
def examples(market: NodeMarket, panel: Panel) -> NodeExamples:
    return ROLE_AWARE.examples(panel, market.days[18:26])


def trained(examples: NodeExamples, epochs: int = 1, **params: Any) -> TorchState:
    state = ROLE_AWARE.build({**ROLE_AWARE.describe(examples), **PARAMS, **params})
    for _ in range(epochs):
        ROLE_AWARE.step(state, examples)
    return state


@pytest.fixture(scope="module")
def state(examples: NodeExamples) -> TorchState:
    return trained(examples, 2)


def test_a_prediction_has_a_row_for_each_company_of_the_graph_with_a_bar(
    market: NodeMarket, panel: Panel, state: TorchState
) -> None:
    for day in market.days[28:31]:
        rows = ROLE_AWARE.predict(state, panel.blind(), day)
        view = panel.at(day)
        priced = view.companies[np.isfinite(view.raw("close", 1)[0])]
        assert rows["company_id"].tolist() == np.intersect1d(view.graph("monthly").nodes["company"], priced).tolist()
        assert list(rows) == ["company_id", "score", "probability"]
        assert rows["score"].between(-0.5, 0.5).all() and rows["probability"].between(0, 1).all()
        assert rows["score"].nunique() > 20


def test_training_again_gives_the_same_bits_and_another_seed_does_not(
    market: NodeMarket, panel: Panel, examples: NodeExamples, state: TorchState
) -> None:
    day = market.days[30]
    rows = ROLE_AWARE.predict(state, panel.blind(), day)
    again = ROLE_AWARE.predict(trained(examples, 2), panel.blind(), day)
    pd.testing.assert_frame_equal(rows, again, check_exact=True)
    other = ROLE_AWARE.predict(trained(examples, 2, seed=1), panel.blind(), day)
    assert not np.allclose(rows["score"], other["score"])


def test_going_on_from_what_was_saved_ends_with_the_same_bits(examples: NodeExamples, state: TorchState) -> None:
    half = trained(examples, 1)
    resumed = trained(examples, 0)
    ROLE_AWARE.load(resumed, ROLE_AWARE.save(half))
    ROLE_AWARE.step(resumed, examples)
    for one, other in zip(state.network.parameters(), resumed.network.parameters(), strict=True):
        assert torch.equal(one, other)


def test_what_happens_later_changes_nothing_said_before(market: NodeMarket, panel: Panel, state: TorchState) -> None:
    day = market.days[30]
    early = market.panel(day)
    one, other = (ROLE_AWARE.predict(state, each.blind(), day) for each in (panel, early))
    pd.testing.assert_frame_equal(one, other, check_exact=True)


def test_a_day_without_a_graph_says_nothing(market: NodeMarket, panel: Panel, state: TorchState) -> None:
    day = panel.sessions[0].item()
    assert ROLE_AWARE.predict(state, panel.blind(), day).empty
    assert ROLE_AWARE.explain(state, panel.blind(), day).empty


def test_the_numbering_of_the_nodes_does_not_matter(examples: NodeExamples) -> None:
    state = trained(examples, 1, pearl_inputs="basis")
    nodes = examples.dates[0].nodes
    new = np.random.default_rng(0).permutation(len(nodes.companies))
    moved = renumbered(nodes, new)
    with torch.no_grad():
        one, other = (ROLE_AWARE.respond(state.network, each, state.device) for each in (nodes, moved))
    torch.testing.assert_close(other, one[new], atol=1e-4, rtol=1e-4)


def renumbered(nodes: Any, new: np.ndarray) -> Any:
    """Company `new[i]` comes i-th; companies are the first type, so their places are the first among all."""
    inverse = torch.from_numpy(np.argsort(new))
    everywhere = torch.cat([inverse, torch.arange(len(new), len(nodes.ties.counts))])
    graph = nodes.tensors
    assert next(iter(graph.ids)) == "company"
    edge_index = {
        kind: torch.stack([inverse[row] if end == "company" else row for row, end in zip(each, kind[::2], strict=True)])
        for kind, each in graph.edge_index.items()
    }
    features = {**graph.features, "company": graph.features["company"][new]}
    ids = {**graph.ids, "company": graph.ids["company"][new]}
    ends = {relation: everywhere[each] for relation, each in nodes.ends.items()}
    tensors = replace(graph, features=features, ids=ids, edge_index=edge_index)
    return replace(nodes, tensors=tensors, ends=ends, has_bar=nodes.has_bar[new], columns=nodes.columns[new])


def test_pearl_is_drawn_from_seed_and_graph_and_told_apart(examples: NodeExamples, state: TorchState) -> None:
    network = state.network
    assert isinstance(network, RoleNetwork)
    with torch.no_grad():
        first, second = (network.encode(each.nodes, state.device) for each in examples.dates[:2])
        torch.manual_seed(99)
        again = network.encode(examples.dates[0].nodes, state.device)
    assert first is not None and second is not None
    assert first.shape == (sum(len(ids) for ids in examples.dates[0].nodes.tensors.ids.values()), 6)
    assert torch.equal(first, again)
    assert examples.dates[0].nodes.content != examples.dates[1].nodes.content
    assert float(first.std(dim=0).mean()) > 0.1


def test_arms_of_the_ablation_change_the_network_as_they_say(examples: NodeExamples, state: TorchState) -> None:
    plain = trained(examples, 1, pearl=False)
    assert not any(name.startswith("pearl") for name, _ in plain.network.named_parameters())
    uniform = trained(examples, 2, relation_weights=False)
    shares = [layer.shares() for layer in uniform.network.encoder.layers]
    into = [kind for kind in shares[0] if kind[2] == "company"]
    assert all(shares[0][kind] == pytest.approx(1 / len(into)) for kind in into)
    learned = state.network.encoder.layers[-1].shares()
    assert len({round(value, 7) for value in learned.values()}) > 1
    without = trained(examples, 1, without=["supplies"])
    assert not any("supplies" in name for name, _ in without.network.named_parameters())
    assert any("supplies" in name for name, _ in state.network.named_parameters())


def test_what_was_left_out_cannot_be_seen(market: NodeMarket, panel: Panel, examples: NodeExamples) -> None:
    """Neither by attention nor by the encodings: other supply edges, the same scores."""
    state = trained(examples, 1, without=["supplies"])
    nodes = examples.dates[0].nodes
    kind, back = ("company", "supplies", "company"), ("company", "rev_supplies", "company")
    ends = nodes.tensors.edge_index[kind][:, :3]
    index = {**nodes.tensors.edge_index, kind: ends, back: ends.flip(0)}
    weight = {**nodes.tensors.weight, kind: torch.ones(3), back: torch.ones(3)}
    other = replace(
        nodes,
        tensors=replace(nodes.tensors, edge_index=index, weight=weight),
        ends={**nodes.ends, "supplies": nodes.ends["supplies"][:, :3]},
    )
    changed = NodeExamples([Example(other, examples.dates[0].forward)], 0)
    same = NodeExamples(examples.dates[:1], 0)
    assert ROLE_AWARE.loss(state, changed) == ROLE_AWARE.loss(state, same)
    full = trained(examples, 1)
    assert ROLE_AWARE.loss(full, changed) != ROLE_AWARE.loss(full, same)


def test_an_explanation_is_what_the_score_loses(market: NodeMarket, panel: Panel, state: TorchState) -> None:
    day = market.days[30]
    rows = ROLE_AWARE.explain(state, panel.blind(), day)
    assert list(rows) == ["company_id", "feature", "attribution"]
    predicted = ROLE_AWARE.predict(state, panel.blind(), day).set_index("company_id")["score"]
    assert set(rows["company_id"]) == set(predicted.index)
    relations = {"board", "correlation", "director_of", "fund_similarity", "holds", "sector", "supplies"}
    named = {f"feature:{name}" for name in FEATURES} | {f"relation:{name}" for name in relations} | {"encoding:pearl"}
    assert set(rows["feature"]) == named and len(rows) == len(named) * len(predicted)
    assert np.isfinite(rows["attribution"]).all()
    nodes = ROLE_AWARE.nodes(state, panel.blind(), day)
    assert nodes is not None
    with torch.no_grad():
        raw = ROLE_AWARE.respond(state.network, nodes.without(["correlation"]), state.device)[:, 0]
    lost = rows[rows["feature"] == "relation:correlation"].set_index("company_id")["attribution"]
    expected = predicted - pd.Series(0.5 * np.tanh(raw.double().numpy()), nodes.companies).reindex(predicted.index)
    pd.testing.assert_series_equal(lost, expected, check_names=False, atol=1e-7)


def test_a_feature_that_alone_tells_the_label_is_named_first(market: NodeMarket, panel: Panel) -> None:
    place = FEATURES.index("return_126_21")
    taken = ROLE_AWARE.examples(panel, market.days[18:26])
    dates = [
        Example(
            each.nodes,
            np.where(np.isfinite(each.forward), each.nodes.tensors.features["company"][:, place].double(), np.nan),
        )
        for each in taken.dates
    ]
    state = trained(NodeExamples(dates, 0), 12, lr=1e-2)
    rows = ROLE_AWARE.explain(state, panel.blind(), market.days[25])
    size = rows.assign(size=rows["attribution"].abs()).groupby("feature")["size"].mean()
    assert size[[name for name in size.index if name.startswith("feature:")]].idxmax() == "feature:return_126_21"


def test_pearl_tells_how_many_suppliers_a_company_has_and_nothing_else_does(market: NodeMarket, panel: Panel) -> None:
    """Trained where the number of suppliers is the return, asked of later months.

    Nothing is known of prices: a mean over neighbours shrinks with their number, and would tell it where they differ.
    """

    def by_suppliers(days: list[date]) -> NodeExamples:
        taken = ROLE_AWARE.examples(panel, days).dates
        return NodeExamples([Example(unpriced(each.nodes), suppliers(each)) for each in taken], 0)

    def unpriced(nodes: Nodes) -> Nodes:
        features = nodes.tensors.features
        nothing = features["director"][:1].expand(len(nodes.companies), -1)
        return replace(nodes, tensors=replace(nodes.tensors, features={**features, "company": nothing}))

    def suppliers(example: Example) -> np.ndarray:
        edges = example.nodes.tensors.edge_index["company", "supplies", "company"]
        counts = np.bincount(edges[1], minlength=len(example.forward)).astype(float)
        return np.where(np.isfinite(example.forward), counts, np.nan)

    learned, asked = by_suppliers(market.days[18:26]), by_suppliers(market.days[28:32])
    found = {}
    for pearl in (True, False):
        state = trained(learned, 15, pearl=pearl, pearl_hidden=16, pearl_dim=16, pearl_samples=64, layers=1, lr=1e-2)
        found[pearl] = ROLE_AWARE.metrics(state, asked)["rank_ic"]
    assert found[True] > 0.9 and found[False] < 0.75, found  # some or none is all that attention sees of the like


def test_an_edge_type_that_training_never_saw_is_left_out(market: NodeMarket, panel: Panel) -> None:
    """Predicting goes on where the graph has grown a type, and where it has lost one."""
    examples = ROLE_AWARE.examples(panel, market.days[18:20])
    reduced = NodeExamples([replace(each, nodes=each.nodes.without(["sector"])) for each in examples.dates], 0)
    state = trained(reduced, 1)
    assert not ROLE_AWARE.predict(state, panel.blind(), market.days[25]).empty
    nodes = ROLE_AWARE.nodes(state, panel.blind(), market.days[25])
    assert nodes is not None
    with torch.no_grad():
        said = ROLE_AWARE.respond(state.network, nodes.without(list(nodes.ends)), state.device)
    assert torch.isfinite(said).all()


def test_through_the_runner_scores_and_frozen_embeddings_of_one_training(market: NodeMarket) -> None:
    """What is written is stamped as of the chunk, and a reader after it finds both."""
    plan = Plan(first_train_months=24, validation_months=6, test_months=3)
    chunk = chunks_of(market.database, ROLE_AWARE, plan)[0]
    with pytest.raises(InputError, match="run train-best first"):
        predict(market.database, ROLE_AWARE_EMBEDDING, chunk, params=PARAMS)
    trained_once = train(market.database, ROLE_AWARE, chunk, params=PARAMS)
    assert trained_once.epochs == 2 and {"rank_ic", "last_month_rank_ic", "up_f1"} <= set(trained_once.metrics)
    said = predict(market.database, ROLE_AWARE, chunk, params=PARAMS)
    frozen = predict(market.database, ROLE_AWARE_EMBEDDING, chunk, params=PARAMS)
    assert said.days == frozen.days == len(chunk.predicted) and said.rows > 0 and frozen.rows > 0
    assert predict(market.database, ROLE_AWARE_EMBEDDING, chunk, params=PARAMS).days == 0

    inputs = ["prices.close", "graph_predictions.role_aware-1", "node_embeddings.role_aware-1"]
    last = chunk.test[-1]
    panel = Panel.open(market.database, start=chunk.train[0], end=last, inputs=inputs)
    scores = panel.at(last).predictions("role_aware-1")
    days, vectors = panel.at(last).embeddings("role_aware-1", n=2)
    assert np.isfinite(scores).sum() > 20
    assert days.astype(object).tolist() == list(chunk.test[-2:])
    assert vectors.shape == (2, len(panel.companies), PARAMS["hidden"])
    told = np.isfinite(vectors[-1]).all(axis=1)
    assert told[np.isfinite(scores)].all()
    # the answers are a linear map of the representations: the same weights made both
    head = restore(ROLE_AWARE, chunk, params=PARAMS).state.network.head
    there = np.isfinite(scores)
    raw = vectors[-1][there] @ head.weight[0].detach().numpy() + head.bias[0].item()
    np.testing.assert_allclose(scores[there], 0.5 * np.tanh(raw), atol=1e-5)
