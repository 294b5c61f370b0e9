"""The heterogeneous graph transformer (Hu et al. 2020) as an encoder of snapshots, by PyG's HGTConv."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch_geometric.nn import HGTConv

from nexus.nn.dense import DenseBatch, attend, dense_batch
from nexus.nn.hetero import EdgeType, Metadata

__all__ = ["DenseBatch", "HGTEncoder", "dense_batch", "scores"]


class HGTEncoder(nn.Module):
    """A linear map and ReLU per node type, then HGTConv layers; the embedding is the last layer's output.

    metadata : node types and edge types there are weights for; other types of a snapshot are left out, it may lack some
    in_channels : features of a node of any type
    dropout : before each layer, in training; HGTConv itself has none

    A type that no edge type leads to keeps what it has: HGTConv gives nothing for it.
    """

    def __init__(
        self,
        metadata: Metadata,
        in_channels: int = 5,
        hidden: int = 64,
        heads: int = 4,
        layers: int = 2,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        self.node_types = list(metadata[0])
        self.edge_types: list[EdgeType] = [(str(src), str(relation), str(dst)) for src, relation, dst in metadata[1]]
        self.hidden = hidden
        self.inputs = nn.ModuleDict({node_type: nn.Linear(in_channels, hidden) for node_type in self.node_types})
        self.layers = nn.ModuleList(
            HGTConv(hidden, hidden, (self.node_types, self.edge_types), heads) for _ in range(layers)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, features: Mapping[str, Tensor], edge_index: Mapping[EdgeType, Tensor]) -> dict[str, Tensor]:
        """Embeddings of one graph, node type -> (n, hidden), by PyG; the reference for every faster way."""
        like = next(iter(features.values()))
        none = torch.empty(2, 0, dtype=torch.long, device=like.device)
        edges = {kind: edge_index.get(kind, none) for kind in self.edge_types}
        x = {kind: features.get(kind, like.new_empty(0, like.shape[1])) for kind in self.node_types}
        x = {kind: self.inputs[kind](each).relu() for kind, each in x.items()}
        for layer in self.layers:
            x = {kind: self.dropout(each) for kind, each in x.items()}
            x = {**x, **layer(x, edges)}
        return {kind: each for kind, each in x.items() if kind in features}

    def embed_many(self, batch: DenseBatch) -> dict[str, Tensor]:
        """Embeddings of many snapshots at once, node type -> (rows, hidden): `batch.rows` says which node is which row.

        Equal to `forward` snapshot by snapshot, in values and gradients; `batch.split` gives them so.
        """
        x = {kind: self.inputs[kind](each).relu() for kind, each in batch.features.items() if kind in self.node_types}
        for layer in self.layers:
            x = {kind: self.dropout(each) for kind, each in x.items()}
            x = {**x, **attend(layer, x, batch)}
        return {kind: each.flatten(0, 1) for kind, each in x.items()}


def scores(embeddings: Mapping[str, Tensor], edge_type: EdgeType, src: Tensor, dst: Tensor) -> Tensor:
    """Logit of an edge from each `src` to each `dst`, (n_pairs,): the dot product of their embeddings.

    src, dst : places of the two ends in the embeddings of their types (of a batch: its `rows`)
    """
    return (embeddings[edge_type[0]][src] * embeddings[edge_type[2]][dst]).sum(-1)
