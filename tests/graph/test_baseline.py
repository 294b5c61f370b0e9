"""The GAT baseline: the same task and features, no types, no positions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from graph.node_market import QUICK, NodeMarket

from nexus.contract.torch import TorchState
from nexus.db.panel import Panel
from nexus.graph.gnn.baseline import GAT_BASELINE
from nexus.graph.gnn.node_inputs import FEATURES
from nexus.graph.gnn.node_task import NodeExamples
from nexus.graph.gnn.role_aware import ROLE_AWARE

PARAMS = {name: value for name, value in QUICK.items() if not name.startswith("pearl")}


@pytest.fixture(scope="module")
def examples(market: NodeMarket, panel: Panel) -> NodeExamples:
    return GAT_BASELINE.examples(panel, market.days[18:24])


@pytest.fixture(scope="module")
def state(examples: NodeExamples) -> TorchState:
    state = GAT_BASELINE.build({**GAT_BASELINE.describe(examples), **PARAMS, "dropout": 0.0})
    GAT_BASELINE.step(state, examples)
    return state


def test_it_says_the_same_things_of_the_same_companies(market: NodeMarket, panel: Panel, state: TorchState) -> None:
    rows = GAT_BASELINE.predict(state, panel.blind(), market.days[30])
    assert list(rows) == ["company_id", "score", "probability"]
    assert rows["score"].between(-0.5, 0.5).all() and rows["score"].nunique() > 20
    explained = GAT_BASELINE.explain(state, panel.blind(), market.days[30])
    assert {f"feature:{name}" for name in FEATURES} < set(explained["feature"])
    assert "encoding:pearl" not in set(explained["feature"])


def test_types_of_edges_mean_nothing_to_it(examples: NodeExamples, state: TorchState) -> None:
    """The same pairs under one name give the same bits; to the role-aware network they do not."""
    nodes = examples.dates[0].nodes
    one_name = {"anything": torch.cat(list(nodes.ends.values()), dim=1)}
    with torch.no_grad():
        said = GAT_BASELINE.respond(state.network, nodes, state.device)
        other = GAT_BASELINE.respond(state.network, replace(nodes, ends=one_name), state.device)
        fewer = GAT_BASELINE.respond(state.network, nodes.without(["correlation"]), state.device)
    assert torch.equal(said, other)
    assert not torch.allclose(said, fewer)


def test_both_are_given_the_same_examples(market: NodeMarket, panel: Panel, examples: NodeExamples) -> None:
    others = ROLE_AWARE.examples(panel, market.days[18:24])
    for one, other in zip(examples.dates, others.dates, strict=True):
        np.testing.assert_array_equal(one.forward, other.forward)
        assert torch.equal(one.nodes.tensors.features["company"], other.nodes.tensors.features["company"])
