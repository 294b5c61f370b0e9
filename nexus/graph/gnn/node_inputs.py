"""The companies of a snapshot as nodes with what their prices tell on the day, and everybody else they are tied to."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from nexus.db.graph import Graph
from nexus.db.panel import View
from nexus.errors import InputError
from nexus.graph.gnn.data import TWO_WAY, UNDIRECTED, tensors
from nexus.maths.stats import ranks
from nexus.maths.types import Bools, Floats, Ints
from nexus.nn.hetero import EdgeType, Tensors
from nexus.nn.pearl import Ties, ties

GRAPH = "monthly"
INPUTS = (f"graph_snapshots.{GRAPH}", "prices.close", "prices.volume")
FEATURES = ("return_21", "return_126_21", "return_252_21", "volatility_63", "volatility_252", "dollar_volume_21")
"""`return_252_21`: from 252 sessions ago to 21 sessions ago, and so on."""
CHANNELS = 2 * len(FEATURES)
"""Each feature, and whether it is missing."""
_LONGEST = 252
_ENOUGH = 0.75
"""Share of a window's sessions that must have a bar."""


@dataclass(frozen=True)
class Nodes:
    """A snapshot and a day's prices.

    snapshot : day and version of the snapshot
    tensors : features of companies (n, CHANNELS): cross-sectional ranks, even within -sqrt(3) and sqrt(3), 0 where
        missing, then 1 where missing; a node of another type misses everything. Weights of edges over their mean size
    has_bar : (n,) companies with a bar on the day
    columns : (n,) places of the companies in the panel; -1 for who is in no panel
    ends : relation -> (2, n_edges) places among all nodes, in order of their types; each edge once
    content : hash of the graph
    """

    snapshot: tuple[np.datetime64, str]
    tensors: Tensors
    has_bar: Bools
    columns: Ints
    ends: Mapping[str, Tensor]
    content: str

    @property
    def companies(self) -> Ints:
        """Ids of the companies (n,), in the order of their features."""
        return self.tensors.ids["company"]

    @cached_property
    def ties(self) -> Ties:
        """All edges, without types and directions, and each relation by itself in each direction."""
        starts, n = _starts(self.tensors)
        relations: dict[str, list[Tensor]] = {}
        for (src, relation, dst), edges in self.tensors.edge_index.items():
            relations.setdefault(relation, []).append(edges + torch.tensor([[starts[src]], [starts[dst]]]))
        named = {relation: torch.cat(parts, dim=1) for relation, parts in relations.items()}
        return ties(n, torch.cat([torch.empty(2, 0, dtype=torch.long), *self.ends.values()], dim=1), named)

    def without(self, relations: Collection[str]) -> Nodes:
        """The same nodes without the edges of some relations, in either direction."""
        kept = {kind: edges for kind, edges in self.tensors.edge_index.items() if base(kind) not in relations}
        weight = {kind: self.tensors.weight[kind] for kind in kept}
        ends = {relation: edges for relation, edges in self.ends.items() if relation not in relations}
        return replace(self, tensors=replace(self.tensors, edge_index=kept, weight=weight), ends=ends)

    def lacking(self, names: Collection[str]) -> Nodes:
        """The same as if no company had some features.

        Raises
        ------
        InputError
            When one of the names is none of FEATURES.
        """
        unknown = sorted(set(names) - set(FEATURES))
        if unknown:
            raise InputError(f"feature {unknown[0]!r} is unknown; one of {', '.join(FEATURES)}")
        of = self.tensors.features["company"].clone()
        places = [FEATURES.index(name) for name in names]
        of[:, places], of[:, [len(FEATURES) + place for place in places]] = 0.0, 1.0
        return replace(self, tensors=replace(self.tensors, features={**self.tensors.features, "company": of}))

    def middling(self, feature: str) -> Nodes:
        """The same as if every company were in the middle by that feature."""
        features = dict(self.tensors.features)
        features["company"] = features["company"].clone()
        features["company"][:, FEATURES.index(feature)] = 0.0
        return replace(self, tensors=replace(self.tensors, features=features))


def base(kind: EdgeType) -> str:
    """The relation of an edge type, whichever way it goes."""
    return kind[1].removeprefix("rev_")


def two_way(graph: Graph) -> frozenset[str]:
    """All directed relations of the graph: here both ends learn of an edge, whatever it is."""
    return TWO_WAY | {relation for _, relation, _ in graph.edges if relation not in UNDIRECTED}


def nodes_at(view: View, known: dict[str, Nodes]) -> Nodes | None:
    """The newest snapshot known on the day with the features of the day; None where there is none with a company.

    known : nodes by hash of the graph, whose structure is used again, and which grows
    """
    graphs = view.graphs(GRAPH, 1)
    if not graphs or not len(graphs[-1].nodes.get("company", ())):
        return None
    graph = graphs[-1]
    if graph.content_hash not in known:
        known[graph.content_hash] = _structure(graph, view.companies)
    nodes = known[graph.content_hash]
    there, columns = nodes.columns >= 0, np.maximum(nodes.columns, 0)
    raw = np.where(there, price_features(view)[:, columns], np.nan)
    bar = np.isfinite(view.raw("close", 1)[0])[columns] & there
    features = dict(nodes.tensors.features)
    features["company"] = torch.from_numpy(_channels(raw))
    snapshot = graph.day, graph.version
    return replace(nodes, snapshot=snapshot, tensors=replace(nodes.tensors, features=features), has_bar=bar)


def price_features(view: View) -> Floats:
    """Returns, volatilities and traded value (len(FEATURES), n_companies) as known on the day.

    A return is the log of the total one, a volatility the sd of a session's log return, the traded value the mean of a
    session's. NaN where less than three quarters of the window's sessions have one.
    """
    grown = np.log1p(np.maximum(view.returns(_LONGEST), -0.9999))
    traded = view.dollar_volume(21)
    return np.stack(
        [
            _mean(grown[-21:]),
            _mean(grown[-126:-21]),
            _mean(grown[:-21]),
            _deviation(grown[-63:]),
            _deviation(grown),
            _mean(traded),
        ]
    )


def _mean(rows: Floats) -> Floats:
    there = np.isfinite(rows)
    count = there.sum(axis=0)
    mean = np.where(there, rows, 0.0).sum(axis=0) / np.maximum(count, 1)
    return np.where(count >= _ENOUGH * len(rows), mean, np.nan)


def _deviation(rows: Floats) -> Floats:
    mean = _mean(rows)
    squares: Floats = np.sqrt(_mean((rows - mean) ** 2))
    return squares


def _channels(raw: Floats) -> np.ndarray:
    ranked = ranks(raw)
    count = np.isfinite(ranked).sum(axis=1, keepdims=True)
    even = ((ranked - 0.5) / np.maximum(count, 1) - 0.5) * np.sqrt(12)
    missing = ~np.isfinite(even)
    return np.concatenate([np.where(missing, 0.0, even), missing]).T.astype(np.float32)


def _structure(graph: Graph, companies: Ints) -> Nodes:
    made = tensors(graph, two_way=two_way(graph))
    features = {kind: _nothing_known(len(ids)) for kind, ids in made.ids.items()}
    weight = {kind: _relative(each) for kind, each in made.weight.items()}
    ids = graph.nodes["company"]
    found = np.minimum(np.searchsorted(companies, ids), len(companies) - 1)
    return Nodes(
        snapshot=(graph.day, graph.version),
        tensors=replace(made, features=features, weight=weight),
        has_bar=np.zeros(len(ids), bool),
        columns=np.where(companies[found] == ids, found, -1),
        ends=_ends(graph, made),
        content=graph.content_hash,
    )


def _nothing_known(n: int) -> Tensor:
    return torch.cat([torch.zeros(n, len(FEATURES)), torch.ones(n, len(FEATURES))], dim=1)


def _relative(weight: Tensor) -> Tensor:
    finite = torch.nan_to_num(weight, nan=0.0, posinf=0.0, neginf=0.0)
    mean = finite.abs().mean()
    return finite / mean if mean > 0 else finite


def _starts(made: Tensors) -> tuple[dict[str, int], int]:
    """Place of the first node of each type among all nodes, and how many there are."""
    ends = np.cumsum([0, *(len(ids) for ids in made.ids.values())]).tolist()
    return dict(zip(made.ids, ends, strict=False)), ends[-1]


def _ends(graph: Graph, made: Tensors) -> dict[str, Tensor]:
    starts, _ = _starts(made)
    found: dict[str, list[np.ndarray]] = {}
    for kind, edges in sorted(graph.edges.items()):
        src, dst = graph.places(kind[0], edges.src), graph.places(kind[2], edges.dst)
        found.setdefault(kind[1], []).append(np.stack([src + starts[kind[0]], dst + starts[kind[2]]]))
    return {relation: torch.from_numpy(np.concatenate(parts, axis=1)) for relation, parts in found.items()}
