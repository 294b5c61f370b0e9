"""The heterogeneous graph transformer (Hu et al. 2020) as an encoder of snapshots, by PyG's HGTConv."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby
from typing import Literal

import torch
from torch import Tensor, nn

from nexus.errors import InputError
from nexus.nn.blocks import BlockBatch, block_batch
from nexus.nn.dense import DenseBatch, attend, dense_batch, packed_batch
from nexus.nn.hetero import EdgeType, Metadata, Tensors
from nexus.nn.keys import cells_of_every, cells_of_linked
from nexus.nn.pyg import HGTConv

__all__ = [
    "BlockBatch",
    "DenseBatch",
    "HGTEncoder",
    "batches",
    "block_batch",
    "choose",
    "dense_batch",
    "packed_batch",
    "scores",
]

CELLS_PER_TERM = 60
"""Up to so many cells of attention for each of PyG's terms, they are the faster way (measured, 30 to 2,500 nodes)."""
CELLS_AT_ONCE = 1 << 26
"""Most cells of dense attention in one batch: a quarter of a GiB of mask."""
EDGES_AT_ONCE = 1 << 18
"""Most edges in one batch of PyG's: in training each takes some 4 KiB for two layers of 64."""
Way = Literal["dense", "packed", "blocks"]
WAYS: Mapping[Way, Callable[[Sequence[Tensors]], DenseBatch | BlockBatch]] = {
    "dense": dense_batch, "packed": packed_batch, "blocks": block_batch,
}  # fmt: skip


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
        if not metadata[1]:
            raise InputError(f"an encoder of {', '.join(metadata[0])} and no edge type; give snapshots that have edges")
        if layers < 1 or not 0 <= dropout < 1:
            raise InputError(f"an encoder of {layers} layers with dropout {dropout}; take 1 or more, and 0 to below 1")
        self.node_types = list(metadata[0])
        self.edge_types: list[EdgeType] = [(str(src), str(relation), str(dst)) for src, relation, dst in metadata[1]]
        self.inputs = nn.ModuleDict({node_type: nn.Linear(in_channels, hidden) for node_type in self.node_types})
        self.layers = nn.ModuleList(
            HGTConv(hidden, hidden, (self.node_types, self.edge_types), heads) for _ in range(layers)
        )
        self.dropout = dropout

    def forward(self, features: Mapping[str, Tensor], edge_index: Mapping[EdgeType, Tensor]) -> dict[str, Tensor]:
        """Embeddings of one graph, node type -> (n, hidden), by PyG: the reference for `embed_many`."""
        x = self._entered(features)
        none = torch.empty(2, 0, dtype=torch.long, device=next(iter(x.values())).device)
        edges = {kind: edge_index.get(kind, none) for kind in self.edge_types}  # HGTConv errs in any other order
        for layer in self.layers:
            x = {kind: self._dropped(each) for kind, each in x.items()}
            x = {**x, **layer(x, edges)}
        return {kind: each for kind, each in x.items() if kind in features}

    def embed_many(self, batch: DenseBatch | BlockBatch) -> dict[str, Tensor]:
        """Embeddings of many snapshots at once, node type -> (rows, hidden): `batch.rows` says which node is which row.

        Equal to `forward` snapshot by snapshot, in values and gradients; `batch.split` gives them so. A weight that
        nothing in the batch uses may have no gradient where PyG gives it zeros.
        """
        if isinstance(batch, BlockBatch):
            return self.forward(batch.features, batch.edge_index)
        batch, x = batch.only(self.edge_types), self._entered(batch.features)
        for layer in self.layers:
            x = {kind: self._dropped(each) for kind, each in x.items()}
            x = {**x, **attend(layer, x, batch)}
        return {kind: each for kind, each in x.items() if kind in batch.features}

    @torch.no_grad()
    def embed(self, snapshots: Sequence[Tensors]) -> list[dict[str, Tensor]]:
        """Embeddings by snapshot, node type -> (n, hidden), the fastest way that memory allows.

        Without gradients; dropout as the mode says, so call `eval()` first.
        """
        found: list[dict[str, Tensor]] = []
        for batch in batches(snapshots):
            found += batch.split(self.embed_many(batch))
        return found

    def _dropped(self, x: Tensor) -> Tensor:
        """As nn.Dropout, in half its time on a CPU, where one thread draws."""
        if not (self.training and self.dropout):
            return x
        return x * torch.rand_like(x).ge_(self.dropout).div_(1 - self.dropout)

    def _entered(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """A type that is not there has no nodes; so all weights get a gradient, be it zero."""
        like = next(iter(features.values()))
        none = like.new_empty(0, like.shape[1])
        return {kind: self.inputs[kind](features.get(kind, none)).relu() for kind in self.node_types}


def scores(embeddings: Mapping[str, Tensor], edge_type: EdgeType, src: Tensor, dst: Tensor) -> Tensor:
    """Logit of an edge from each `src` to each `dst`, (n_pairs,): the dot product of their embeddings.

    src, dst : places of the two ends in the embeddings of their types (of a batch: its `rows`)
    """
    return (embeddings[edge_type[0]][src] * embeddings[edge_type[2]][dst]).sum(-1)


def choose(snapshot: Tensors, edge_types: Collection[EdgeType]) -> Way:
    """The fastest way for snapshots such as this, by weights for these edge types.

    Dense unless nodes squared are far more than edges; then dense or packed, unless their cells are far more than what
    PyG computes: each edge, and for each edge type a map of every source node, with or without an edge.
    """
    edges = _edges(snapshot)
    terms = edges + sum(len(snapshot.ids.get(src, ())) for src, _, _ in edge_types)
    cells = cells_of_every([snapshot])
    if cells <= min(CELLS_PER_TERM * edges, CELLS_AT_ONCE):
        return "dense"
    packed = cells_of_linked([snapshot])
    way: Way = "packed" if 2 * packed < cells else "dense"
    fewest = packed if way == "packed" else cells
    return way if fewest <= min(CELLS_PER_TERM * terms, CELLS_AT_ONCE) else "blocks"


def batches(
    snapshots: Sequence[Tensors], cells_at_once: int = CELLS_AT_ONCE, edges_at_once: int = EDGES_AT_ONCE
) -> Iterator[DenseBatch | BlockBatch]:
    """The snapshots in their order, each the way `choose` says, as many at once as memory should hold, at least one."""
    edge_types = {kind for each in snapshots for kind in each.edge_index}
    for way, same in groupby(snapshots, partial(choose, edge_types=edge_types)):
        run = list(same)
        if way == "blocks":
            step = edges_at_once // max(1, math.ceil(sum(map(_edges, run)) / len(run)))
        else:
            step = cells_at_once // max(1, (cells_of_every if way == "dense" else cells_of_linked)(run))
        for start in range(0, len(run), max(1, step)):
            yield WAYS[way](run[start : start + max(1, step)])


def _edges(snapshot: Tensors) -> int:
    return sum(index.shape[1] for index in snapshot.edge_index.values())
