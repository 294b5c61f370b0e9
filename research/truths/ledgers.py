"""The rows P5 and P6: what a real ledger makes of one score in many clothes, and of its near-duplicates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from uuid import uuid4

import pandas as pd

from nexus.db import admin, ledger
from nexus.db.engine import Database
from nexus.ingest.simulate import disguises, variants
from nexus.ingest.simulate.truths import HORIZONS
from nexus.maths.types import Floats
from nexus.signals.evaluate import evaluate_scores
from nexus.signals.ground import Ground
from nexus.signals.sweep import Scored
from nexus.signals.trial import Judgement
from research.truths.rows import Case, Figures, Outcome, Row, share

ORIGINAL = "P1"
VARIANTS = 20


@contextmanager
def template(server: Database) -> Iterator[Database]:
    """An empty, migrated database beside `server`, dropped afterwards."""
    made = admin.ready(server.sibling(_name()))
    try:
        yield made
    finally:
        admin.drop(made)


@contextmanager
def fresh(template: Database) -> Iterator[Database]:
    """A ledger in which nothing was ever tried, dropped afterwards."""
    made = admin.clone(template, _name())
    try:
        yield made
    finally:
        admin.drop(made)


def _name() -> str:
    return f"nexus_truths_{uuid4().hex[:12]}"


def one_hypothesis(case: Case, database: Database) -> Figures:
    """P5: the original, then its disguises, each evaluated by itself."""
    original = case.market.scores[ORIGINAL]
    first, *others = counted(case, {ORIGINAL: original, **disguises(original)}, database)
    return {
        "same": all(
            evaluation.same_as == ORIGINAL and evaluation.look_no is None
            for judgement in others
            for evaluation in judgement.evaluations
        ),
        "verdict": all(_standing(judgement) == _standing(first) for judgement in others),
        "looks": looks(database),
    }


def near_duplicates(case: Case, database: Database) -> Figures:
    """P6: the original, then its variants, each evaluated by itself."""
    original = case.market.scores[ORIGINAL]
    drawn = variants(case.market.seed, original, VARIANTS)
    named = {f"variant {number}": scores for number, scores in enumerate(drawn)}
    _, *others = counted(case, {ORIGINAL: original, **named}, database)
    evaluations = [evaluation for judgement in others for evaluation in judgement.evaluations]
    return {
        "named": all(evaluation.near and evaluation.near[0].signal == ORIGINAL for evaluation in evaluations),
        "other": all(evaluation.same_as is None for evaluation in evaluations),
        "looks": looks(database),
    }


def counted(case: Case, scores: Mapping[str, Floats], database: Database) -> list[Judgement]:
    """Evaluate scores one after another, each in a statement of its own."""
    ground = Ground("SIMULATED", "monthly", case.labels, 1, datetime.now(UTC), f"truths, seed {case.market.seed}")
    return [evaluate_scores(database, ground, [scored(name, x)], HORIZONS)[0] for name, x in scores.items()]


def scored(name: str, scores: Floats) -> Scored:
    """Scores that claim to be a factor of this name, with code of its own."""
    return Scored(name, name, "1", f"code of {name}", "none", "none", "A", scores)


def looks(database: Database) -> int:
    """What the ledger has counted."""
    with database.read() as connection:
        return ledger.looks(connection)


def _standing(judgement: Judgement) -> tuple[str, str] | None:
    return None if judgement.verdict is None else (judgement.verdict.verdict, judgement.verdict.status)


def _p5(found: pd.DataFrame) -> Outcome:
    one = share((found["same"] == 1) & (found["verdict"] == 1) & (found["looks"] == len(HORIZONS)))
    return Outcome(f"four disguises are the first hypothesis, with its verdict and looks, in {one}", one.hits == one.n)


def _p6(found: pd.DataFrame) -> Outcome:
    wanted = (1 + VARIANTS) * len(HORIZONS)
    both = share((found["named"] == 1) & (found["other"] == 1) & (found["looks"] == wanted))
    return Outcome(f"{VARIANTS} variants name P1 and are counted {VARIANTS} in {both}", both.hits == both.n)


ROWS: Mapping[str, Row] = {
    "P5": Row("be one hypothesis", one_hypothesis, _p5),
    "P6": Row("be named near-duplicates, counted 20", near_duplicates, _p6),
}
