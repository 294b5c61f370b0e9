"""Embeddings of an HGT without some edges of the snapshot: how far they move, exactly and to first order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from nexus.contract.torch import TorchState
from nexus.db.graph import EdgeType, Graph
from nexus.graph.gnn.data import FEATURES, TWO_WAY, tensors
from nexus.graph.gnn.edge_list import EdgeList
from nexus.graph.gnn.edge_reasons import Occlusion
from nexus.graph.gnn.examples import normalised
from nexus.graph.gnn.feature_slopes import FeatureSlopes
from nexus.maths.types import Floats, Ints
from nexus.nn.hetero import Tensors
from nexus.nn.hgt import HGTEncoder
from nexus.nn.messages import recording

Embed = Callable[[Sequence[Tensors]], list[dict[str, np.ndarray]]]
COMPANY = "company"
AT_ONCE = 32
"""Snapshots embedded together."""
PROJECTIONS = 16
"""Random directions by which the length of a change is estimated: to within a fifth."""


class HGTOcclusion(Occlusion):
    """What is said of a company is its embedding; it moves by a distance, as a share of its own length.

    previous : snapshots before this one; an edge that was never known is missing there too
    embed : snapshots to embeddings by node type, in evaluation
    """

    def __init__(self, state: TorchState, graph: Graph, previous: Sequence[Graph], embed: Embed) -> None:
        self.edges = EdgeList.of(graph)
        self.companies = graph.nodes[COMPANY]
        self.layers = int(state.params["layers"])
        self._state, self._graph, self._previous, self._embed = state, graph, list(previous), embed

    @cached_property
    def said(self) -> Floats:
        """Embeddings (n, hidden)."""
        return self._embedded([self._told(np.empty(0, np.int64))])[0]

    @cached_property
    def strength(self) -> Floats:
        """Distance of each embedding from that in the snapshot before, (n,); 0 where the company was not there."""
        found = np.zeros(len(self.companies))
        if self._previous:
            *earlier, before = self._previous
            ids = before.nodes.get(COMPANY, self.companies[:0])
            _, here, there = np.intersect1d(self.companies, ids, assume_unique=True, return_indices=True)
            then = self._embedded([tensors(before, earlier)])[0]
            found[here] = np.linalg.norm(self.said[here] - then[there], axis=1)
        return found

    def without(self, drops: Sequence[Ints]) -> Iterator[Floats]:
        """Embeddings without those edges, here and in the snapshots before."""
        for start in range(0, len(drops), AT_ONCE):
            yield from self._embedded([self._told(drop) for drop in drops[start : start + AT_ONCE]])

    def moved(self, less: Floats) -> Floats:
        """Distance as a share of the length."""
        length = np.linalg.norm(self.said, axis=1)
        distance: Floats = np.linalg.norm(self.said - less, axis=1) / np.where(length > 0, length, 1.0)
        return distance

    def promise(self, rows: Ints) -> Iterator[Floats]:
        """Root mean square of the first-order change along random directions."""
        raw, network = self._told(np.empty(0, np.int64)), self._state.network.eval()
        assert isinstance(network, HGTEncoder)
        ready, directed = normalised(raw, self._state.params).to(self._state.device), self.edges.directed(TWO_WAY)
        by_features = FeatureSlopes(self.edges, raw, self._previous)
        for row in rows.tolist():
            kept = _heard(ready, row, self.layers)
            numbers = [directed[kind][kept[kind].cpu().numpy()] for kind in network.edge_types if kind in kept]
            columns = np.concatenate([np.empty(0, np.int64), *numbers])
            index = {kind: ready.edge_index[kind][:, each] for kind, each in kept.items()}
            squares = np.zeros(len(self.edges))
            for by_column, by_node in self._slopes(network, ready.features, index, row):
                change = by_features.by_edge(by_node) + np.bincount(columns, by_column, len(self.edges))
                squares += change**2
            yield np.sqrt(squares / PROJECTIONS)

    def _told(self, drop: Ints) -> Tensors:
        graph, previous = self._graph, self._previous
        if len(drop):  # of the snapshots before, only the last one's edges are looked at
            graph = self.edges.without(graph, drop)
            previous = [*previous[:-1], *(self.edges.without(each, drop) for each in previous[-1:])]
        return tensors(graph, previous)

    def _embedded(self, snapshots: Sequence[Tensors]) -> list[Floats]:
        found = self._embed(snapshots)
        return [each[COMPANY].astype(np.float64) for each in found]

    def _slopes(
        self, network: HGTEncoder, given: Mapping[str, Tensor], index: Mapping[EdgeType, Tensor], row: int
    ) -> Iterator[tuple[Floats, Floats]]:
        """By direction, what each column of the layers' calls and what each feature of each node does to the row."""
        features = {kind: each.detach().requires_grad_() for kind, each in given.items()}
        generator = torch.Generator().manual_seed(int(self._state.params["seed"]))
        with torch.enable_grad(), recording(network) as calls:
            embedded = network(features, index)[COMPANY][row]
            asked = [
                embedded @ torch.randn(len(embedded), generator=generator).to(embedded) for _ in range(PROJECTIONS)
            ]
        lost, wanted = [call.lost() for call in calls], [*(call.received for call in calls), *features.values()]
        for length in asked:
            slopes = torch.autograd.grad(length, wanted, retain_graph=True, materialize_grads=True)
            messages = [call.slopes(gone, slope) for call, gone, slope in zip(calls, lost, slopes, strict=False)]
            by_node = self._by_node(dict(zip(features, slopes[len(calls) :], strict=True)))
            yield torch.stack(messages).sum(dim=0).double().cpu().numpy(), by_node

    def _by_node(self, slopes: Mapping[str, Tensor]) -> Floats:
        """Node types ascending, in the units that features have before they are normalised."""
        scale, parts = self._state.params["scale"], []
        for kind, ids in sorted(self._graph.nodes.items()):
            known = slopes[kind].double().cpu().numpy() / np.array(scale[kind]) if kind in slopes else None
            parts.append(np.zeros((len(ids), len(FEATURES))) if known is None else known)
        return np.concatenate(parts)


def _heard(ready: Tensors, row: int, layers: int) -> dict[EdgeType, Tensor]:
    """Which edges so many layers pass on to a company, by edge type."""
    near = {kind: each.new_zeros(len(each), dtype=torch.bool) for kind, each in ready.features.items()}
    near[COMPANY][row] = True
    kept: dict[EdgeType, Tensor] = {}
    for _ in range(layers):
        kept = {kind: near[kind[2]][each[1]] for kind, each in ready.edge_index.items()}
        for kind, each in kept.items():
            near[kind[0]][ready.edge_index[kind][0, each]] = True
    return kept
