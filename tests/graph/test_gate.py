"""The gate of link prediction: a seer passes, chance fails, a static graph decides nothing."""

from __future__ import annotations

import numpy as np
import pytest
from graph.link_graphs import HOLDS, SUPPLY, random_graphs
from scipy.stats import bootstrap

from nexus.graph.gnn.baselines import History, baselines
from nexus.graph.gnn.gate import Score, difference_interval, mark, pooled, verdict
from nexus.graph.gnn.links import transitions
from nexus.graph.gnn.negatives import question
from nexus.maths.ranking import auc


def judged(graphs, edge_type, model):
    """Verdict of `model(label, random) -> scores` on every transition."""
    random, history = np.random.default_rng(0), History()
    scores, rules = [], {}
    for step in transitions(graphs, edge_type):
        history.see(step.before)
        asked = question(step, "new")
        scores.append(mark(step.before.day, asked, model(asked.label, random)))
        for name, values in baselines(step, history, asked.src, asked.dst).items():
            rules.setdefault(name, []).append(mark(step.before.day, asked, values))
    return verdict(edge_type, scores, rules)


CHANGING = random_graphs(1, 14, companies=40)
STATIC = random_graphs(2, 14, churn=0.0)


def test_a_model_that_sees_the_edges_passes():
    found = judged(CHANGING, SUPPLY, lambda label, random: label + 0.8 * random.standard_normal(len(label)))
    assert found.verdict == "pass" and found.auc > 0.7 and found.interval[0] > 0
    assert found.sentence.startswith("company-supplies-company: pass: AUC 0.")


def test_a_model_that_guesses_fails_and_is_told_why():
    found = judged(CHANGING, SUPPLY, lambda label, random: random.standard_normal(len(label)))
    assert found.verdict == "fail" and "AUC below 0.60" in found.sentence and "not above" in found.sentence


def test_a_model_no_better_than_the_best_rule_fails_whatever_its_auc():
    scores = [Score(np.datetime64(f"2020-{month:02d}-28"), 20, 0.9, 0.5) for month in range(1, 13)]
    found = verdict(HOLDS, scores, {"degree_product": scores, "age": [Score(s.day, 20, 0.5, 0.1) for s in scores]})
    assert found.verdict == "fail" and found.baseline == "degree_product" and found.interval == (0.0, 0.0)
    assert "AUC below" not in found.sentence


def test_a_static_graph_is_undecidable_and_nobody_passes():
    found = judged(STATIC, HOLDS, lambda label, random: label.astype(float))
    assert found.verdict == "undecidable" and found.n_new < 50
    assert found.sentence.endswith(f": {found.n_new} new edges; the graph is static and the AUC says nothing")


def test_many_edges_in_few_snapshots_are_undecidable():
    scores = [Score(np.datetime64(f"2020-0{month}-28"), 100, 0.9, 0.5) for month in range(1, 6)]
    found = verdict(HOLDS, scores, {"age": [Score(s.day, 100, 0.5, 0.1) for s in scores]})
    assert found.verdict == "undecidable" and "500 new edges lie in 5 snapshots; an interval needs 6" in found.sentence


def test_persistence_is_even_odds_on_new_edges():
    step = transitions(CHANGING, SUPPLY)[0]
    asked = question(step, "new")
    values = baselines(step, History.of([step.before]), asked.src, asked.dst)["persistence"]
    assert mark(step.before.day, asked, values).auc == 0.5


def test_the_interval_is_that_of_scipy():
    random = np.random.default_rng(3)
    difference, weight = random.normal(0.05, 0.1, 24), random.integers(1, 60, 24).astype(float)
    low, high = difference_interval(difference, weight)
    oracle = bootstrap(
        (difference, weight), lambda d, w, axis=-1: (d * w).sum(axis=axis) / w.sum(axis=axis), paired=True,
        n_resamples=20_000, method="percentile", rng=np.random.default_rng(1),
    ).confidence_interval  # fmt: skip
    assert (low, high) == pytest.approx(oracle, abs=0.004)


def test_snapshots_without_new_edges_do_not_count():
    scores = [Score(np.datetime64("2020-01-28"), 0, np.nan, np.nan), Score(np.datetime64("2020-02-28"), 30, 0.7, 0.4)]
    assert pooled(scores) == (0.7, 0.4)
    assert all(np.isnan(pooled(scores[:1])))


def test_noise_passes_rarely():
    # 200 models that know nothing, on 24 snapshots of 30 new edges: the interval alone would let 2.5 % by, AUC .60 less
    random, passed = np.random.default_rng(5), 0
    label = np.arange(330) < 30
    for _ in range(200):
        own, rule = ([auc(label, random.standard_normal(330)) for _ in range(24)] for _ in range(2))
        days = np.datetime64("2020-01-01") + np.arange(24)
        made = [[Score(day, 30, a, 0.1) for day, a in zip(days, side, strict=True)] for side in (own, rule)]
        passed += verdict(HOLDS, made[0], {"age": made[1]}).verdict == "pass"
    assert passed == 0


def twelve(edges: int, auc: float, rule: float) -> tuple[list[Score], list[Score]]:
    """A model's and a rule's scores of twelve snapshots, the new edges all but alike."""
    days = [np.datetime64(f"2020-{month:02d}-28") for month in range(1, 13)]
    positives = [edges // 12 + (place < edges % 12) for place in range(12)]
    return tuple([Score(*one, value, 0.5) for one in zip(days, positives, strict=True)] for value in (auc, rule))  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("edges", "auc", "rule", "expected"),
    [(49, 0.9, 0.5, "undecidable"), (50, 0.9, 0.5, "pass"), (50, 0.601, 0.5, "pass"), (50, 0.599, 0.5, "fail"),
     (50, 0.9, 0.899, "pass"), (50, 0.9, 0.9, "fail")],
)  # fmt: skip
def test_the_bounds_are_those_of_the_method(edges, auc, rule, expected):
    model, other = twelve(edges, auc, rule)
    assert verdict(HOLDS, model, {"age": other}).verdict == expected
