"""The baseline: attention over the union of all edges, blind to their types and to where a node stands."""

from __future__ import annotations

if __name__ == "__main__":  # before what takes seconds to import, so that help is quick
    from nexus.contract.cli import main

    main("gat_baseline", "nexus.graph.gnn.baseline:GAT_BASELINE")

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from nexus.graph.gnn.node_inputs import CHANNELS, Nodes
from nexus.graph.gnn.node_task import NodeTask
from nexus.nn.gat import GATEncoder


class BaselineNetwork(nn.Module):
    """The same features and answers as the role-aware network's, by a GAT."""

    def __init__(self, params: Mapping[str, Any]) -> None:
        super().__init__()
        self.encoder = GATEncoder(
            CHANNELS, params["hidden"], params["heads"], layers=params["layers"], dropout=params["dropout"]
        )
        self.head = nn.Linear(params["hidden"], 2)

    def forward(self, nodes: Nodes, device: torch.device) -> Tensor:
        """Raw score and logit of the companies, (n, 2)."""
        kinds = list(nodes.tensors.features)
        features = torch.cat([nodes.tensors.features[kind] for kind in kinds]).to(device)
        embedded = self.encoder(features, nodes.ties.counts.indices().to(device))
        start = sum(len(nodes.tensors.features[kind]) for kind in kinds[: kinds.index("company")])
        said: Tensor = self.head(embedded[start : start + len(nodes.companies)])
        return said


class GATBaseline(NodeTask):
    """What the role-aware transformer is compared with."""

    name = "gat_baseline"
    version = "gat_baseline-1"

    def network(self, params: Mapping[str, Any]) -> BaselineNetwork:
        """The same for any graph."""
        return BaselineNetwork(params)

    def respond(self, network: nn.Module, nodes: Nodes, device: torch.device) -> Tensor:
        """What it says of the companies."""
        said: Tensor = network(nodes, device)
        return said


GAT_BASELINE = GATBaseline()
