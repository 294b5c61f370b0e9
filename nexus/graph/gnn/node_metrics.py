"""Figures of the node task, date by date: how well order and label were told, beside what costs no training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nexus.graph.gnn.node_inputs import FEATURES, Nodes
from nexus.maths.confusion import Confusion
from nexus.maths.ic import rank_ic
from nexus.maths.ranking import auc
from nexus.maths.types import Bools, Floats

BASELINES = {"last_month": "return_21", "momentum": "return_252_21"}
"""Scores that cost nothing: last month's return, as if its order lasted, and the eleven months' before it."""


def date_metrics(nodes: Nodes, forward: Floats, label: Bools, score: Floats, said: Bools) -> dict[str, float]:
    """Of one date, over the companies that have a forward return.

    forward : (n,), NaN none; label, said : (n,); score : (n,)
    Rank IC, AUC, F1, Matthews correlation and the counts of the confusion; `up_f1` of who always says yes;
    rank IC, AUC, F1 and Matthews correlation of each of BASELINES, which says yes above its median.
    """
    told = np.isfinite(forward)
    forward, label = forward[told], label[told]
    counts = Confusion.of(label, said[told])
    found = _of(forward, label, score[told], said[told])
    found |= {"tp": counts.tp, "fp": counts.fp, "tn": counts.tn, "fn": counts.fn}
    found["up_f1"] = Confusion.of(label, np.ones(len(label), bool)).f1
    features = nodes.tensors.features["company"].double().numpy()[told]
    for name, feature in BASELINES.items():
        column = features[:, FEATURES.index(feature)]
        found |= {f"{name}_{key}": value for key, value in _of(forward, label, column, column > 0).items()}
    return found


def mean_of(dates: Sequence[dict[str, float]]) -> dict[str, float]:
    """Means over the dates that have a figure, counts summed; and how many dates there are."""
    found = {"dates": float(len(dates))}
    for name in dates[0] if dates else ():
        values = np.array([each[name] for each in dates], np.float64)
        values = values[np.isfinite(values)]
        if name in ("tp", "fp", "tn", "fn"):
            found[name] = float(values.sum())
        elif len(values):
            found[name] = float(values.mean())
    return found


def _of(forward: Floats, label: Bools, score: Floats, said: Bools) -> dict[str, float]:
    counts = Confusion.of(label, said)
    return {
        "rank_ic": float(rank_ic(score[None], forward[None])[0]),
        "auc": auc(label, score),
        "f1": counts.f1,
        "matthews": counts.matthews,
    }
