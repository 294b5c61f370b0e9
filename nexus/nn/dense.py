"""HGTConv on many small snapshots at once: dense masked attention per destination type."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as f

from nexus.nn.hetero import EdgeType, Tensors, moved
from nexus.nn.keys import Keys, Sizes, every_node, linked_nodes, mapped
from nexus.nn.pyg import HGTConv

SPARE = 16
"""Where all pairs are more than this many times the wanted ones, the wanted ones are scored one by one."""


@dataclass(frozen=True)
class DenseBatch:
    """Snapshots padded to the largest, with what may attend to what.

    features : node type -> (rows, n_features), as many rows a snapshot as the largest has nodes, zero where padded
    sizes : node type -> nodes of each snapshot
    keys : destination type -> what its nodes attend to; types that no edge leads to are left out
    """

    features: Mapping[str, Tensor]
    sizes: Mapping[str, tuple[int, ...]]
    keys: Mapping[str, Keys]

    def __len__(self) -> int:
        return len(next(iter(self.sizes.values())))

    def to(self, device: torch.device | str) -> DenseBatch:
        """The same on another device."""
        keys = {dst: each.to(device) for dst, each in self.keys.items()}
        return DenseBatch(moved(self.features, device), self.sizes, keys)

    def rows(self, node_type: str, snapshot: Tensor | int, places: Tensor) -> Tensor:
        """Row in what `embed_many` gives of the nodes at these places of these snapshots."""
        return snapshot * max(self.sizes[node_type]) + places

    def pairs(self, edge_type: EdgeType, snapshot: Tensor | int, src: Tensor, dst: Tensor) -> Tensor:
        """What `scores` wants to know of pairs of places in these snapshots."""
        return self.rows(edge_type[0], snapshot, src) * max(self.sizes[edge_type[2]]) + dst

    def scores(self, embedded: Mapping[str, Tensor], edge_type: EdgeType, pairs: Tensor) -> Tensor:
        """Logit of an edge of each of the `pairs`, (n_pairs,): the dot product of what its ends are embedded as.

        All pairs of a snapshot are scored and the wanted ones taken: far less memory is moved than by gathering ends.
        """
        src, dst = embedded[edge_type[0]], embedded[edge_type[2]]
        n_src, n_dst = max(self.sizes[edge_type[0]]), max(self.sizes[edge_type[2]])
        if len(src) * n_dst > SPARE * len(pairs):
            end = pairs // (n_src * n_dst) * n_dst + pairs % n_dst
            return (src.index_select(0, pairs // n_dst) * dst.index_select(0, end)).sum(-1)
        grid = src.view(len(self), n_src, -1) @ dst.view(len(self), n_dst, -1).transpose(1, 2)
        return grid.flatten().index_select(0, pairs)

    def only(self, edge_types: Collection[EdgeType]) -> DenseBatch:
        """The same without other edge types."""
        kept = {dst: each.only(edge_types) for dst, each in self.keys.items()}
        return replace(self, keys={dst: each for dst, each in kept.items() if each is not None})

    def split(self, embedded: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
        """Embeddings by snapshot, node type -> (n, hidden)."""
        most = {kind: max(sizes) for kind, sizes in self.sizes.items()}
        return [
            {kind: each[i * most[kind] :][: self.sizes[kind][i]] for kind, each in embedded.items()}
            for i in range(len(self))
        ]


def dense_batch(snapshots: Sequence[Tensors]) -> DenseBatch:
    """Many snapshots as one batch; their types and sizes may differ."""
    return _batch(snapshots, every_node)


def packed_batch(snapshots: Sequence[Tensors]) -> DenseBatch:
    """As `dense_batch`, where of most edge types most nodes have none: only those that have one are keys."""
    return _batch(snapshots, linked_nodes)


def _batch(
    snapshots: Sequence[Tensors], keys_of: Callable[[Sequence[Tensors], Sequence[EdgeType], Sizes], Keys]
) -> DenseBatch:
    node_types = sorted({kind for each in snapshots for kind in each.features})
    sizes = {kind: tuple(len(each.ids.get(kind, ())) for each in snapshots) for kind in node_types}
    features = {kind: torch.cat([_padded(each, kind, max(sizes[kind])) for each in snapshots]) for kind in sizes}
    kinds = sorted({kind for each in snapshots for kind, index in each.edge_index.items() if index.shape[1]})
    into = {dst: [kind for kind in kinds if kind[2] == dst] for dst in sorted({kind[2] for kind in kinds})}
    return DenseBatch(features, sizes, {dst: keys_of(snapshots, each, sizes) for dst, each in into.items()})


def _padded(snapshot: Tensors, node_type: str, size: int) -> Tensor:
    values = snapshot.features.get(node_type)
    if values is None:
        like = next(iter(snapshot.features.values()))
        return like.new_zeros(size, like.shape[1])
    return f.pad(values, (0, 0, 0, size - len(values))) if len(values) < size else values


def attend(layer: HGTConv, x: Mapping[str, Tensor], batch: DenseBatch) -> dict[str, Tensor]:
    """One HGTConv layer on all snapshots, (rows, hidden); only destination types of its metadata come back.

    The batch has edge types of the layer only, see `only`.
    """
    asking, *telling = _maps(layer)
    found = {}
    for dst in x:
        if dst not in layer.dst_node_types:
            continue
        message = torch.zeros_like(x[dst])
        if dst in batch.keys:
            keys = batch.keys[dst]
            made = [mapped(x[dst], [asking[dst]], len(batch)), *(keys.mapped(x, maps) for maps in telling)]
            q, k, v = (each.view(*each.shape[:2], layer.heads, -1).transpose(1, 2) for each in made)
            seen = f.scaled_dot_product_attention(q, k, v, attn_mask=_as(keys.bias, q.dtype))
            message = seen.transpose(1, 2).reshape(x[dst].shape) * keys.reached
        out = layer.out_lin.lins[dst](f.gelu(message))
        found[dst] = torch.lerp(x[dst], out.to(x[dst].dtype), layer.skip[dst].sigmoid().to(x[dst].dtype))
    return found


def _as(bias: Tensor, dtype: torch.dtype) -> Tensor:
    least = max(torch.finfo(dtype).min, torch.finfo(bias.dtype).min) / 2
    return bias if bias.dtype == dtype else bias.clamp(min=least).to(dtype)


def _maps(layer: HGTConv) -> tuple[dict[str, Tensor], dict[EdgeType, Tensor], dict[EdgeType, Tensor]]:
    """Maps to queries by node type, to keys and to values by edge type: (hidden, inputs and one), the bias last.

    A relation's map is a linear map after a linear map: their product is taken first, on the weights alone. Its prior
    is in its keys.
    """
    heads, size = layer.heads, layer.out_channels // layer.heads
    whole = torch.stack([torch.cat([lin.weight, lin.bias[:, None]], 1) for lin in layer.kqv_lin.lins.values()])
    own = dict(zip(layer.kqv_lin.lins, whole.view(len(whole), 3, heads, size, -1).unbind(), strict=True))
    prior = torch.stack([layer.p_rel["__".join(kind)].view(heads, 1, 1) for kind in layer.edge_types])
    k, v = (rel.weight.view(heads, -1, size, size).transpose(0, 1) for rel in (layer.k_rel, layer.v_rel))
    first = torch.stack([own[kind[0]][::2] for kind in layer.edge_types])
    told = (torch.stack([k * prior, v], 1).transpose(-1, -2) @ first).flatten(2, 3)
    key, value = (dict(zip(layer.edge_types, each, strict=True)) for each in told.unbind(1))
    return {kind: each[1].flatten(0, 1) for kind, each in own.items()}, key, value
