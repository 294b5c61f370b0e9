"""Snapshots side by side as one graph without an edge between them: for graphs too large or too thin for `dense`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

from nexus.nn.hetero import EdgeType, Tensors, moved


@dataclass(frozen=True)
class BlockBatch:
    """A block-diagonal graph; `rows`, `pairs`, `scores` and `split` as of a `DenseBatch`.

    features : node type -> (rows, n_features), one snapshot after another
    edge_index : edge type -> (2, n_edges), rows
    sizes : node type -> nodes of each snapshot
    starts : node type -> (snapshots,), row of the first node of each
    """

    features: Mapping[str, Tensor]
    edge_index: Mapping[EdgeType, Tensor]
    sizes: Mapping[str, tuple[int, ...]]
    starts: Mapping[str, Tensor]

    def __len__(self) -> int:
        return len(next(iter(self.sizes.values())))

    def to(self, device: torch.device | str) -> BlockBatch:
        """The same on another device."""
        features, starts = (moved(each, device) for each in (self.features, self.starts))
        return BlockBatch(features, moved(self.edge_index, device), self.sizes, starts)

    def rows(self, node_type: str, snapshot: Tensor | int, places: Tensor) -> Tensor:
        """Row of the nodes at these places of these snapshots."""
        return self.starts[node_type][snapshot] + places

    def pairs(self, edge_type: EdgeType, snapshot: Tensor | int, src: Tensor, dst: Tensor) -> Tensor:
        """What `scores` wants to know of pairs of places in these snapshots."""
        return torch.stack([self.rows(edge_type[0], snapshot, src), self.rows(edge_type[2], snapshot, dst)])

    def scores(self, embedded: Mapping[str, Tensor], edge_type: EdgeType, pairs: Tensor) -> Tensor:
        """Logit of an edge of each of the `pairs`, (n_pairs,): the dot product of what its ends are embedded as."""
        src, dst = (embedded[end].index_select(0, rows) for end, rows in zip(edge_type[::2], pairs, strict=True))
        return (src * dst).sum(-1)

    def split(self, embedded: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
        """Embeddings by snapshot, node type -> (n, hidden)."""
        parts = {kind: torch.split(each, list(self.sizes[kind])) for kind, each in embedded.items()}
        return [{kind: each[i] for kind, each in parts.items()} for i in range(len(self))]


def block_batch(snapshots: Sequence[Tensors]) -> BlockBatch:
    """Many snapshots as one graph; their types and sizes may differ."""
    kinds = sorted({kind for each in snapshots for kind in each.features})
    sizes = {kind: tuple(len(each.ids.get(kind, ())) for each in snapshots) for kind in kinds}
    first = {kind: list(accumulate(each, initial=0))[:-1] for kind, each in sizes.items()}
    edges: dict[EdgeType, list[Tensor]] = {}
    for i, each in enumerate(snapshots):
        for kind, index in each.edge_index.items():
            shift = torch.tensor([[first[kind[0]][i]], [first[kind[2]][i]]], device=index.device)
            edges.setdefault(kind, []).append(index + shift)
    features = {kind: torch.cat([each.features[kind] for each in snapshots if kind in each.features]) for kind in kinds}
    device = next(iter(features.values())).device
    starts = {kind: torch.tensor(each, device=device) for kind, each in first.items()}
    return BlockBatch(features, {kind: torch.cat(parts, 1) for kind, parts in edges.items()}, sizes, starts)
