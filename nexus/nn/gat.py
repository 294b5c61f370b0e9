"""Attention that knows no relation: GATv2 over the union of all edges, to compare with."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nexus.nn.pyg import GATv2Conv


class GATEncoder(nn.Module):
    """A linear map, then h = LayerNorm(x + GATv2(x)), with loops, by PyG's GATv2Conv."""

    def __init__(
        self, in_channels: int, hidden: int = 256, heads: int = 4, layers: int = 2, dropout: float = 0.1
    ) -> None:
        super().__init__()
        self.inputs = nn.Linear(in_channels, hidden)
        self.layers = nn.ModuleList(GATv2Conv(hidden, hidden // heads, heads, dropout=dropout) for _ in range(layers))
        self.norms = nn.ModuleList(nn.LayerNorm(hidden) for _ in range(layers))
        self.dropout = nn.Dropout(dropout)

    def forward(self, features: Tensor, edge_index: Tensor) -> Tensor:
        """Embeddings (n, hidden).

        features : (n, in_channels); edge_index : (2, n_edges), both directions of each edge, each pair once
        """
        x = torch.relu(self.inputs(features))
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = norm(x + self.dropout(layer(x, edge_index)))
        return x
