"""The node task: which companies return more than the day's median, and by rank how much; shared by two networks."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from nexus.contract.torch import TorchLearned, TorchState, evaluating
from nexus.db.panel import Observations, Panel
from nexus.errors import InputError
from nexus.graph.gnn.edge_reasons import edge_rows
from nexus.graph.gnn.node_inputs import FEATURES, GRAPH, INPUTS, Nodes, base, nodes_at
from nexus.graph.gnn.node_metrics import date_metrics, mean_of
from nexus.maths.returns import forward_return, wealth
from nexus.maths.stats import ranks
from nexus.maths.types import Floats
from nexus.nn.losses import focal, rank_correlation, rank_error, weighted_cross_entropy

if TYPE_CHECKING:
    import pandas as pd

    from nexus.graph.gnn.node_edges import NodeOcclusion

HOLDING = 21
"""Sessions over which a return is told."""
LEAST = 10
"""Companies with a label that a date needs to be an example."""
LOSSES = ("cross_entropy", "weighted", "focal")
RANK_LOSSES = ("error", "correlation")
LABELS = ("median", "up")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Example:
    """A date: its nodes, and each company's forward return (n,), simple, NaN where it has none."""

    nodes: Nodes
    forward: Floats

    def label(self, kind: str) -> np.ndarray:
        """Above the median of the date, or above zero (n,); False where there is no return."""
        if kind not in LABELS:
            raise InputError(f"label {kind!r} is unknown; one of {', '.join(LABELS)}")
        threshold = np.nanmedian(self.forward) if kind == "median" else 0.0
        return np.nan_to_num(self.forward, nan=-np.inf) > threshold

    def ranks(self) -> Floats:
        """Ranks of the forward returns, even within -0.5 and 0.5 (n,); NaN where there is none."""
        ranked = ranks(self.forward[None])[0]
        centred: Floats = (ranked - 0.5) / np.isfinite(ranked).sum() - 0.5
        return centred


@dataclass(frozen=True)
class NodeExamples:
    """Dates with enough labels, in order; `dropped` counts the others."""

    dates: Sequence[Example]
    dropped: int
    _reduced: dict[tuple[tuple[str, ...], ...], list[Nodes]] = field(default_factory=dict, repr=False)

    def nodes(self, params: Mapping[str, Any]) -> list[Nodes]:
        """The nodes of each date, as `reduced`."""
        key = tuple(params["without"]), tuple(params["without_features"])
        if key not in self._reduced:
            self._reduced.clear()  # the last ones only
            self._reduced[key] = [reduced(each.nodes, params) for each in self.dates]
        return self._reduced[key]


@dataclass(frozen=True)
class Batch:
    """One date: nodes, and of each company (n,) whether it has a label, the label and the rank."""

    nodes: Nodes
    told: Tensor
    label: Tensor
    rank: Tensor


class NodeTask(TorchLearned[NodeExamples]):
    """Score and probability of each company of the graph that has a bar.

    loss : one of LOSSES, of the label; `gamma` is the focal one's, class weights are by the share in training
    rank_loss : one of RANK_LOSSES, added with `rank_weight`
    label : "median": above the median of the date; "up": above zero
    without : relations left out, in both directions; without_features : of FEATURES, left out as if nobody had them
    explain_edges : at most so many edges are named of each of the `explain_companies` of the largest scores
    """

    inputs = INPUTS
    output = "graph_predictions"
    horizon = HOLDING + 1  # a return is from the session after the day
    warm_up = 400
    defaults: ClassVar[Mapping[str, Any]] = {
        "hidden": 256, "heads": 4, "layers": 2, "dropout": 0.1, "lr": 5e-4, "weight_decay": 1e-5, "epochs": 60,
        "patience": 10, "report_every": 10, "schedule": "cosine", "warmup_epochs": 3, "clip_norm": 1.0,
        "loss": "cross_entropy", "gamma": 2.0, "rank_loss": "error", "rank_weight": 1.0, "label": "median",
        "without": [], "without_features": [], "explain_companies": 20, "explain_edges": 10,
    }  # fmt: skip

    @abstractmethod
    def respond(self, network: nn.Module, nodes: Nodes, device: torch.device) -> Tensor:
        """What the network says of the companies, (n, 2): raw score, logit of the label."""

    def space(self, trial: Any) -> dict[str, Any]:
        """Size, regularisation and what is minimised."""
        return {
            "hidden": trial.suggest_categorical("hidden", [64, 128, 256]),
            "layers": trial.suggest_int("layers", 1, 3),
            "dropout": trial.suggest_float("dropout", 0.0, 0.5),
            "lr": trial.suggest_float("lr", 1e-4, 3e-3, log=True),
            "weight_decay": trial.suggest_float("weight_decay", 1e-6, 1e-2, log=True),
            "loss": trial.suggest_categorical("loss", list(LOSSES)),
            "rank_loss": trial.suggest_categorical("rank_loss", list(RANK_LOSSES)),
            "rank_weight": trial.suggest_float("rank_weight", 0.1, 3.0, log=True),
        }

    def examples(self, data: Panel, days: Sequence[date]) -> NodeExamples:
        """Nodes and forward returns of the days whose window is over and that have labels enough."""
        forward = _forward(data, days)
        seen = data.blind()
        known: dict[str, Nodes] = {}
        found = []
        for day, row in zip(days, forward, strict=True):
            nodes = nodes_at(seen.at(day), known)
            if nodes is None:
                continue
            told = np.where((nodes.columns >= 0) & nodes.has_bar, row[np.maximum(nodes.columns, 0)], np.nan)
            if np.isfinite(told).sum() >= LEAST:
                found.append(Example(nodes, told))
        return NodeExamples(found, len(days) - len(found))

    def describe(self, examples: NodeExamples) -> dict[str, Any]:
        """Node types and edge types, and how often each label is true."""
        if not examples.dates:
            raise InputError(f"{self.name}: none of {examples.dropped} training dates has a graph and {LEAST} labels")
        node_types = {kind for each in examples.dates for kind in each.nodes.tensors.ids}
        edge_types = {kind for each in examples.dates for kind in each.nodes.tensors.edge_index}
        return {
            "node_types": sorted(node_types),
            "edge_types": [list(kind) for kind in sorted(edge_types)],
            "share": {kind: _share(examples, kind) for kind in LABELS},
        }

    def batches(self, state: TorchState, examples: NodeExamples, train: bool) -> Iterator[Batch]:
        """A date at a time, in random order when training."""
        n = len(examples.dates)
        order = torch.randperm(n, generator=state.generator).tolist() if train else range(n)
        nodes = examples.nodes(state.params)
        for place in order:
            yield _batch(examples.dates[place], nodes[place], state.params["label"])

    def objective(self, state: TorchState, batch: Batch) -> Tensor:
        """Loss of the label, and of the rank."""
        raw, logit = self.respond(state.network, batch.nodes, state.device).float().unbind(dim=1)
        told = batch.told.to(state.device)
        label, rank = batch.label.to(state.device)[told], batch.rank.to(state.device)[told]
        order = _rank_loss(score_of(raw)[told], rank, state.params)
        return _label_loss(logit[told], label, state.params) + float(state.params["rank_weight"]) * order

    def metrics(self, state: TorchState, examples: NodeExamples) -> dict[str, float]:
        """As `node_metrics.date_metrics`, of each date, then averaged; counts are summed."""
        found = []
        with evaluating(state) as network:
            for each, nodes in zip(examples.dates, examples.nodes(state.params), strict=True):
                said = self.respond(network, nodes, state.device).float().cpu().double().numpy()
                label = each.label(state.params["label"])
                found.append(date_metrics(each.nodes, each.forward, label, said[:, 0], said[:, 1] > 0))
        return mean_of(found)

    def predict(self, state: TorchState, data: Observations, day: date) -> pd.DataFrame:
        """company_id, score, probability of the companies with a bar on the day."""
        import pandas as pd

        nodes = self.nodes(state, data, day)
        if nodes is None:
            return pd.DataFrame({"company_id": [], "score": [], "probability": []})
        with evaluating(state) as network:
            raw, logit = self.respond(network, nodes, state.device).float().cpu().double().unbind(dim=1)
        rows = {
            "company_id": nodes.companies,
            "score": score_of(raw).numpy(),
            "probability": torch.sigmoid(logit).numpy(),
        }
        return pd.DataFrame(rows)[nodes.has_bar].reset_index(drop=True)

    def explain(self, state: TorchState, data: Observations, day: date) -> pd.DataFrame:
        """What of each company's score would be missing without a feature or a relation: the score less that one.

        "feature:NAME": everybody in the middle by it; "edge:RELATION:SOURCE>TARGET": single edges, of the companies of
        the largest scores. The attributions need not add up to anything.
        """
        import pandas as pd

        nodes = self.nodes(state, data, day)
        if nodes is None:
            return pd.DataFrame({"company_id": [], "feature": [], "attribution": []})
        with evaluating(state) as network:
            score = self._score(network, nodes, state.device)
            gone = {name: score - other for name, other in self.ablated(network, nodes, state.device)}
        frames = [
            pd.DataFrame({"company_id": nodes.companies, "feature": name, "attribution": lost})[nodes.has_bar]
            for name, lost in gone.items()
        ]
        told = self.occlusion(state, data, day)
        if told is not None:
            companies, top = (int(state.params[name]) for name in ("explain_companies", "explain_edges"))
            frames.append(edge_rows(told, companies, top))
        return pd.concat(frames, ignore_index=True)

    def occlusion(self, state: TorchState, data: Observations, day: date) -> NodeOcclusion | None:
        """What the day's scores would be without some edges; None where there is no graph."""
        from nexus.graph.gnn.node_edges import NodeOcclusion

        nodes = self.nodes(state, data, day)
        return None if nodes is None else NodeOcclusion(self, state, nodes, data.at(day).graphs(GRAPH, 1)[-1])

    def ablated(self, network: nn.Module, nodes: Nodes, device: torch.device) -> Iterable[tuple[str, Floats]]:
        """Names of what can be taken away, and the scores (n,) without it."""
        for feature in FEATURES:
            yield f"feature:{feature}", self._score(network, nodes.middling(feature), device)
        for relation in sorted({base(kind) for kind in nodes.tensors.edge_index}):
            yield f"relation:{relation}", self._score(network, nodes.without([relation]), device)

    def nodes(self, state: TorchState, data: Observations, day: date) -> Nodes | None:
        """The day's nodes as the state's parameters want them; None where there is no graph."""
        found = nodes_at(data.at(day), {})
        return None if found is None else reduced(found, state.params)

    def _score(self, network: nn.Module, nodes: Nodes, device: torch.device) -> Floats:
        said = self.respond(network, nodes, device)[:, 0]
        scored: Floats = score_of(said.float().cpu().double()).numpy()
        return scored


def reduced(nodes: Nodes, params: Mapping[str, Any]) -> Nodes:
    """The nodes without the relations and features that are left out; as they are where none is."""
    relations, features = params["without"], params["without_features"]
    nodes = nodes.without(relations) if relations else nodes
    return nodes.lacking(features) if features else nodes


def score_of(raw: Tensor) -> Tensor:
    """A centred rank, within -0.5 and 0.5."""
    return 0.5 * torch.tanh(raw)


def types_of(params: Mapping[str, Any]) -> tuple[list[str], list[tuple[str, str, str]]]:
    """Node types and edge types that a network needs weights for, by what training described."""
    known = {base((src, relation, dst)) for src, relation, dst in params["edge_types"]}
    if strangers := sorted(set(params["without"]) - known):
        log.warning("without %s: no edge of training is; there are %s", ", ".join(strangers), ", ".join(sorted(known)))
    kinds: list[tuple[str, str, str]] = [(src, relation, dst) for src, relation, dst in params["edge_types"]]
    return list(params["node_types"]), [kind for kind in kinds if base(kind) not in params["without"]]


def _forward(data: Panel, days: Sequence[date]) -> Floats:
    """Return of each company from the session after each day over HOLDING sessions, (n_days, n_companies)."""
    ahead, seen = data.ahead, data.blind()
    upto = slice(ahead.market_last + 1)
    rows = np.array([seen.row(day) for day in days], np.int64)
    grown = wealth(ahead.total_return[upto], ahead.has_bar[upto])
    return forward_return(grown, rows, HOLDING, ahead.delisting).returns


def _share(examples: NodeExamples, kind: str) -> float:
    labels = np.concatenate([each.label(kind)[np.isfinite(each.forward)] for each in examples.dates])
    return float(np.clip(labels.mean(), 0.01, 0.99))


def _batch(example: Example, nodes: Nodes, kind: str) -> Batch:
    told = np.isfinite(example.forward)
    return Batch(
        nodes,
        torch.from_numpy(told),
        torch.from_numpy(example.label(kind).astype(np.float32)),
        torch.from_numpy(np.nan_to_num(example.ranks()).astype(np.float32)),
    )


def _label_loss(logit: Tensor, label: Tensor, params: Mapping[str, Any]) -> Tensor:
    kind = params["loss"]
    if kind == "cross_entropy":
        return nn.functional.binary_cross_entropy_with_logits(logit, label)
    if kind == "weighted":
        return weighted_cross_entropy(logit, label, params["share"][params["label"]])
    if kind == "focal":
        return focal(logit, label, params["gamma"])
    raise InputError(f"loss {kind!r} is unknown; one of {', '.join(LOSSES)}")


def _rank_loss(predicted: Tensor, rank: Tensor, params: Mapping[str, Any]) -> Tensor:
    kind = params["rank_loss"]
    if kind == "error":
        return rank_error(predicted, rank)
    if kind == "correlation":
        return rank_correlation(predicted, rank)
    raise InputError(f"rank_loss {kind!r} is unknown; one of {', '.join(RANK_LOSSES)}")
