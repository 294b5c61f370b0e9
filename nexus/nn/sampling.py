"""Mini-batches of a large graph: some nodes and a sample of what leads to them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec

import numpy as np
import torch
from numpy.typing import NDArray

from nexus.errors import InputError
from nexus.nn.hetero import EdgeType, Tensors

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Sample:
    """A part of a snapshot, features and ids as in the whole.

    seeds : node type -> how many of its nodes, the first ones, were asked for; the others only inform them
    """

    snapshot: Tensors
    seeds: Mapping[str, int]


@dataclass(frozen=True)
class Neighbours:
    """A snapshot, ready to be sampled from."""

    snapshot: Tensors

    @cached_property
    def _into(self) -> dict[EdgeType, tuple[Ints, Ints, Ints]]:
        """Per edge type: where each target's edges start, the edges by target, and their ends, (2, n_edges)."""
        found = {}
        for kind, index in self.snapshot.edge_index.items():
            ends = index.cpu().numpy()
            order = np.argsort(ends[1], kind="stable")
            starts = np.searchsorted(ends[1][order], np.arange(len(self.snapshot.features[kind[2]]) + 1))
            found[kind] = starts, order, ends[:, order]
        return found

    def around(self, seeds: Mapping[str, Ints], fanouts: Sequence[int | None], random: np.random.Generator) -> Sample:
        """The seeds and, hop by hop, at most so many edges of each type into each node; None: all of them.

        seeds : node type -> distinct places
        fanouts : as many as the encoder has layers; with None for each, the seeds' embeddings are those of the whole
        """
        nodes = {kind: np.empty(0, np.int64) for kind in self.snapshot.features}
        fresh = {kind: np.asarray(places, np.int64) for kind, places in seeds.items()}
        edges: dict[EdgeType, list[Ints]] = {kind: [] for kind in self._into}
        for fanout in fanouts:
            nodes = {kind: np.concatenate([known, fresh.get(kind, known[:0])]) for kind, known in nodes.items()}
            sources: dict[str, list[Ints]] = {}
            for kind, (starts, _, ends) in self._into.items():
                drawn = _drawn(starts, fresh.get(kind[2], nodes[kind[2]][:0]), fanout, random)
                edges[kind].append(drawn)
                sources.setdefault(kind[0], []).append(ends[0][drawn])
            fresh = {kind: np.setdiff1d(np.concatenate(each), nodes[kind]) for kind, each in sources.items()}
        nodes = {kind: np.concatenate([known, fresh.get(kind, known[:0])]) for kind, known in nodes.items()}
        return Sample(self._part(nodes, edges), {kind: len(places) for kind, places in seeds.items()})

    def _part(self, nodes: Mapping[str, Ints], edges: Mapping[EdgeType, list[Ints]]) -> Tensors:
        whole, place, index, weight = self.snapshot, {}, {}, {}
        for kind, known in nodes.items():
            place[kind] = np.full(len(whole.features[kind]), -1)
            place[kind][known] = np.arange(len(known))
        for edge_type, parts in edges.items():
            _, order, ends = self._into[edge_type]
            drawn = np.concatenate(parts)
            src, dst = (place[end][each[drawn]] for end, each in zip(edge_type[::2], ends, strict=True))
            index[edge_type] = torch.from_numpy(np.stack([src, dst])).to(whole.edge_index[edge_type].device)
            if edge_type in whole.weight:
                weight[edge_type] = whole.weight[edge_type][torch.from_numpy(order[drawn])]
        features = {kind: whole.features[kind][torch.from_numpy(known)] for kind, known in nodes.items()}
        return Tensors(features, index, {kind: whole.ids[kind][known] for kind, known in nodes.items()}, weight)


def _drawn(starts: Ints, targets: Ints, fanout: int | None, random: np.random.Generator) -> Ints:
    """Places, among the edges by target, of at most `fanout` edges into each target, without repetition."""
    sizes = starts[targets + 1] - starts[targets]
    owner = np.repeat(np.arange(len(targets)), sizes)
    rank = np.arange(len(owner)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    every: Ints = starts[targets][owner] + rank
    if fanout is None or not len(every) or sizes.max() <= fanout:
        return every
    shuffled: Ints = every[np.lexsort((random.random(len(every)), owner))]
    kept: Ints = shuffled[rank < fanout]
    return kept


def epoch(
    snapshot: Tensors, node_type: str, fanouts: Sequence[int | None], size: int, random: np.random.Generator
) -> Iterator[Sample]:
    """All nodes of a type once, in random order, `size` at a time, each batch with its neighbourhood."""
    neighbours = Neighbours(snapshot)
    order = random.permutation(len(snapshot.features[node_type]))
    for start in range(0, len(order), size):
        yield neighbours.around({node_type: order[start : start + size]}, fanouts, random)


def pyg_sampler() -> str | None:
    """The library by which PyG's NeighborLoader would sample, None where neither is installed."""
    return next((name for name in ("pyg_lib", "torch_sparse") if find_spec(name)), None)


def pyg_epoch(snapshot: Tensors, node_type: str, fanouts: Sequence[int | None], size: int) -> Iterator[Sample]:
    """As `epoch`, by PyG's NeighborLoader: for graphs so large that its C++ pays; torch's seed decides.

    Raises
    ------
    InputError
        Where neither pyg-lib nor torch-sparse is installed.
    """
    if pyg_sampler() is None:
        raise InputError("NeighborLoader: neither pyg-lib nor torch-sparse is installed; use nexus.nn.sampling.epoch")
    return _by_pyg(snapshot, node_type, fanouts, size)


def _by_pyg(snapshot: Tensors, node_type: str, fanouts: Sequence[int | None], size: int) -> Iterator[Sample]:
    from torch_geometric.data import HeteroData
    from torch_geometric.loader import NeighborLoader

    data = HeteroData()
    for kind, values in snapshot.features.items():
        data[kind].x = values
    for edge_type, index in snapshot.edge_index.items():
        data[edge_type].edge_index = index
        data[edge_type].weight = snapshot.weight.get(edge_type, torch.ones(index.shape[1]))
    every = [-1 if fanout is None else fanout for fanout in fanouts]
    for batch in NeighborLoader(data, every, input_nodes=node_type, batch_size=size, shuffle=True):
        ids = {kind: each[batch[kind].n_id.numpy()] for kind, each in snapshot.ids.items()}
        weight = {kind: batch[kind].weight for kind in snapshot.edge_index}
        part = Tensors(batch.x_dict, batch.edge_index_dict, ids, weight)
        yield Sample(part, {node_type: batch[node_type].batch_size})
