"""Mini-batches of a large graph: some nodes and a sample of what leads to them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from nexus.errors import InputError
from nexus.nn.hetero import EdgeType, Tensors

if TYPE_CHECKING:
    from torch_geometric.data import HeteroData

Ints = NDArray[np.int64]


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

    def around(self, seeds: Mapping[str, Ints], fanouts: Sequence[int | None], random: np.random.Generator) -> Tensors:
        """The seeds and, hop by hop, at most so many edges of each type into each node; None: all of them.

        seeds : node type -> distinct places; they come first among the nodes of their type
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
        return self._part(nodes, edges)

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


class PygNeighbours:
    """A snapshot that PyG's LinkNeighborLoader samples from, in C++, around pairs of one edge type.

    fanouts : as many as the encoder has layers

    Raises
    ------
    InputError
        Where neither pyg-lib nor torch-sparse is installed.
    """

    def __init__(self, snapshot: Tensors, fanouts: Sequence[int]) -> None:
        if pyg_sampler() is None:
            raise InputError(
                "LinkNeighborLoader: neither pyg-lib nor torch-sparse is installed; install one, or sample by nexus"
            )
        from torch_geometric.sampler import NeighborSampler

        self._ids = snapshot.ids
        self._data = _hetero_data(snapshot)
        with warnings.catch_warnings():  # torch-sparse will do as long as it does
            warnings.filterwarnings("ignore", message="Using 'NeighborSampler' without a 'pyg-lib'")
            self._sampler = NeighborSampler(self._data, list(fanouts))

    def around(self, kind: EdgeType, ends: Ints, random: np.random.Generator) -> tuple[Tensors, Ints]:
        """The part of the snapshot around some pairs, and where it has their ends.

        kind : edge type of the pairs, whether the snapshot has such edges or not; ends : (2, n), places in the whole
        random : seeds PyG's sampler, which draws by torch's own state; that is left as it was
        """
        from torch_geometric.loader import LinkNeighborLoader

        with torch.random.fork_rng(devices=()):
            torch.default_generator.manual_seed(int(random.integers(2**62)))  # a GPU's would not be put back
            loader = LinkNeighborLoader(
                self._data, self._sampler.num_neighbors, (kind, torch.from_numpy(ends)),
                neighbor_sampler=self._sampler, batch_size=ends.shape[1],
            )  # fmt: skip
            batch = next(iter(loader))
        ids = {node_type: each[batch[node_type].n_id.numpy()] for node_type, each in self._ids.items()}
        weight = {each: batch[each].weight for each in batch.edge_types if "weight" in batch[each]}
        index = {each: batch[each].edge_index for each in self._data.edge_types}
        return Tensors(batch.x_dict, index, ids, weight), batch[kind].edge_label_index.numpy()


def pyg_sampler() -> str | None:
    """The library by which PyG samples, None where neither is installed."""
    return next((name for name in ("pyg_lib", "torch_sparse") if find_spec(name)), None)


def _hetero_data(snapshot: Tensors) -> HeteroData:
    from torch_geometric.data import HeteroData

    data = HeteroData()
    for kind, values in snapshot.features.items():
        data[kind].x = values
    for edge_type, index in snapshot.edge_index.items():
        data[edge_type].edge_index = index
        if edge_type in snapshot.weight:
            data[edge_type].weight = snapshot.weight[edge_type]
    return data
