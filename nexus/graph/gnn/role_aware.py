"""The role-aware transformer: where a company stands and whom it is tied to how, to tell its next month's rank."""

from __future__ import annotations

if __name__ == "__main__":  # before what takes seconds to import, so that help is quick
    from nexus.contract.cli import main

    main("role_aware", "nexus.graph.gnn.role_aware:ROLE_AWARE")

from collections.abc import Iterable, Mapping
from datetime import date
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from nexus.contract.torch import TorchState, evaluating
from nexus.db.panel import Observations
from nexus.errors import InputError
from nexus.graph.gnn.node_inputs import CHANNELS, Nodes
from nexus.graph.gnn.node_task import NodeTask, score_of, types_of
from nexus.maths.types import Floats
from nexus.nn.pearl import Pearl, basis_inputs, random_inputs
from nexus.nn.relation_gat import RelationEncoder

if TYPE_CHECKING:
    import pandas as pd

PEARL_INPUTS = ("random", "basis")


class RoleNetwork(nn.Module):
    """PEARL encodings joined to the features of the nodes, layers of relations, and two answers per company."""

    def __init__(self, params: Mapping[str, Any]) -> None:
        super().__init__()
        self.params = {name: params[name] for name in ("seed", "pearl_samples", "pearl_inputs")}
        if params["pearl_inputs"] not in PEARL_INPUTS:
            raise InputError(f"pearl_inputs {params['pearl_inputs']!r}: one of {', '.join(PEARL_INPUTS)}")
        width = params["pearl_dim"] if params["pearl"] else 0
        node_types, edge_types = types_of(params)
        names = sorted({relation for _, relation, _ in edge_types})
        self.pearl = Pearl(width, params["pearl_hidden"], params["pearl_layers"], names) if width else None
        self.encoder = RelationEncoder(
            (node_types, edge_types),
            CHANNELS + width,
            hidden=params["hidden"],
            heads=params["heads"],
            layers=params["layers"],
            dropout=params["dropout"],
            learned=params["relation_weights"],
        )
        self.head = nn.Linear(params["hidden"], 2)

    def encode(self, nodes: Nodes, device: torch.device) -> Tensor | None:
        """PEARL encodings of all nodes, in order of their types; None where the network has none."""
        if self.pearl is None:
            return None
        n, params = len(nodes.ties.counts), self.params
        if params["pearl_inputs"] == "basis":
            inputs = basis_inputs(n)
        else:
            inputs = random_inputs(n, params["pearl_samples"], params["seed"], nodes.content)
        encoded: Tensor = self.pearl(nodes.ties.to(device), inputs.to(device))
        return encoded

    def hidden(self, nodes: Nodes, encoded: Tensor | None, device: torch.device) -> Tensor:
        """Representations of the companies, (n, hidden)."""
        graph = nodes.tensors.to(device)
        features = dict(graph.features)
        if encoded is not None:
            parts = torch.split(encoded, [len(each) for each in features.values()])
            features = {
                kind: torch.cat([each, part], dim=1) for (kind, each), part in zip(features.items(), parts, strict=True)
            }
        represented: Tensor = self.encoder(features, graph.edge_index, graph.weight)
        return represented

    def forward(self, nodes: Nodes, encoded: Tensor | None, device: torch.device) -> Tensor:
        """Raw score and logit of the companies, (n, 2)."""
        said: Tensor = self.head(self.hidden(nodes, encoded, device))
        return said


class RoleAware(NodeTask):
    """PEARL, a relation-aware GATv2 per edge type, and learned weights over them.

    output : "graph_predictions", or "node_embeddings": what the same weights represent the companies by, (hidden,)
    pearl : whether there are encodings; pearl_inputs : one of PEARL_INPUTS; pearl_samples : how many random ones
    relation_weights : whether relations are weighted by what is learned, or all alike
    """

    name = "role_aware"
    version = "role_aware-1"
    defaults: ClassVar[Mapping[str, Any]] = {
        **NodeTask.defaults, "pearl": True, "pearl_dim": 32, "pearl_hidden": 16, "pearl_layers": 3,
        "pearl_samples": 64, "pearl_inputs": "random", "relation_weights": True,
    }  # fmt: skip

    def __init__(self, output: str = "graph_predictions") -> None:
        self.output = output  # type: ignore[misc]  # of the class everywhere else

    def space(self, trial: Any) -> dict[str, Any]:
        """Those of the task, and the size of the encodings' network."""
        return {
            **super().space(trial),
            "pearl_hidden": trial.suggest_categorical("pearl_hidden", [8, 16, 32]),
            "pearl_layers": trial.suggest_int("pearl_layers", 1, 4),
        }

    def network(self, params: Mapping[str, Any]) -> RoleNetwork:
        """Of the types that training described."""
        return RoleNetwork(params)

    def respond(self, network: nn.Module, nodes: Nodes, device: torch.device) -> Tensor:
        """What it says of the companies."""
        assert isinstance(network, RoleNetwork)
        said: Tensor = network(nodes, network.encode(nodes, device), device)
        return said

    def ablated(self, network: nn.Module, nodes: Nodes, device: torch.device) -> Iterable[tuple[str, Floats]]:
        """Features and relations, and "encoding:pearl": everybody standing where the mean node stands."""
        assert isinstance(network, RoleNetwork)
        yield from super().ablated(network, nodes, device)
        encoded = network.encode(nodes, device)
        if encoded is not None:
            said = network(nodes, encoded.mean(dim=0).expand_as(encoded), device)[:, 0]
            yield "encoding:pearl", score_of(said.float().cpu().double()).numpy()

    def predict(self, state: TorchState, data: Observations, day: date) -> pd.DataFrame:
        """Scores, or the representations of the companies of the day's snapshot; none where that day has none."""
        if self.output == "graph_predictions":
            return super().predict(state, data, day)
        import pandas as pd

        nodes = self.nodes(state, data, day)
        if nodes is None or nodes.snapshot[0] != np.datetime64(day, "D"):
            return pd.DataFrame(columns=["company_id", "snapshot_date", "graph_version", "embedding", "embedding_dim"])
        with evaluating(state) as network:
            assert isinstance(network, RoleNetwork)
            encoded = network.encode(nodes, state.device)
            values = network.hidden(nodes, encoded, state.device).float().cpu().numpy()
        rows = {
            "company_id": nodes.companies, "snapshot_date": day, "graph_version": nodes.snapshot[1],
            "embedding": list(values), "embedding_dim": values.shape[1],
        }  # fmt: skip
        return pd.DataFrame(rows)


ROLE_AWARE = RoleAware()
