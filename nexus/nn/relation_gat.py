"""Attention that knows its relation: a GATv2 per edge type, an MLP after each, and learned weights to add them up by.

GATv2: Brody, Alon & Yahav (2022), "How Attentive are Graph Attention Networks?", ICLR; by PyG's GATv2Conv.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from nexus.nn.hetero import EdgeType, Metadata
from nexus.nn.pyg import GATv2Conv, HeteroConv, softmax

EMBEDDING = 16
"""Dimensions of an edge type's embedding."""


class RelationAttention(GATv2Conv):  # type: ignore[misc]
    """GATv2 of one edge type, with an embedding of the type and an attention bias.

    score of source j for target i, per head: a . leaky_relu(W x_i + V x_j + U [weight, embedding]) + slope x weight.
    The bias is a slope on the edge's weight: a constant would cancel in the softmax. A target without a source gets the
    layer's own bias.
    """

    def __init__(self, hidden: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__(
            (hidden, hidden), hidden // heads, heads, add_self_loops=False, edge_dim=1 + EMBEDDING, dropout=dropout
        )
        self.embedding = nn.Parameter(torch.randn(EMBEDDING))
        self.slope = nn.Parameter(torch.zeros(heads))

    def forward(self, x: tuple[Tensor, Tensor], edge_index: Tensor, weight: Tensor) -> Tensor:
        """Attend.

        x : sources (n, hidden) and targets (m, hidden); edge_index : (2, n_edges); weight : (n_edges,)
        Returns (m, hidden).
        """
        described = torch.cat([weight[:, None], self.embedding.expand(len(weight), -1)], dim=1)
        attended: Tensor = super().forward(x, edge_index, described)
        return attended

    def edge_update(
        self, x_j: Tensor, x_i: Tensor, edge_attr: Tensor, index: Tensor, ptr: Tensor | None, dim_size: int | None
    ) -> Tensor:
        """Attention of each edge, (n_edges, heads)."""
        x = x_i + x_j + self.lin_edge(edge_attr).view_as(x_j)
        score = (nn.functional.leaky_relu(x, self.negative_slope) * self.att).sum(dim=-1)
        alpha = softmax(score + edge_attr[:, :1] * self.slope, index, ptr, dim_size)
        dropped: Tensor = nn.functional.dropout(alpha, p=self.dropout, training=self.training)
        return dropped


class RelationLayer(nn.Module):
    """h = LayerNorm(x + sum_r softmax(w)_r MLP_r(attention_r)), for each node type that an edge type leads to.

    edge_types : those there are weights for
    learned : whether w is learned; else all relations count alike

    The softmax goes over the edge types that lead to the node type *and have an edge in the snapshot*: where one is
    missing, the others share its weight in proportion. A node type that nothing leads to keeps what it has.
    """

    def __init__(
        self, edge_types: Sequence[EdgeType], hidden: int, heads: int, dropout: float = 0.0, learned: bool = True
    ) -> None:
        super().__init__()
        self.edge_types = list(edge_types)
        attention = {kind: RelationAttention(hidden, heads, dropout) for kind in self.edge_types}
        self.attention = _hetero(attention)
        self.mlps = nn.ModuleDict({_key(kind): _mlp(hidden) for kind in self.edge_types})
        targets = sorted({kind[2] for kind in self.edge_types})
        self.norms = nn.ModuleDict({target: nn.LayerNorm(hidden) for target in targets})
        self.weights = nn.ParameterDict(
            {_key(kind): nn.Parameter(torch.zeros(()), requires_grad=learned) for kind in self.edge_types}
        )
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, x: Mapping[str, Tensor], edge_index: Mapping[EdgeType, Tensor], weight: Mapping[EdgeType, Tensor]
    ) -> dict[str, Tensor]:
        """Node type -> (n, hidden), of the types in `x`."""
        present = self.present(edge_index)
        result = dict(x)
        if not present:
            return result
        attended = self.attention(
            dict(x),
            edge_index_dict={kind: edge_index[kind] for kind in present},
            weight_dict={kind: weight[kind] for kind in present},
        )
        for target, stacked in attended.items():
            kinds = [kind for kind in present if kind[2] == target]
            told = torch.stack([self.mlps[_key(kind)](stacked[:, place]) for place, kind in enumerate(kinds)], dim=1)
            added = (told * self._shares(kinds)[None, :, None]).sum(dim=1)
            result[target] = self.norms[target](x[target] + self.dropout(added))
        return result

    def present(self, edge_index: Mapping[EdgeType, Tensor]) -> list[EdgeType]:
        """The layer's edge types that have an edge, in the layer's order."""
        return [kind for kind in self.edge_types if kind in edge_index and edge_index[kind].shape[1]]

    def shares(self, edge_types: Sequence[EdgeType] | None = None) -> dict[EdgeType, float]:
        """What each edge type counts among those (default: all) that lead to its node type; they add up to 1."""
        kinds = [kind for kind in self.edge_types if edge_types is None or kind in edge_types]
        found: dict[EdgeType, float] = {}
        for target in sorted({kind[2] for kind in kinds}):
            leading = [kind for kind in kinds if kind[2] == target]
            found |= dict(zip(leading, self._shares(leading).tolist(), strict=True))
        return found

    def _shares(self, kinds: Sequence[EdgeType]) -> Tensor:
        return torch.softmax(torch.stack([self.weights[_key(kind)] for kind in kinds]), dim=0)


class RelationEncoder(nn.Module):
    """Features and an embedding of the node type, mapped to `hidden`, then layers of relations.

    metadata : node types and edge types there are weights for; a snapshot's others are left out, and it may lack some
    target : the node type whose embeddings are wanted; the last layer computes no other
    learned : as of `RelationLayer`
    """

    def __init__(
        self,
        metadata: Metadata,
        in_channels: int,
        hidden: int = 256,
        heads: int = 4,
        layers: int = 2,
        dropout: float = 0.1,
        learned: bool = True,
        target: str = "company",
    ) -> None:
        super().__init__()
        node_types, edge_types = metadata
        self.target, self.node_types = target, list(node_types)
        self.edge_types: list[EdgeType] = [(str(src), str(relation), str(dst)) for src, relation, dst in edge_types]
        self.inputs = nn.Linear(in_channels, hidden)
        self.types = nn.ParameterDict({node_type: nn.Parameter(torch.randn(hidden)) for node_type in node_types})
        wanted = [self.edge_types] * (layers - 1) + [[kind for kind in self.edge_types if kind[2] == target]]
        self.layers = nn.ModuleList(RelationLayer(kinds, hidden, heads, dropout, learned) for kinds in wanted)

    def forward(
        self, features: Mapping[str, Tensor], edge_index: Mapping[EdgeType, Tensor], weight: Mapping[EdgeType, Tensor]
    ) -> Tensor:
        """Embeddings of the target's nodes, (n, hidden).

        features : node type -> (n, in_channels)
        """
        x: dict[str, Tensor] = {
            node_type: torch.relu(self.inputs(features[node_type]) + self.types[node_type])
            for node_type in self.node_types
            if node_type in features
        }
        for layer in self.layers:
            x = layer(x, edge_index, weight)
        return x[self.target]


def _hetero(attention: Mapping[EdgeType, RelationAttention]) -> HeteroConv:
    """Outputs of the relations side by side, in the order given."""
    # HeteroConv warns of node types that nothing leads to: they keep what they have, as `RelationLayer` says
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="There exist node types", category=UserWarning)
        return HeteroConv(dict(attention), aggr=None)


def _key(kind: EdgeType) -> str:
    return "__".join(kind)


def _mlp(hidden: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, hidden))
