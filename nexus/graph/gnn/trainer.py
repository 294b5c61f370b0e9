"""HGT by link prediction (Hu et al. 2020): embeddings of one month from which the edges of the next can be told."""

from __future__ import annotations

if __name__ == "__main__":  # before what takes seconds to import, so that help is quick
    from nexus.contract.cli import main

    main("hgt", "nexus.graph.gnn.trainer:HGT")

import logging
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd
import torch

from nexus.contract.splits import SINGLE_FIT
from nexus.contract.torch import TorchLearned, TorchState, evaluating
from nexus.errors import InputError
from nexus.graph.gnn.batches import LinkBatch, LinkBatches, Size, link_loss
from nexus.graph.gnn.data import FEATURES, HISTORY, metadata, tensors
from nexus.graph.gnn.edge_reasons import edge_rows
from nexus.graph.gnn.examples import Asked, Links, normalised, normaliser
from nexus.graph.gnn.figures import figures, lines, name_of
from nexus.graph.gnn.gate import Score, mark
from nexus.graph.gnn.hgt_edges import HGTOcclusion
from nexus.graph.gnn.weights import WEIGHTS, leave
from nexus.nn.hetero import Tensors
from nexus.nn.hgt import HGTEncoder

if TYPE_CHECKING:
    from nexus.db.panel import Observations, Panel

GRAPH, COMPANY = "monthly", "company"
_SIZES = ("per_positive", "sample_above", "sample_pairs", "fanout", "sampler")
log = logging.getLogger(__name__)


class HGTLinks(TorchLearned[Links]):
    """Encodes a snapshot with an HGT; the dot product of two embeddings is the logit of an edge in the next one."""

    name = "hgt"
    version = "hgt-1"
    inputs = (f"graph_snapshots.{GRAPH}",)
    output = "node_embeddings"
    horizon = 23  # sessions of the longest month: the gap between the parts is one snapshot
    devices = ("cpu", "cuda")
    defaults: ClassVar[Mapping[str, Any]] = {
        "hidden": 64, "heads": 4, "layers": 2, "dropout": 0.2, "lr": 5e-3, "weight_decay": 1e-4, "epochs": 300,
        "patience": 300, "report_every": 20, "clip_norm": 1.0, "per_positive": 1, "sample_above": 2_000_000,
        "sample_pairs": 16_384, "fanout": 16, "sampler": "nexus", "explain_companies": 20, "explain_edges": 10,
    }  # fmt: skip

    def space(self, trial: Any) -> dict[str, Any]:
        """Width, depth, dropout and the optimiser."""
        return {
            "hidden": trial.suggest_categorical("hidden", [32, 64, 128]),
            "heads": trial.suggest_categorical("heads", [2, 4, 8]),
            "layers": trial.suggest_int("layers", 1, 3),
            "dropout": trial.suggest_float("dropout", 0.0, 0.5),
            "lr": trial.suggest_float("lr", 5e-4, 2e-2, log=True),
            "weight_decay": trial.suggest_float("weight_decay", 1e-6, 1e-2, log=True),
        }

    def examples(self, data: Panel, days: Sequence[date]) -> Links:
        """Transitions between the snapshots of `days`, as they were known at the last of them."""
        if not len(days):
            return Links(())
        known = data.at(days[-1]).graphs(GRAPH, len(data.sessions))
        first = np.datetime64(days[0], "D")
        return Links(
            tuple(graph for graph in known if graph.day >= first), tuple(graph for graph in known if graph.day < first)
        )

    def describe(self, examples: Links) -> dict[str, Any]:
        """Node types, edge types with their reverses, and the normaliser of the features.

        Raises
        ------
        InputError
            Without two snapshots.
        """
        if not len(examples):
            raise InputError(
                f"{self.name}: {len(examples.graphs)} snapshots to train on; edges are told from one to the next"
            )
        node_types, kinds = metadata(examples.graphs[:-1])
        return {
            "node_types": node_types,
            "edge_types": [list(kind) for kind in kinds],
            **normaliser(examples.raw, node_types),
        }

    def network(self, params: Mapping[str, Any]) -> HGTEncoder:
        """The encoder; the decoder has no weights."""
        return HGTEncoder(
            (list(params["node_types"]), [tuple(kind) for kind in params["edge_types"]]), len(FEATURES),
            params["hidden"], params["heads"], params["layers"], params["dropout"],
        )  # fmt: skip

    def batches(self, state: TorchState, examples: Links, train: bool) -> Iterator[LinkBatch]:
        """Snapshots with the edges of the next ones, and as many pairs that are none, drawn anew."""
        seed = int(torch.randint(2**62, (), generator=state.generator))
        made = examples.kept(_key(state), lambda: _prepared(state, examples))
        return made.epoch(np.random.default_rng(seed), shuffle=train)

    def objective(self, state: TorchState, batch: LinkBatch) -> torch.Tensor:
        """Binary cross-entropy, edge types counting alike."""
        return link_loss(_encoder(state), batch)

    def metrics(self, state: TorchState, examples: Links) -> dict[str, float]:
        """AUC and average precision by edge type, of new and of all edges, the model's beside each simple rule's.

        As `nexus.graph.gnn.figures` names them; where there is nothing to compare there is no figure.
        """
        told = figures(self.marks(state, examples), examples.transitions)
        log.info("links after epoch %d: AUC and average precision, the model's and the simple rules'", state.epoch)
        for line in lines(told):
            log.info("%s", line)
        return {name: value for name, value in told.items() if np.isfinite(value)}

    def marks(self, state: TorchState, examples: Links) -> Iterator[tuple[Asked, Score]]:
        """Every question of the examples, the simple rules' scores with it, and the model's score."""
        embedded = self.embeddings(state, examples.raw)
        for asked in examples.asked:
            source, _, target = asked.edge_type
            at, put = embedded[asked.place], asked.question
            logits = np.zeros(len(put.src))  # of a type that training never saw nothing is said: chance
            if source in at and target in at:
                logits = (at[source][put.src] * at[target][put.dst]).sum(axis=1)
            yield asked, mark(asked.day, put, logits)

    def embeddings(self, state: TorchState, snapshots: Sequence[Tensors]) -> list[dict[str, np.ndarray]]:
        """Of each snapshot, features as `nexus.graph.gnn.data` gives them: node type -> (n, hidden)."""
        ready = [normalised(snapshot, state.params).to(state.device) for snapshot in snapshots]
        with evaluating(state):
            embedded = _encoder(state).embed(ready)
        return [{kind: each.float().cpu().numpy() for kind, each in snapshot.items()} for snapshot in embedded]

    def predict(self, state: TorchState, data: Observations, day: date) -> pd.DataFrame:
        """The embedding of each company of the day's snapshot; no rows where that day has none."""
        known = data.at(day).graphs(GRAPH, HISTORY + 1)
        if not known or known[-1].day != np.datetime64(day, "D"):
            return pd.DataFrame(columns=["company_id", "snapshot_date", "graph_version", "embedding", "embedding_dim"])
        graph = known[-1]
        made = tensors(graph, known[:-1])
        values = self.embeddings(state, [made])[0][COMPANY]
        return pd.DataFrame(
            {
                "company_id": made.ids[COMPANY], "snapshot_date": graph.day.astype(object),
                "graph_version": graph.version, "embedding": list(values), "embedding_dim": values.shape[1],
            }
        )  # fmt: skip

    def explain(self, state: TorchState, data: Observations, day: date) -> pd.DataFrame:
        """How far each company's embedding moves when the snapshot is told without one edge type, or without one edge.

        A row per company and edge type, and the `explain_edges` strongest edges of the `explain_companies` that moved
        most since the snapshot before; the distance as a share of the embedding's own length.
        """
        told = self.occlusion(state, data, day)
        if told is None:
            return pd.DataFrame(columns=["company_id", "feature", "attribution"])
        kinds = told.edges.kinds
        rows = [
            pd.DataFrame({"company_id": told.companies, "feature": name_of(kind), "attribution": told.moved(less)})
            for kind, less in zip(kinds, told.without([told.edges.numbers(kind) for kind in kinds]), strict=True)
        ]
        companies, top = (int(state.params[name]) for name in ("explain_companies", "explain_edges"))
        return pd.concat([*rows, edge_rows(told, companies, top)], ignore_index=True)

    def occlusion(self, state: TorchState, data: Observations, day: date) -> HGTOcclusion | None:
        """What the day's embeddings would be without some edges; None where that day has no snapshot."""
        known = data.at(day).graphs(GRAPH, HISTORY + 2)  # and one more, for the snapshot before
        if not known or known[-1].day != np.datetime64(day, "D"):
            return None
        return HGTOcclusion(state, known[-1], known[:-1], partial(self.embeddings, state))

    def leave(self, state: TorchState, home: Path, about: Mapping[str, Any]) -> None:
        """Leave the best weights of the latest chunk at `models/hgt_link_pred.pt`, with the row of their run."""
        if about["chunk"] != SINGLE_FIT:
            leave(home / "models" / WEIGHTS, state, about)


def _key(state: TorchState) -> tuple[str, ...]:
    """What prepared examples depend on."""
    names = ("node_types", "edge_types", "mean", "scale", "layers", *_SIZES)
    return str(state.device), *(str(state.params[name]) for name in names)


def _prepared(state: TorchState, examples: Links) -> LinkBatches:
    params, known = state.params, set(state.params["node_types"])
    return LinkBatches(
        [normalised(snapshot, params) for snapshot in examples.raw],
        {kind: steps for kind, steps in examples.transitions.items() if {kind[0], kind[2]} <= known},
        Size(*(params[name] for name in _SIZES)),
        params["layers"],
        state.device,
    )


def _encoder(state: TorchState) -> HGTEncoder:
    assert isinstance(state.network, HGTEncoder)
    return state.network


HGT = HGTLinks()
