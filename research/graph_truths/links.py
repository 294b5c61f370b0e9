"""The gate of link prediction on graphs of which it is known what can be known of their new edges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import pandas as pd

from nexus.contract.fit import fit
from nexus.contract.params import settled
from nexus.contract.torch import TorchState
from nexus.db.graph import Graph
from nexus.graph.gnn.examples import Links
from nexus.graph.gnn.gate import LinkVerdict, Score, verdict
from nexus.graph.gnn.trainer import HGT
from nexus.ingest.simulate.economy import economy
from nexus.ingest.simulate.wiring import Wiring
from research.graph_truths.graphs import SUPPLIES, graphs
from research.truths.rows import Figures, Outcome, Row, share

SETTLED = 6
"""Months until the ties of the first day are known."""


@dataclass(frozen=True)
class Size:
    """Of the market, of the training and of its parts, in months; between two parts a month is left out."""

    sessions: int = 1500
    listed: int = 300
    epochs: int = 60
    validation: int = 6
    test: int = 18


def gate(seed: int, wiring: Wiring, size: Size) -> LinkVerdict:
    """Train on the earlier months of a market, judge the new supply edges of the last ones."""
    world = economy(seed, size.sessions, size.listed, wiring=wiring)
    known = graphs(world, range(SETTLED, len(world.time.months)))
    test = len(known) - size.test - 1
    validation = test - size.validation - 2
    params = settled(HGT, {"epochs": size.epochs, "patience": size.epochs, "report_every": size.epochs})
    train, tried = Links(tuple(known[: validation - 1])), _part(known, validation, test - 1)
    found = fit(HGT, train, tried, {**params, "seed": seed})
    return judged(found.state, _part(known, test, len(known)))


def judged(state: TorchState, examples: Links) -> LinkVerdict:
    """The gate's verdict on the supply edges of some months."""
    marks = [
        (score, asked.rules)
        for asked, score in HGT.marks(state, examples)
        if asked.kind == "new" and asked.edge_type == SUPPLIES
    ]
    rules: dict[str, list[Score]] = {
        name: [found[name] for _, found in marks] for name in (marks[0][1] if marks else ())
    }
    return verdict(SUPPLIES, [score for score, _ in marks], rules)


def _part(known: Sequence[Graph], first: int, end: int) -> Links:
    """Transitions of a part, and what was known before it."""
    return Links(tuple(known[first:end]), tuple(known[:first]))


def measure(wiring: Wiring, seed: int, size: Size) -> Figures:
    """What the gate says, and on how much."""
    found = gate(seed, wiring, size)
    return {
        **{word: found.verdict == word for word in ("pass", "fail", "undecidable")},
        "auc": found.auc, "rule": found.baseline_auc, "edges": found.n_new,
    }  # fmt: skip


def _must(word: str, found: pd.DataFrame) -> Outcome:
    said = share(found[word].astype(bool))
    edges = f"{found['edges'].mean():.0f} new edges"
    text = f"{edges}, AUC {found['auc'].mean():.3f}, best rule {found['rule'].mean():.3f}; {word} in {said}"
    return Outcome(text, said.at_least(0.95))


ROWS: Mapping[str, Row] = {
    "affinity": Row("pass the gate", partial(measure, "affinity"), partial(_must, "pass")),
    "random": Row("be refused by the gate", partial(measure, "random"), partial(_must, "fail")),
    "static": Row("be called undecidable", partial(measure, "static"), partial(_must, "undecidable")),
}
