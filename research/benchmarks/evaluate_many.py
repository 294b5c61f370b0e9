"""1,000 noise factors x 3 horizons on 500 companies x 240 months, to a ledger, against the rank IC of the same alone.

    python research/benchmarks/evaluate_many.py

Ours is the whole path: every figure of docs/method.md, the comparison of all sketches, 3,000 rows and their block. The
peer computes nothing but the rank ICs, with DataFrame.corrwith on ranks. They must agree before the ratio is printed.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from time import perf_counter

import numpy as np
import pandas as pd
from harness import interleaved, peak_rss_gib, report
from store import throw_away

from nexus.db.engine import Database
from nexus.maths.calendar import month_ends
from nexus.maths.types import Floats
from nexus.signals.evaluate import evaluate_scores
from nexus.signals.ground import Ground
from nexus.signals.labels import Labels, labels
from nexus.signals.sweep import Scored
from nexus.signals.trial import Judgement

FACTORS, COMPANIES, MONTHS, HORIZONS = 1_000, 500, 240, (21, 63, 126)


def market() -> Labels:
    """Forward returns of random walks on 240 months of weekdays, with enough days after them for every horizon."""
    random = np.random.default_rng(0)
    days = np.busday_offset("2000-01-03", np.arange(5_400), roll="forward")
    rows = np.searchsorted(days, month_ends(days, days[-1]))[:MONTHS]
    wealth = np.exp(np.cumsum(0.02 * random.standard_normal((len(days), COMPANIES)), axis=0))
    members = np.ones((MONTHS, COMPANIES), bool)
    return labels(wealth, days, rows, np.arange(1, COMPANIES + 1), members, HORIZONS)


def noise() -> list[np.ndarray]:
    """Scores in single precision, to keep a gigabyte from either side's account."""
    random = np.random.default_rng(1)
    return [random.standard_normal((MONTHS, COMPANIES), np.float32) for _ in range(FACTORS)]


def sweep(database: Database, ground: Ground, scores: list[np.ndarray]) -> list[Judgement]:
    """Evaluate and append."""

    def named() -> Iterator[Scored]:
        for number, values in enumerate(scores):
            name = f"noise_{number:04d}"
            yield Scored(name, name, "1", f"code of {name}", "none", "none", "A", values.astype(np.float64))

    return evaluate_scores(database, ground, named(), HORIZONS)


def peer(made: Labels, scores: list[np.ndarray]) -> list[Floats]:
    """(horizons, months) of rank ICs for each factor."""
    forward = [pd.DataFrame(made.forward[horizon].returns) for horizon in HORIZONS]
    found = []
    for values in scores:
        score = pd.DataFrame(values.astype(np.float64))
        found.append(np.array([score.rank(axis=1).corrwith(f.rank(axis=1), axis=1) for f in forward]))
    return found


def main() -> None:
    made, scores = market(), noise()
    universes = iter(f"BENCH{turn}" for turn in range(9))
    ours: list[list[Judgement]] = []
    theirs: list[list[Floats]] = []
    with throw_away() as database:

        def ground() -> Ground:
            return Ground(next(universes), "monthly", made, 1, datetime(2026, 1, 1, tzinfo=UTC), "arrays")

        def timed_ours() -> float:
            start = perf_counter()
            ours.append(sweep(database, ground(), scores))
            return perf_counter() - start

        def timed_peer() -> float:
            start = perf_counter()
            theirs.append(peer(made, scores))
            return perf_counter() - start

        sweep(database, ground(), scores[:2])
        first = timed_ours()
        peak = peak_rss_gib()
        again, best_peer = interleaved(timed_ours, timed_peer, repeats=1, peer_repeats=1)
    for judgement, ics in zip(ours[-1], theirs[-1], strict=True):
        for evaluation, ic in zip(judgement.evaluations, ics, strict=True):
            np.testing.assert_allclose(evaluation.judged.ic, ic, atol=1e-12)
            assert evaluation.look_no == 1
    report("evaluate_many", min(first, again), best_peer, 3, "DataFrame.corrwith on ranks", peak)


if __name__ == "__main__":
    main()
