"""Embeddings of an HGT without some edges of the snapshot: how far they move, exactly and to first order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from nexus.contract.torch import TorchState
from nexus.db.graph import Graph
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
PROJECTIONS = 4
"""Random directions by which the length of a change is estimated: to within a third."""


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
    def drift(self) -> Floats:
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
        ready = normalised(raw, self._state.params).to(self._state.device)
        features = {kind: each.detach().requires_grad_() for kind, each in ready.features.items()}
        with torch.enable_grad(), recording(network) as calls:
            embedded = network(features, ready.edge_index)[COMPANY]
        columns, by_features = self._columns(network), FeatureSlopes(self.edges, raw, self._previous)
        lost, wanted = [call.lost() for call in calls], [*(call.received for call in calls), *features.values()]
        generator = torch.Generator().manual_seed(int(self._state.params["seed"]))
        directions = torch.randn(PROJECTIONS, embedded.shape[1], generator=generator).to(embedded.device)
        for row in rows.tolist():
            squares = np.zeros(len(self.edges))
            for direction in directions:
                slopes = torch.autograd.grad(embedded[row] @ direction, wanted, retain_graph=True, allow_unused=True)
                found = by_features.by_edge(self._slopes(dict(zip(features, slopes[len(calls) :], strict=True))))
                for call, gone, slope in zip(calls, lost, slopes, strict=False):
                    if slope is not None:
                        by_column = call.slopes(gone, slope).double().cpu().numpy()
                        found += np.bincount(columns, by_column, len(self.edges))
                squares += found**2
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

    def _columns(self, network: HGTEncoder) -> Ints:
        """Which edge each column of an HGTConv's call is."""
        directed, none = self.edges.directed(TWO_WAY), np.empty(0, np.int64)
        return np.concatenate([none, *(directed.get(kind, none) for kind in network.edge_types)])

    def _slopes(self, of: Mapping[str, Tensor | None]) -> Floats:
        """By node, node types ascending, in the units that features have before they are normalised."""
        scale, parts = self._state.params["scale"], []
        for kind, ids in sorted(self._graph.nodes.items()):
            slope = of.get(kind)
            none = np.zeros((len(ids), len(FEATURES)))
            parts.append(none if slope is None else slope.double().cpu().numpy() / np.array(scale[kind]))
        return np.concatenate(parts)
