"""Keys of attention where most nodes have no edge of most types: one for each node and type that has an edge."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as f

from nexus.nn.hetero import EdgeType, Tensors, moved


@dataclass(frozen=True)
class Keys:
    """What the nodes of one destination type attend to in a batch: a snapshot's keys are padded to the most one has.

    rows : edge type -> (n,) rows of the sources that have such an edge
    slots : (snapshots * most,) which of these keys, counted through all types, stands there; their number where none
    """

    rows: Mapping[EdgeType, Tensor]
    slots: Tensor

    def to(self, device: torch.device | str) -> Keys:
        """The same on another device."""
        return Keys(moved(self.rows, device), self.slots.to(device))

    def only(self, edge_types: Collection[EdgeType]) -> Keys:
        """The same without other edge types, whose slots are empty then."""
        rows = {kind: each for kind, each in self.rows.items() if kind in edge_types}
        stays = [torch.full_like(each, kind in rows, dtype=torch.bool) for kind, each in self.rows.items()]
        kept = torch.cat([*stays, self.slots.new_zeros(1, dtype=torch.bool)])
        place = torch.where(kept, kept.cumsum(0) - 1, int(kept.sum()))
        return Keys(rows, place[self.slots])

    @property
    def empty(self) -> Tensor:
        """Slots in which no key stands, (snapshots * most,)."""
        return self.slots == sum(len(each) for each in self.rows.values())

    def mapped(self, x: Mapping[str, Tensor], maps: Mapping[EdgeType, Tensor], snapshots: int) -> Tensor:
        """What each type's map makes of its sources, slot by slot, (snapshots, most, hidden); 0 in an empty one.

        x : node type -> (rows, n); maps : (hidden, n + 1), the bias last
        """
        made = [linear(x[kind[0]].index_select(0, rows), maps[kind]) for kind, rows in self.rows.items()]
        nobody = made[0].new_zeros(1, made[0].shape[1])
        return torch.cat([*made, nobody]).index_select(0, self.slots).view(snapshots, -1, nobody.shape[1])


def linear(x: Tensor, weight: Tensor) -> Tensor:
    """The product with the weight and, in its last column, the bias."""
    return f.linear(x, weight[:, :-1].contiguous(), weight[:, -1])  # the product by a slice takes half as long again


def keys_of(
    snapshots: Sequence[Tensors], kinds: Sequence[EdgeType], sizes: Mapping[str, Sequence[int]]
) -> tuple[Keys, Tensor]:
    """Keys of the destination type of these edge types, and how many edges each node has from each.

    sizes : node type -> nodes of each snapshot; a snapshot has as many rows as the largest
    Returns the keys and the counts, (snapshots, destinations, most).
    """
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
    return Keys(rows, slots), counts.view(len(snapshots), n_dst, most)


def _ends(snapshot: Tensors, kind: EdgeType, number: int, sizes: Mapping[str, Sequence[int]]) -> Tensor:
    """Rows of both ends of a snapshot's edges of a type, (2, n_edges)."""
    index = snapshot.edge_index.get(kind)
    if index is None:
        return torch.empty(2, 0, dtype=torch.long, device=next(iter(snapshot.features.values())).device)
    most = torch.tensor([[max(sizes[kind[0]])], [max(sizes[kind[2]])]], device=index.device)
    return index + number * most


def packed_cells(snapshots: Sequence[Tensors]) -> int:
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
