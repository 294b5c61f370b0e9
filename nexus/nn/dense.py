"""HGTConv on many small snapshots at once: dense masked attention per destination type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as f
from torch_geometric.nn import HGTConv

from nexus.nn.hetero import EdgeType, Tensors


@dataclass(frozen=True)
class DenseBatch:
    """Snapshots padded to the largest, with what may attend to what.

    features : node type -> (snapshots, most nodes, n_features), zero where padded
    sizes : node type -> nodes of each snapshot
    sources : destination type -> edge types into it, in the order of the keys of `bias`
    bias : destination type -> (snapshots, 1, its nodes, nodes of all sources): log of the number of edges, a very
        negative number where there is none
    reached : destination type -> (snapshots, nodes, 1), 1 where a node has an edge into it, else 0
    """

    features: Mapping[str, Tensor]
    sizes: Mapping[str, tuple[int, ...]]
    sources: Mapping[str, tuple[EdgeType, ...]]
    bias: Mapping[str, Tensor]
    reached: Mapping[str, Tensor]

    def __len__(self) -> int:
        return len(next(iter(self.sizes.values())))

    def rows(self, node_type: str, snapshot: Tensor | int, places: Tensor) -> Tensor:
        """Row in what `embed_many` gives of the nodes at these places of these snapshots."""
        return snapshot * max(self.sizes[node_type]) + places

    def split(self, embedded: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
        """Embeddings by snapshot, node type -> (n, hidden)."""
        wide = {kind: each.unflatten(0, (len(self), -1)) for kind, each in embedded.items()}
        return [{kind: each[i, : self.sizes[kind][i]] for kind, each in wide.items()} for i in range(len(self))]


def dense_batch(snapshots: Sequence[Tensors]) -> DenseBatch:
    """Many snapshots as one batch; types or sizes may differ."""
    types = sorted({kind for each in snapshots for kind in each.features})
    edge_types = sorted({kind for each in snapshots for kind, index in each.edge_index.items() if index.shape[1]})
    sizes = {kind: tuple(len(each.ids.get(kind, ())) for each in snapshots) for kind in types}
    sources = {
        dst: tuple(kind for kind in edge_types if kind[2] == dst)
        for dst in types
        if any(k[2] == dst for k in edge_types)
    }
    like = next(iter(snapshots[0].features.values()))
    features = {kind: like.new_zeros(len(snapshots), max(sizes[kind]), like.shape[1]) for kind in types}
    for i, each in enumerate(snapshots):
        for kind, values in each.features.items():
            features[kind][i, : len(values)] = values
    bias, reached = {}, {}
    for dst, kinds in sources.items():
        count = torch.cat([_multiplicity(snapshots, kind, sizes, like) for kind in kinds], -1)
        least = torch.finfo(count.dtype).min / 2
        bias[dst] = torch.where(count > 0, count.log(), least)[:, None]
        reached[dst] = (count.sum(-1, keepdim=True) > 0).to(count.dtype)
    return DenseBatch(features, sizes, sources, bias, reached)


def _multiplicity(
    snapshots: Sequence[Tensors], kind: EdgeType, sizes: Mapping[str, tuple[int, ...]], like: Tensor
) -> Tensor:
    """Edges from each source to each destination, (snapshots, destinations, sources)."""
    n_src, n_dst = max(sizes[kind[0]]), max(sizes[kind[2]])
    cells = [
        (i * n_dst + each.edge_index[kind][1]) * n_src + each.edge_index[kind][0]
        for i, each in enumerate(snapshots)
        if kind in each.edge_index
    ]
    count = torch.bincount(torch.cat(cells), minlength=len(snapshots) * n_dst * n_src)
    return count.view(len(snapshots), n_dst, n_src).to(like.dtype)


def attend(layer: HGTConv, x: Mapping[str, Tensor], batch: DenseBatch) -> dict[str, Tensor]:
    """One HGTConv layer on all snapshots; only destination types of its metadata come back."""
    heads, size = layer.heads, layer.out_channels // layer.heads
    number = layer.edge_types_map
    split = {kind: layer.kqv_lin.lins[kind](each).unflatten(-1, (3, heads, size)) for kind, each in x.items()}
    found = {}
    for dst in x:
        if dst not in layer.dst_node_types:
            continue
        message = x[dst].new_zeros(*x[dst].shape[:2], layer.out_channels)
        kinds = [kind for kind in batch.sources.get(dst, ()) if kind in number]
        if kinds:
            keys, values = [], []
            for kind in kinds:
                which = slice(number[kind], None, len(number))
                k, _, v = split[kind[0]].unbind(2)
                scale = layer.p_rel["__".join(kind)].view(heads, 1, 1)
                keys.append(torch.einsum("bnhd,hde->bhne", k, layer.k_rel.weight[which] * scale))
                values.append(torch.einsum("bnhd,hde->bhne", v, layer.v_rel.weight[which]))
            q = split[dst][:, :, 1].transpose(1, 2)
            seen = f.scaled_dot_product_attention(
                q, torch.cat(keys, 2), torch.cat(values, 2), attn_mask=batch.bias[dst].to(q.dtype)
            )
            message = seen.transpose(1, 2).flatten(2) * batch.reached[dst]
        out = layer.out_lin.lins[dst](f.gelu(message))
        alpha = layer.skip[dst].sigmoid()
        found[dst] = alpha * out + (1 - alpha) * x[dst]
    return found
