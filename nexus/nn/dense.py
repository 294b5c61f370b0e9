"""HGTConv on many small snapshots at once: dense masked attention per destination type."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import torch
from torch import Tensor
from torch.nn import functional as f

from nexus.nn.hetero import EdgeType, Tensors, moved
from nexus.nn.keys import Keys, keys_of, linear
from nexus.nn.pyg import HGTConv

SPARE = 16
"""Where all pairs are more than this many times the wanted ones, the wanted ones are scored one by one."""


@dataclass(frozen=True)
class DenseBatch:
    """Snapshots padded to the largest, with what may attend to what.

    features : node type -> (rows, n_features), as many rows a snapshot as the largest has nodes, zero where padded
    sizes : node type -> nodes of each snapshot
    sources : destination type -> edge types into it by source type, in the order of the last axis of `bias`
    bias : destination type -> (snapshots, 1, its nodes, keys): log of the number of edges, a very negative number where
        there is none; each node of a source type has a key for each of its edge types, one beside the other
    reached : destination type -> (rows, 1), 1 where a node has an edge into it, else 0
    keys : destination type -> its keys, where only nodes that have an edge are one; `sources` then says nothing
    """

    features: Mapping[str, Tensor]
    sizes: Mapping[str, tuple[int, ...]]
    sources: Mapping[str, Mapping[str, tuple[EdgeType, ...]]]
    bias: Mapping[str, Tensor]
    reached: Mapping[str, Tensor]
    keys: Mapping[str, Keys] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(next(iter(self.sizes.values())))

    def to(self, device: torch.device | str) -> DenseBatch:
        """The same on another device."""
        features, bias, reached = (moved(each, device) for each in (self.features, self.bias, self.reached))
        keys = {dst: each.to(device) for dst, each in self.keys.items()}
        return DenseBatch(features, self.sizes, self.sources, bias, reached, keys)

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
        if self.keys and any(kind not in edge_types for each in self.keys.values() for kind in each.rows):
            return self._only_keys(edge_types)
        if all(kind in edge_types for groups in self.sources.values() for kinds in groups.values() for kind in kinds):
            return self
        sources, bias, reached = {}, {}, {}
        for dst, groups in self.sources.items():
            widths = [max(self.sizes[src]) * len(kinds) for src, kinds in groups.items()]
            kept, parts = {}, []
            for (src, kinds), part in zip(groups.items(), torch.split(self.bias[dst], widths, -1), strict=True):
                if places := [i for i, kind in enumerate(kinds) if kind in edge_types]:
                    kept[src] = tuple(kinds[i] for i in places)
                    parts.append(part.reshape(*part.shape[:-1], -1, len(kinds))[..., places].flatten(-2))
            if kept:
                sources[dst], bias[dst] = kept, torch.cat(parts, -1)
                reached[dst] = _reached(bias[dst])
        return DenseBatch(self.features, self.sizes, sources, bias, reached)

    def _only_keys(self, edge_types: Collection[EdgeType]) -> DenseBatch:
        keys = {dst: each.only(edge_types) for dst, each in self.keys.items()}
        keys = {dst: each for dst, each in keys.items() if each.rows}
        bias = {
            dst: self.bias[dst].masked_fill(each.empty.view(len(self), 1, 1, -1), _never(self.bias[dst].dtype))
            for dst, each in keys.items()
        }
        reached = {dst: _reached(each) for dst, each in bias.items()}
        return DenseBatch(self.features, self.sizes, {}, bias, reached, keys)

    def split(self, embedded: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
        """Embeddings by snapshot, node type -> (n, hidden)."""
        most = {kind: max(sizes) for kind, sizes in self.sizes.items()}
        return [
            {kind: each[i * most[kind] :][: self.sizes[kind][i]] for kind, each in embedded.items()}
            for i in range(len(self))
        ]


def dense_batch(snapshots: Sequence[Tensors]) -> DenseBatch:
    """Many snapshots as one batch; their types and sizes may differ."""
    sizes, into = _sizes(snapshots), _into(snapshots)
    sources = {
        dst: {src: tuple(each) for src, each in groupby(kinds, lambda kind: kind[0])} for dst, kinds in into.items()
    }
    bias = {}
    for dst, groups in sources.items():
        counts = [[_multiplicity(snapshots, kind, sizes) for kind in kinds] for kinds in groups.values()]
        bias[dst] = _bias(torch.cat([torch.stack(each, -1).flatten(-2) for each in counts], -1), snapshots)
    reached = {dst: _reached(each) for dst, each in bias.items()}
    return DenseBatch(_features(snapshots, sizes), sizes, sources, bias, reached)


def packed_batch(snapshots: Sequence[Tensors]) -> DenseBatch:
    """As `dense_batch`, where of most edge types most nodes have none: only those that have one are keys."""
    sizes, keys, bias = _sizes(snapshots), {}, {}
    for dst, kinds in _into(snapshots).items():
        keys[dst], counts = keys_of(snapshots, kinds, sizes)
        bias[dst] = _bias(counts, snapshots)
    reached = {dst: _reached(each) for dst, each in bias.items()}
    return DenseBatch(_features(snapshots, sizes), sizes, {}, bias, reached, keys)


def _sizes(snapshots: Sequence[Tensors]) -> dict[str, tuple[int, ...]]:
    kinds = sorted({kind for each in snapshots for kind in each.features})
    return {kind: tuple(len(each.ids.get(kind, ())) for each in snapshots) for kind in kinds}


def _into(snapshots: Sequence[Tensors]) -> dict[str, list[EdgeType]]:
    """Destination type -> edge types into it that have an edge, by source type."""
    kinds = sorted({kind for each in snapshots for kind, index in each.edge_index.items() if index.shape[1]})
    return {dst: [kind for kind in kinds if kind[2] == dst] for dst in sorted({kind[2] for kind in kinds})}


def _features(snapshots: Sequence[Tensors], sizes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    return {kind: torch.cat([_padded(each, kind, max(sizes[kind])) for each in snapshots]) for kind in sizes}


def _bias(counts: Tensor, snapshots: Sequence[Tensors]) -> Tensor:
    """Of the number of edges, (snapshots, destinations, keys)."""
    numbers = counts.to(next(iter(snapshots[0].features.values())).dtype)
    return numbers.log_().clamp_(min=_never(numbers.dtype))[:, None]


def _never(dtype: torch.dtype) -> float:
    return torch.finfo(dtype).min / 2


def _reached(bias: Tensor) -> Tensor:
    return (bias.amax(-1) >= 0).to(bias.dtype).view(-1, 1)


def dense_cells(snapshots: Sequence[Tensors]) -> int:
    """Cells of the attention of one of these snapshots in a batch of all: each costs memory and time."""
    edge_types = {kind for each in snapshots for kind, index in each.edge_index.items() if index.shape[1]}
    most = {end: max(len(each.ids.get(end, ())) for each in snapshots) for kind in edge_types for end in kind[::2]}
    return sum(most[src] * most[dst] for src, _, dst in edge_types)


def _padded(snapshot: Tensors, node_type: str, size: int) -> Tensor:
    values = snapshot.features.get(node_type)
    if values is None:
        like = next(iter(snapshot.features.values()))
        return like.new_zeros(size, like.shape[1])
    return f.pad(values, (0, 0, 0, size - len(values))) if len(values) < size else values


def _multiplicity(snapshots: Sequence[Tensors], kind: EdgeType, sizes: Mapping[str, tuple[int, ...]]) -> Tensor:
    """Edges from each source to each destination, (snapshots, destinations, sources)."""
    n_src, n_dst = max(sizes[kind[0]]), max(sizes[kind[2]])
    cells = [
        (i * n_dst + each.edge_index[kind][1]) * n_src + each.edge_index[kind][0]
        for i, each in enumerate(snapshots)
        if kind in each.edge_index
    ]
    return torch.bincount(torch.cat(cells), minlength=len(snapshots) * n_dst * n_src).view(-1, n_dst, n_src)


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
        if dst in batch.bias:
            made = [_mapped(x[dst], [asking[dst]], len(batch)), *(_told(batch, dst, x, maps) for maps in telling)]
            q, k, v = (each.view(*each.shape[:2], layer.heads, -1).transpose(1, 2) for each in made)
            seen = f.scaled_dot_product_attention(q, k, v, attn_mask=_as(batch.bias[dst], q.dtype))
            message = seen.transpose(1, 2).reshape(x[dst].shape) * batch.reached[dst]
        out = layer.out_lin.lins[dst](f.gelu(message))
        found[dst] = torch.lerp(x[dst], out.to(x[dst].dtype), layer.skip[dst].sigmoid().to(x[dst].dtype))
    return found


def _told(batch: DenseBatch, dst: str, x: Mapping[str, Tensor], maps: Mapping[EdgeType, Tensor]) -> Tensor:
    """Keys or values of a destination type, (snapshots, keys, hidden)."""
    if dst in batch.keys:
        return batch.keys[dst].mapped(x, maps, len(batch))
    groups = batch.sources[dst]
    made = [_mapped(x[src], [maps[kind] for kind in kinds], len(batch)) for src, kinds in groups.items()]
    return torch.cat(made, 1) if len(made) > 1 else made[0]


def _mapped(x: Tensor, maps: Sequence[Tensor], snapshots: int) -> Tensor:
    """What the maps make of each node, one beside the other, (snapshots, nodes times maps, hidden)."""
    return linear(x, torch.cat(list(maps))).view(snapshots, -1, len(maps[0]))


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
