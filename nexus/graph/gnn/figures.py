"""Figures of link prediction by edge type: the model's beside each simple rule's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from math import isnan

from nexus.db.graph import EdgeType
from nexus.graph.gnn.baselines import BASELINES
from nexus.graph.gnn.examples import Asked
from nexus.graph.gnn.gate import LEAST_EDGES, Score, pooled

MOST_STATIC = 8
"""Edge types with too few new edges that are named one by one."""


def name_of(edge_type: EdgeType) -> str:
    """As figures, explanations and verdicts call it."""
    return "-".join(edge_type)


def figures(marks: Iterable[tuple[Asked, Score]], edge_types: Iterable[EdgeType]) -> dict[str, float]:
    """AUC and average precision of new and of all edges, means over snapshots weighted by their edges.

    marks : questions, and the model's score of each; edge_types : those there are, asked about or not

    Named TYPE/new/auc, TYPE/new/auc/RULE, TYPE/all/ap and so on; TYPE/new/edges is how many new edges there are. NaN
    where an AUC does not exist.
    """
    found: dict[str, list[tuple[Score, Mapping[str, Score]]]] = {f"{name_of(kind)}/new": [] for kind in edge_types}
    for asked, score in marks:
        found.setdefault(f"{name_of(asked.edge_type)}/{asked.kind}", []).append((score, asked.rules))
    told: dict[str, float] = {}
    for name, rows in sorted(found.items()):
        told[f"{name}/edges"] = sum(score.positives for score, _ in rows)
        told[f"{name}/auc"], told[f"{name}/ap"] = pooled([score for score, _ in rows])
        for rule in BASELINES:
            told[f"{name}/auc/{rule}"], told[f"{name}/ap/{rule}"] = pooled([rules[rule] for _, rules in rows])
    return told


def lines(told: Mapping[str, float]) -> Iterator[str]:
    """One line per edge type and kind; where new edges are too few, that the AUC says nothing.

    Of more than MOST_STATIC such types in one line for all: the graph of a year has sixty.
    """
    names = [each.removesuffix("/edges") for each in told if each.endswith("/edges")]
    static = [name for name in names if name.endswith("/new") and told[f"{name}/edges"] < LEAST_EDGES]
    if len(static) > MOST_STATIC:
        most = max(told[f"{name}/edges"] for name in static)
        yield f"{len(static)} edge types: at most {most} new edges; the graph is static and the AUC says nothing"
        gone = {name.removesuffix("/new") for name in static}
        names = [name for name in names if name.rpartition("/")[0] not in gone]
    for name in names:
        edges, auc, ap = (told[f"{name}/{figure}"] for figure in ("edges", "auc", "ap"))
        if name in static:
            yield f"{name}: {edges} new edges; the graph is static and the AUC says nothing"
        elif isnan(auc):
            yield f"{name}: {edges} edges, and every pair is one; the AUC says nothing"
        else:
            rules = [f"{rule} {told[f'{name}/auc/{rule}']:.3f} {told[f'{name}/ap/{rule}']:.3f}" for rule in BASELINES]
            yield f"{name}: {edges} edges, {auc:.3f} {ap:.3f}; {', '.join(rules)}"
