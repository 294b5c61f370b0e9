"""HGTConv on many small snapshots at once: dense masked attention per destination type."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as f

from nexus.nn.hetero import EdgeType, Tensors, moved
from nexus.nn.pyg import HGTConv

SPARE = 16
"""Where all pairs are more than this many times the wanted ones, the wanted ones are scored one by one."""


@dataclass(frozen=True)
class DenseBatch:
    """Snapshots padded to the largest, with what may attend to what.

    features : node type -> (rows, n_features), as many rows a snapshot as the largest has nodes, zero where padded
    sizes : node type -> nodes of each snapshot
    sources : destination type -> edge types into it, in the order of the last axis of `bias`
    bias : destination type -> (snapshots, 1, its nodes, nodes of all sources): log of the number of edges, a very
        negative number where there is none
    reached : destination type -> (rows, 1), 1 where a node has an edge into it, else 0
    """

    features: Mapping[str, Tensor]
    sizes: Mapping[str, tuple[int, ...]]
    sources: Mapping[str, tuple[EdgeType, ...]]
    bias: Mapping[str, Tensor]
    reached: Mapping[str, Tensor]

    def __len__(self) -> int:
        return len(next(iter(self.sizes.values())))

    def to(self, device: torch.device | str) -> DenseBatch:
        """The same on another device."""
        features, bias, reached = (moved(each, device) for each in (self.features, self.bias, self.reached))
        return DenseBatch(features, self.sizes, self.sources, bias, reached)

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
        if all(kind in edge_types for kinds in self.sources.values() for kind in kinds):
            return self
        sources, bias, reached = {}, {}, {}
        for dst, kinds in self.sources.items():
            parts = torch.split(self.bias[dst], [max(self.sizes[kind[0]]) for kind in kinds], -1)
            kept = [part for kind, part in zip(kinds, parts, strict=True) if kind in edge_types]
            if kept:
                sources[dst] = tuple(kind for kind in kinds if kind in edge_types)
                bias[dst] = torch.cat(kept, -1)
                reached[dst] = (bias[dst].amax(-1) >= 0).to(bias[dst].dtype).view(-1, 1)
        return DenseBatch(self.features, self.sizes, sources, bias, reached)

    def split(self, embedded: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
        """Embeddings by snapshot, node type -> (n, hidden)."""
        most = {kind: max(sizes) for kind, sizes in self.sizes.items()}
        return [
            {kind: each[i * most[kind] :][: self.sizes[kind][i]] for kind, each in embedded.items()}
            for i in range(len(self))
        ]


def dense_batch(snapshots: Sequence[Tensors]) -> DenseBatch:
    """Many snapshots as one batch; their types and sizes may differ."""
    sizes = {
        kind: tuple(len(each.ids.get(kind, ())) for each in snapshots)
        for kind in sorted({kind for each in snapshots for kind in each.features})
    }
    edge_types = sorted({kind for each in snapshots for kind, index in each.edge_index.items() if index.shape[1]})
    sources = {dst: tuple(kind for kind in edge_types if kind[2] == dst) for dst in sizes}
    sources = {dst: kinds for dst, kinds in sources.items() if kinds}
    bias, reached = {}, {}
    for dst, kinds in sources.items():
        count = torch.cat([_multiplicity(snapshots, kind, sizes) for kind in kinds], -1)
        reached[dst] = (count.amax(-1) > 0).to(count.dtype).view(-1, 1)
        bias[dst] = count.log_().clamp_(min=torch.finfo(count.dtype).min / 2)[:, None]
    features = {kind: torch.cat([_padded(each, kind, max(sizes[kind])) for each in snapshots]) for kind in sizes}
    return DenseBatch(features, sizes, sources, bias, reached)


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
    count = torch.bincount(torch.cat(cells), minlength=len(snapshots) * n_dst * n_src)
    like = next(iter(snapshots[0].features.values()))
    return count.view(len(snapshots), n_dst, n_src).to(like.dtype)


def attend(layer: HGTConv, x: Mapping[str, Tensor], batch: DenseBatch) -> dict[str, Tensor]:
    """One HGTConv layer on all snapshots, (rows, hidden); only destination types of its metadata come back.

    The batch has edge types of the layer only, see `only`.
    """
    query, key, value = _projected(layer, x, batch.sources, len(batch))
    found = {}
    for dst in x:
        if dst not in layer.dst_node_types:
            continue
        message = torch.zeros_like(x[dst])
        if kinds := batch.sources.get(dst):
            asked = [query[dst], *(torch.cat([each[kind] for kind in kinds], 1) for each in (key, value))]
            q, k, v = (each.view(*each.shape[:2], layer.heads, -1).transpose(1, 2) for each in asked)
            seen = f.scaled_dot_product_attention(q, k, v, attn_mask=_as(batch.bias[dst], q.dtype))
            message = seen.transpose(1, 2).reshape(x[dst].shape) * batch.reached[dst]
        out = layer.out_lin.lins[dst](f.gelu(message))
        found[dst] = torch.lerp(x[dst], out.to(x[dst].dtype), layer.skip[dst].sigmoid().to(x[dst].dtype))
    return found


def _as(bias: Tensor, dtype: torch.dtype) -> Tensor:
    least = max(torch.finfo(dtype).min, torch.finfo(bias.dtype).min) / 2
    return bias if bias.dtype == dtype else bias.clamp(min=least).to(dtype)


def _projected(
    layer: HGTConv, x: Mapping[str, Tensor], into: Mapping[str, Sequence[EdgeType]], snapshots: int
) -> tuple[dict[str, Tensor], dict[EdgeType, Tensor], dict[EdgeType, Tensor]]:
    """Queries by destination type, keys and values by edge type; each (snapshots, nodes, hidden).

    A relation's map of keys is a linear map after a linear map: their product is taken first, on the weights alone.
    """
    width = layer.out_channels
    whole = torch.stack([torch.cat([lin.weight, lin.bias[:, None]], 1) for lin in layer.kqv_lin.lins.values()])
    own = dict(zip(layer.kqv_lin.lins, whole.unbind(), strict=True))
    maps = dict(zip(layer.edge_types, _relation_maps(layer, own).unbind(), strict=True))
    used = [kind for kinds in into.values() for kind in kinds]
    query, key, value = {}, {}, {}
    for node_type, each in x.items():
        asking = [own[node_type][width : 2 * width]] if into.get(node_type) else []
        told = [kind for kind in used if kind[0] == node_type]
        if not asking and not told:
            continue
        weight = torch.cat(asking + [maps[kind] for kind in told])
        made = f.linear(each, weight[:, :-1], weight[:, -1]).view(snapshots, -1, len(weight))
        parts = list(torch.split(made, width, 2))
        if asking:
            query[node_type] = parts.pop(0)
        for i, kind in enumerate(told):
            key[kind], value[kind] = parts[2 * i : 2 * i + 2]
    return query, key, value


def _relation_maps(layer: HGTConv, own: Mapping[str, Tensor]) -> Tensor:
    """Keys above values by edge type, (edge types, 2 hidden, inputs and one); a relation's prior is in its keys."""
    heads, size = layer.heads, layer.out_channels // layer.heads
    prior = torch.stack([layer.p_rel["__".join(kind)].view(heads, 1, 1) for kind in layer.edge_types])
    k, v = (rel.weight.view(heads, -1, size, size).transpose(0, 1) for rel in (layer.k_rel, layer.v_rel))
    first = torch.stack([own[kind[0]].view(3, heads, size, -1)[::2] for kind in layer.edge_types])
    return (torch.stack([k * prior, v], 1).transpose(-1, -2) @ first).flatten(1, 3)
