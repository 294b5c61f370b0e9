"""Whether a link predictor knows more than the best simple rule about edges that did not exist."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from nexus.db.graph import EdgeType
from nexus.graph.gnn.negatives import Question
from nexus.maths.ranking import auc, average_precision
from nexus.maths.types import Floats

LEAST_AUC = 0.60
LEAST_EDGES = 50
LEAST_SNAPSHOTS = 6
"""Fewer that all agree are no interval: six coins fall alike in 3 % of throws, five in 6 %."""
DRAWS = 2000
LEVEL = 0.95


@dataclass(frozen=True)
class Score:
    """How one model did on one question of one snapshot; NaN where there is no edge or no pair against it."""

    day: np.datetime64
    positives: int
    auc: float
    ap: float


@dataclass(frozen=True)
class LinkVerdict:
    """What the new edges of test snapshots say of one edge type.

    auc, ap, baseline_auc : means over snapshots, weighted by their new edges; NaN where there are none
    baseline : the one with the highest AUC on the same test edges, which favours the baselines
    interval : 95 % of auc - baseline_auc, bootstrap over snapshots
    """

    edge_type: EdgeType
    verdict: Literal["pass", "fail", "undecidable"]
    n_new: int
    n_snapshots: int
    auc: float
    ap: float
    baseline: str
    baseline_auc: float
    interval: tuple[float, float]

    @property
    def sentence(self) -> str:
        """The verdict in words."""
        name = "-".join(self.edge_type)
        if self.n_new < LEAST_EDGES:
            return f"{name}: undecidable: {self.n_new} new edges; the graph is static and the AUC says nothing"
        if self.verdict == "undecidable":
            return (
                f"{name}: undecidable: {self.n_new} new edges lie in {self.n_snapshots} snapshots; "
                f"an interval needs {LEAST_SNAPSHOTS}"
            )
        why = [] if self.auc >= LEAST_AUC else [f"AUC below {LEAST_AUC:.2f}"]
        why += [] if self.interval[0] > 0 else ["not above the best baseline"]
        return (
            f"{name}: {self.verdict}: AUC {self.auc:.3f} on {self.n_new} new edges of {self.n_snapshots} snapshots, "
            f"{self.baseline} {self.baseline_auc:.3f}, difference {self.interval[0]:+.3f} to {self.interval[1]:+.3f}"
            + (f" ({', '.join(why)})" if why else "")
        )


def mark(day: np.datetime64, asked: Question, score: Floats) -> Score:
    """AUC and average precision of the scores given to a question."""
    return Score(day, asked.positives, auc(asked.label, score), average_precision(asked.label, score))


def pooled(scores: Sequence[Score]) -> tuple[float, float]:
    """Mean AUC and average precision over snapshots, weighted by their edges; NaN where there are none."""
    kept = [score for score in scores if np.isfinite(score.auc)]
    if not kept:
        return np.nan, np.nan
    weight = [score.positives for score in kept]
    return float(np.average([s.auc for s in kept], weights=weight)), float(
        np.average([s.ap for s in kept], weights=weight)
    )


def verdict(
    edge_type: EdgeType, model: Sequence[Score], rules: Mapping[str, Sequence[Score]], seed: int = 0
) -> LinkVerdict:
    """Judge a model by the new edges of its test snapshots.

    model : one score per test snapshot; rules : the same of each baseline, same snapshots in the same order
    """
    n_new = sum(score.positives for score in model)
    kept = [i for i, score in enumerate(model) if np.isfinite(score.auc)]
    means = {name: pooled(scores)[0] for name, scores in rules.items()}
    best = max(means, key=lambda name: (np.nan_to_num(means[name], nan=-1.0), name), default="")
    model_auc, model_ap = pooled(model)
    interval = (np.nan, np.nan)
    if kept:
        interval = difference_interval(
            np.array([model[i].auc - rules[best][i].auc for i in kept]),
            np.array([model[i].positives for i in kept], float), seed,
        )  # fmt: skip
    decided: Literal["pass", "fail", "undecidable"]
    if n_new < LEAST_EDGES or len(kept) < LEAST_SNAPSHOTS:
        decided = "undecidable"
    else:
        decided = "pass" if model_auc >= LEAST_AUC and interval[0] > 0 else "fail"
    return LinkVerdict(
        edge_type, decided, n_new, len(kept), model_auc, model_ap, best, means.get(best, np.nan), interval
    )


def difference_interval(difference: Floats, weight: Floats, seed: int = 0) -> tuple[float, float]:
    """95 % interval of the weighted mean: percentiles over snapshots drawn with replacement.

    difference, weight : (n_snapshots,)
    """
    drawn = np.random.default_rng(seed).integers(0, len(difference), (DRAWS, len(difference)))
    means = (difference * weight)[drawn].sum(axis=1) / weight[drawn].sum(axis=1)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
