"""What the nodes of a type attend to in a batch of padded snapshots: every node, or those alone that have an edge."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby

import torch
from torch import Tensor
from torch.nn import functional as f

from nexus.nn.hetero import EdgeType, Tensors, moved

Sizes = Mapping[str, Sequence[int]]
"""Node type -> nodes of each snapshot; in a batch a snapshot has as many rows as the largest."""


@dataclass(frozen=True)
class Keys(ABC):
    """Keys of the nodes of one destination type.

    bias : (snapshots, 1, nodes, keys), log of the number of edges, a very negative number where there is none
    """

    bias: Tensor

    @cached_property
    def reached(self) -> Tensor:
        """(rows, 1), 1 where a node has an edge into it, else 0."""
        return (self.bias.amax(-1) >= 0).to(self.bias.dtype).view(-1, 1)

    @abstractmethod
    def to(self, device: torch.device | str) -> Keys:
        """The same on another device."""

    @abstractmethod
    def only(self, edge_types: Collection[EdgeType]) -> Keys | None:
        """The same without other edge types; None where none is left."""

    @abstractmethod
    def mapped(self, x: Mapping[str, Tensor], maps: Mapping[EdgeType, Tensor]) -> Tensor:
        """What each edge type's map makes of its sources, (snapshots, keys, hidden).

        x : node type -> (rows, n); maps : (hidden, n + 1), the bias last
        """


@dataclass(frozen=True)
class EveryNode(Keys):
    """Each node of a source type is a key for each of its edge types, one beside the other.

    sources : source type -> edge types from it, in the order of the keys
    most : source type -> its rows of a snapshot
    """

    sources: Mapping[str, tuple[EdgeType, ...]]
    most: Mapping[str, int]

    def to(self, device: torch.device | str) -> EveryNode:
        """The same on another device."""
        return replace(self, bias=self.bias.to(device))

    def only(self, edge_types: Collection[EdgeType]) -> EveryNode | None:
        """The same without other edge types; None where none is left."""
        if all(kind in edge_types for kinds in self.sources.values() for kind in kinds):
            return self
        widths = [self.most[src] * len(kinds) for src, kinds in self.sources.items()]
        kept, parts = {}, []
        for (src, kinds), part in zip(self.sources.items(), torch.split(self.bias, widths, -1), strict=True):
            if places := [i for i, kind in enumerate(kinds) if kind in edge_types]:
                kept[src] = tuple(kinds[i] for i in places)
                parts.append(part.reshape(*part.shape[:-1], -1, len(kinds))[..., places].flatten(-2))
        return EveryNode(torch.cat(parts, -1), kept, self.most) if kept else None

    def mapped(self, x: Mapping[str, Tensor], maps: Mapping[EdgeType, Tensor]) -> Tensor:
        """As of `Keys`."""
        made = [mapped(x[src], [maps[kind] for kind in kinds], len(self.bias)) for src, kinds in self.sources.items()]
        return torch.cat(made, 1) if len(made) > 1 else made[0]


@dataclass(frozen=True)
class LinkedNodes(Keys):
    """Nodes that have an edge, once for each of its types; a snapshot's keys are padded to the most one has.

    rows : edge type -> (n,) rows of the sources that have such an edge
    slots : (snapshots * keys,) which of these, counted through all types, stands there; their number where none
    """

    rows: Mapping[EdgeType, Tensor]
    slots: Tensor

    def to(self, device: torch.device | str) -> LinkedNodes:
        """The same on another device."""
        return LinkedNodes(self.bias.to(device), moved(self.rows, device), self.slots.to(device))

    def only(self, edge_types: Collection[EdgeType]) -> LinkedNodes | None:
        """The same without other edge types; None where none is left."""
        rows = {kind: each for kind, each in self.rows.items() if kind in edge_types}
        if len(rows) == len(self.rows) or not rows:
            return self if rows else None
        stays = [torch.full_like(each, kind in rows, dtype=torch.bool) for kind, each in self.rows.items()]
        kept = torch.cat([*stays, self.slots.new_zeros(1, dtype=torch.bool)])
        slots = torch.where(kept, kept.cumsum(0) - 1, int(kept.sum()))[self.slots]
        empty = (slots == int(kept.sum())).view(len(self.bias), 1, 1, -1)
        return LinkedNodes(self.bias.masked_fill(empty, _never(self.bias.dtype)), rows, slots)

    def mapped(self, x: Mapping[str, Tensor], maps: Mapping[EdgeType, Tensor]) -> Tensor:
        """As of `Keys`."""
        made = [linear(x[kind[0]].index_select(0, rows), maps[kind]) for kind, rows in self.rows.items()]
        nobody = made[0].new_zeros(1, made[0].shape[1])
        return torch.cat([*made, nobody]).index_select(0, self.slots).view(len(self.bias), -1, nobody.shape[1])


def every_node(snapshots: Sequence[Tensors], kinds: Sequence[EdgeType], sizes: Sizes) -> EveryNode:
    """Keys of the destination type of these edge types, which are sorted."""
    sources = {src: tuple(each) for src, each in groupby(kinds, lambda kind: kind[0])}
    counts = [[_multiplicity(snapshots, kind, sizes) for kind in each] for each in sources.values()]
    bias = _bias(torch.cat([torch.stack(each, -1).flatten(-2) for each in counts], -1), snapshots)
    return EveryNode(bias, sources, {src: max(sizes[src]) for src in sources})


def linked_nodes(snapshots: Sequence[Tensors], kinds: Sequence[EdgeType], sizes: Sizes) -> LinkedNodes:
    """Keys of the destination type of these edge types."""
    n_dst = max(sizes[kinds[0][2]])
    rows: dict[EdgeType, Tensor] = {}
    numbers, cells = [], []  # of each edge: its key, counted through all types, and its destination's row
    first = 0
    for kind in kinds:
        ends = torch.cat([_ends(each, kind, i, sizes) for i, each in enumerate(snapshots)], 1)
        rows[kind], number = torch.unique(ends[0], return_inverse=True)
        numbers.append(number + first)
        cells.append(ends[1])
        first += len(rows[kind])
    snapshot = torch.cat([rows[kind] // max(sizes[kind[0]]) for kind in kinds])
    held = torch.bincount(snapshot, minlength=len(snapshots))
    order, most = torch.argsort(snapshot, stable=True), int(held.max())
    place = torch.empty_like(snapshot)
    place[order] = torch.arange(len(order), device=order.device) - (held.cumsum(0) - held)[snapshot[order]]
    slots = torch.full((len(snapshots) * most,), first, device=order.device)
    slots[snapshot * most + place] = torch.arange(first, device=order.device)
    counts = torch.bincount(
        torch.cat(cells) * most + place[torch.cat(numbers)], minlength=len(snapshots) * n_dst * most
    )
    return LinkedNodes(_bias(counts.view(len(snapshots), n_dst, most), snapshots), rows, slots)


def linear(x: Tensor, weight: Tensor) -> Tensor:
    """The product with the weight and, in its last column, the bias."""
    return f.linear(x, weight[:, :-1].contiguous(), weight[:, -1])  # the product by a slice takes half as long again


def mapped(x: Tensor, maps: Sequence[Tensor], snapshots: int) -> Tensor:
    """What the maps make of each node, one beside the other, (snapshots, nodes times maps, hidden)."""
    return linear(x, torch.cat(list(maps))).view(snapshots, -1, len(maps[0]))


def cells_of_every(snapshots: Sequence[Tensors]) -> int:
    """Cells of attention of one of these snapshots in a batch of all where each node is a key: each takes memory."""
    edge_types = {kind for each in snapshots for kind, index in each.edge_index.items() if index.shape[1]}
    most = {end: max(len(each.ids.get(end, ())) for each in snapshots) for kind in edge_types for end in kind[::2]}
    return sum(most[src] * most[dst] for src, _, dst in edge_types)


def cells_of_linked(snapshots: Sequence[Tensors]) -> int:
    """Cells of the attention of one of these snapshots in a batch of all, where only keys with an edge count."""
    most: dict[str, int] = {}
    sizes: dict[str, int] = {}
    for each in snapshots:
        held: dict[str, int] = {}
        for kind, index in each.edge_index.items():
            held[kind[2]] = held.get(kind[2], 0) + len(torch.unique(index[0]))
            sizes[kind[2]] = max(sizes.get(kind[2], 0), len(each.ids.get(kind[2], ())))
        most = {dst: max(most.get(dst, 0), held.get(dst, 0)) for dst in most.keys() | held.keys()}
    return sum(count * sizes[dst] for dst, count in most.items())


def _multiplicity(snapshots: Sequence[Tensors], kind: EdgeType, sizes: Sizes) -> Tensor:
    """Edges from each source to each destination, (snapshots, destinations, sources)."""
    n_src, n_dst = max(sizes[kind[0]]), max(sizes[kind[2]])
    cells = [
        (i * n_dst + each.edge_index[kind][1]) * n_src + each.edge_index[kind][0]
        for i, each in enumerate(snapshots)
        if kind in each.edge_index
    ]
    return torch.bincount(torch.cat(cells), minlength=len(snapshots) * n_dst * n_src).view(-1, n_dst, n_src)


def _ends(snapshot: Tensors, kind: EdgeType, number: int, sizes: Sizes) -> Tensor:
    """Rows of both ends of a snapshot's edges of a type, (2, n_edges)."""
    index = snapshot.edge_index.get(kind)
    if index is None:
        return torch.empty(2, 0, dtype=torch.long, device=next(iter(snapshot.features.values())).device)
    most = torch.tensor([[max(sizes[kind[0]])], [max(sizes[kind[2]])]], device=index.device)
    return index + number * most


def _bias(counts: Tensor, snapshots: Sequence[Tensors]) -> Tensor:
    """Of the number of edges, (snapshots, destinations, keys)."""
    numbers = counts.to(next(iter(snapshots[0].features.values())).dtype)
    return numbers.log_().clamp_(min=_never(numbers.dtype))[:, None]


def _never(dtype: torch.dtype) -> float:
    return torch.finfo(dtype).min / 2
