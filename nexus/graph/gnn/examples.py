"""Consecutive snapshots as examples of link prediction: encode the one, ask for the edges of the next."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import torch

from nexus.db.graph import EdgeType, Graph
from nexus.graph.gnn.baselines import History, baselines
from nexus.graph.gnn.data import HISTORY, tensors
from nexus.graph.gnn.gate import Score, mark
from nexus.graph.gnn.links import Kind, Transition, edge_types, transition
from nexus.graph.gnn.negatives import Question, question
from nexus.nn.hetero import Tensors

LEAST_SCALE = 1e-6
log = logging.getLogger(__name__)
Made = TypeVar("Made")


@dataclass(frozen=True)
class Asked:
    """A question of one snapshot, and how the simple rules answer it.

    place : of the transition among those of the examples
    """

    place: int
    day: np.datetime64
    edge_type: EdgeType
    kind: Kind
    question: Question
    rules: Mapping[str, Score]


@dataclass(frozen=True)
class Links:
    """Transitions between consecutive snapshots.

    graphs : the snapshots, ascending; each but the last is encoded, each but the first is asked for
    earlier : snapshots before the first, for ages and for what was last seen
    """

    graphs: tuple[Graph, ...]
    earlier: tuple[Graph, ...] = ()
    _kept: dict[Hashable, Any] = field(default_factory=dict, repr=False, compare=False)

    def __len__(self) -> int:
        return max(0, len(self.graphs) - 1)

    @cached_property
    def raw(self) -> list[Tensors]:
        """Each encoded snapshot, features as `nexus.graph.gnn.data` gives them."""
        known = (*self.earlier, *self.graphs)
        first = len(self.earlier)
        return [tensors(known[i], known[max(0, i - HISTORY) : i]) for i in range(first, len(known) - 1)]

    @cached_property
    def transitions(self) -> dict[EdgeType, list[Transition]]:
        """Edge type, as stored -> one transition per encoded snapshot."""
        return {
            edge_type: [transition(self.graphs[i], self.graphs[i + 1], edge_type) for i in range(len(self))]
            for edge_type in edge_types(self.graphs)
        }

    @cached_property
    def asked(self) -> list[Asked]:
        """Every question that has an answer, by snapshot, edge type and kind; the same for all models."""
        found, history = [], History.of(self.earlier)
        for place in range(len(self)):
            history.see(self.graphs[place])
            for steps in self.transitions.values():
                kinds: tuple[Kind, ...] = ("new", "all")
                found += [asked for kind in kinds if (asked := _ask(steps[place], place, kind, history)) is not None]
        _say_short(found)
        return found

    def kept(self, key: Hashable, make: Callable[[], Made]) -> Made:
        """What `make` gave for the key before; of one key at a time."""
        if key not in self._kept:
            self._kept.clear()
            self._kept[key] = make()
        kept: Made = self._kept[key]
        return kept


def _ask(step: Transition, place: int, kind: Kind, history: History) -> Asked | None:
    put = question(step, kind)
    if not put.positives:
        return None
    rules = {
        name: mark(step.before.day, put, score) for name, score in baselines(step, history, put.src, put.dst).items()
    }
    return Asked(place, step.before.day, step.edge_type, kind, put, rules)


def _say_short(found: Sequence[Asked]) -> None:
    """Name the edge types whose new edges stand against fewer pairs than was wanted, since no more exist."""
    for edge_type in sorted({asked.edge_type for asked in found}):
        notes = [each.question.note for each in found if each.edge_type == edge_type and each.kind == "new"]
        short = [note for note in notes if note]
        if short:
            name = "-".join(edge_type)
            log.info("%s: on %d of %d snapshots %s", name, len(short), len(notes), short[-1])


def normaliser(snapshots: Sequence[Tensors], node_types: Sequence[str]) -> dict[str, Any]:
    """Mean and standard deviation of each feature over the nodes of each type, as lists; what never varies is left."""
    figures: dict[str, dict[str, list[float]]] = {"mean": {}, "scale": {}}
    for node_type in node_types:
        rows = torch.cat([each.features[node_type] for each in snapshots if node_type in each.features]).double()
        scale = rows.std(0, correction=0)
        figures["mean"][node_type] = rows.mean(0).tolist()
        figures["scale"][node_type] = torch.where(scale > LEAST_SCALE, scale, 1.0).tolist()
    return figures


def normalised(snapshot: Tensors, params: Mapping[str, Any]) -> Tensors:
    """As the network wants it: features in units of the training snapshots, types it has no weights for left out."""
    known = {tuple(edge_type) for edge_type in params["edge_types"]}
    features = {}
    for node_type in params["node_types"]:
        if node_type in snapshot.features:
            mean, scale = (torch.tensor(params[name][node_type], dtype=torch.float32) for name in ("mean", "scale"))
            features[node_type] = (snapshot.features[node_type] - mean) / scale
    kept = [kind for kind in snapshot.edge_index if kind in known]
    return Tensors(
        features,
        {kind: snapshot.edge_index[kind] for kind in kept},
        {node_type: snapshot.ids[node_type] for node_type in features},
        {kind: snapshot.weight[kind] for kind in kept},
    )
