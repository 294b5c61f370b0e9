"""Scores of the node task without some edges of the snapshot: how much they lose, exactly and to first order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np
import torch
from torch import nn

from nexus.contract.torch import TorchState, evaluating
from nexus.db.graph import EdgeType, Graph
from nexus.graph.gnn.edge_list import EdgeList
from nexus.graph.gnn.edge_reasons import Occlusion
from nexus.graph.gnn.node_inputs import Nodes, two_way
from nexus.graph.gnn.node_task import NodeTask, score_of
from nexus.graph.gnn.tie_slopes import by_edge, matrices, pairs_of, tracked
from nexus.maths.types import Floats, Ints
from nexus.nn.messages import recording
from nexus.nn.pearl import Ties
from nexus.nn.relation_gat import RelationLayer


@dataclass(frozen=True)
class _Traced(Nodes):
    """Nodes whose ties are given, so that gradients can be taken of them."""

    given: Ties

    @property
    def ties(self) -> Ties:
        return self.given


class NodeOcclusion(Occlusion):
    """What is said of a company is its score; what it loses without an edge is signed.

    An edge is missing wherever the network would have met it: in attention, both ways, and among the ties that
    encodings are made of. Features are of prices and stay; weights stay in the unit of the whole snapshot.

    graph : that the nodes were made of; relations that the nodes lack are left out
    """

    def __init__(self, task: NodeTask, state: TorchState, nodes: Nodes, graph: Graph) -> None:
        kept = {kind: each for kind, each in graph.edges.items() if kind[1] in nodes.ends}
        self.edges = EdgeList.of(replace(graph, edges=kept))
        self.companies = nodes.companies
        self.layers = int(state.params["layers"])
        self._task, self._state, self._nodes = task, state, nodes
        self._directed = self.edges.directed(two_way(self.edges.graph))

    @cached_property
    def said(self) -> Floats:
        """Scores (n, 1)."""
        return self._scores(self._nodes)

    @property
    def strength(self) -> Floats:
        """Size of the score, where there is a bar."""
        return np.where(self._nodes.has_bar, np.abs(self.said[:, 0]), np.nan)

    def without(self, drops: Sequence[Ints]) -> Iterator[Floats]:
        """Scores without those edges."""
        for drop in drops:
            yield self._scores(self._less(drop))

    def moved(self, less: Floats) -> Floats:
        """The score less that without."""
        lost: Floats = (self.said - less)[:, 0]
        return lost

    def promise(self, rows: Ints) -> Iterator[Floats]:
        """Size of the first-order change of the raw score."""
        ties, network = tracked(self._nodes.ties), self._state.network.eval()
        given = {each.name: getattr(self._nodes, each.name) for each in fields(Nodes)}
        with torch.enable_grad(), recording(network) as calls:
            raw = self._task.respond(network, _Traced(**given, given=ties), self._state.device)[:, 0]
            asked = [raw[row] for row in rows.tolist()]
        columns, lost = self._columns(network, [call.layer for call in calls]), [call.lost() for call in calls]
        wanted = [*(call.received for call in calls), *matrices(ties)]
        for score in asked:
            slopes = torch.autograd.grad(score, wanted, retain_graph=True, allow_unused=True)
            found = by_edge(self.edges, ties, slopes[len(calls) :])
            for call, gone, slope, column in zip(calls, lost, slopes, columns, strict=False):
                if slope is not None:
                    by_column, told = call.slopes(gone, slope).double().cpu().numpy(), column >= 0
                    found += np.bincount(column[told], by_column[told], len(self.edges))
            yield np.abs(found)

    def _scores(self, nodes: Nodes) -> Floats:
        with evaluating(self._state) as network:
            raw = self._task.respond(network, nodes, self._state.device)[:, :1]
        scores: Floats = score_of(raw.float().cpu().double()).numpy()
        return scores

    def _less(self, drop: Ints) -> Nodes:
        """The nodes without those edges."""
        stays = {kind: torch.from_numpy(~np.isin(edges, drop)) for kind, edges in self._directed.items()}
        tensors = self._nodes.tensors
        index = {kind: each[:, stays[kind]] for kind, each in tensors.edge_index.items()}
        weight = {kind: each[stays[kind]] for kind, each in tensors.weight.items()}
        ends = {
            relation: each[:, torch.from_numpy(~np.isin(self._of(relation), drop))]
            for relation, each in self._nodes.ends.items()
        }
        return replace(self._nodes, tensors=replace(tensors, edge_index=index, weight=weight), ends=ends)

    def _of(self, relation: str) -> Ints:
        """Edges of a relation in the order of `Nodes.ends`."""
        named = [place for place, kind in enumerate(self.edges.kinds) if kind[1] == relation]
        return np.flatnonzero(np.isin(self.edges.kind, named))

    def _columns(self, network: nn.Module, layers: Sequence[nn.Module]) -> list[Ints]:
        """Which edge each column of each call is; -1: none, or not the only one there."""
        by_layer: Mapping[nn.Module, EdgeType] = {
            layer: kind
            for each in network.modules()
            if isinstance(each, RelationLayer)
            for kind, layer in each.attention.convs.items()
        }
        loops = np.full(sum(len(ids) for ids in self._nodes.tensors.ids.values()), -1)
        untyped = np.concatenate([pairs_of(self.edges, self._nodes.ties.counts), loops])
        return [self._directed[by_layer[layer]] if layer in by_layer else untyped for layer in layers]
