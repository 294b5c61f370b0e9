"""The drift of HGT embeddings as a signal: the customary report, and beside it what can honestly be said.

    nexus graph snapshots && python -m nexus.graph.backfill && python research/phase9_gnn_drift_backtest.py

Customary is the plain t of the overlapping IC. Honest is the calendar-time t, what could have been found, who was there
to be judged, and the verdict; once with all dates, and once without those whose two months were first told by new
weights. Both are evaluations like any other: appended to the ledger and counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click
import numpy as np
from scipy import stats

from nexus.cli.output import database, say, table
from nexus.cli.run import run
from nexus.cli.signals import horizons_option, print_registry, universe_option, verdict_line
from nexus.db.engine import Database
from nexus.db.extent import inputs_extent
from nexus.maths.hlz import threshold
from nexus.signals.evaluate import evaluate
from nexus.signals.factors.graph_based import GNN_EMBEDDING_DRIFT, same_weights
from nexus.signals.registry import register
from nexus.signals.trial import Evaluation, Judgement

IC = 0.03
"""The effect whose chance to be found is printed."""
CUSTOMARY = ["dates", "horizon", "N", "mean IC", "t", "HLZ at M", "passes"]
HONEST = ["dates", "horizon", "gate N", "gate IC", "gate t", "p", "HLZ at M", "passes", "detectable IC",
          f"power at {IC}", "names", "coverage", "look"]  # fmt: skip
ALL, WITHIN = "all", "no refit"


@click.command()
@horizons_option
@universe_option
@click.option("--database", "name", help="Another database beside the configured one, as `nexus_simulated`.")
@click.option("--register", "registers", is_flag=True, help="Publish both signals in the registry.")
def main(horizons: list[int], universe: str | None, name: str | None, registers: bool) -> None:
    """Print the reports of the drift factor and what the ledger concludes."""
    own = database() if name is None else database().sibling(name)
    inputs_extent(own, GNN_EMBEDDING_DRIFT.inputs)
    judged = {
        ALL: evaluate(own, [GNN_EMBEDDING_DRIFT], horizons, universe=universe)[0],
        WITHIN: evaluate(own, [GNN_EMBEDDING_DRIFT], horizons, universe=universe, condition=same_weights)[0],
    }
    report(judged)
    if registers:
        published(own, horizons, universe)


def report(judged: dict[str, Judgement]) -> None:
    """Print both tables, the share of dates at a refit, and the verdicts."""
    rows = [(which, one, evaluation) for which, one in judged.items() for evaluation in one.evaluations]
    say("\nThe customary report: overlapping windows, as if they were independent")
    table([customary(*row) for row in rows], CUSTOMARY, False)
    say("\nThe honest one: calendar time, what could have been found, on whom")
    table([honest(*row) for row in rows], HONEST, False)
    say("")
    say(refits(judged))
    for which, one in judged.items():
        say(f"{which}: {verdict_line(one)}")


def customary(which: str, judgement: Judgement, evaluation: Evaluation) -> tuple[Any, ...]:
    """A line under CUSTOMARY."""
    j = evaluation.judged
    bar = threshold(j.n, judgement.m) if j.n > 1 else None
    return which, j.horizon, j.n, j.ic_mean, j.t_plain, bar, _above(j.t_plain, bar)


def honest(which: str, judgement: Judgement, evaluation: Evaluation) -> tuple[Any, ...]:
    """A line under HONEST."""
    j = evaluation.judged
    bar = threshold(j.gate_n, judgement.m) if j.gate_n > 1 else None
    figures = (j.gate_n, j.gate_mean, j.gate_t, j.gate_p, bar, _above(j.gate_t, bar), evaluation.detectable_ic)
    power = chance(j.gate_n, j.gate_sd, judgement.m)
    return which, j.horizon, *figures, power, j.names_mean, j.coverage_mean, evaluation.look_no


def chance(n: int, sd: float | None, m: int, ic: float = IC) -> float | None:
    """Chance that a true mean IC passes the gate among m trials: Student's t, off centre."""
    if n < 2 or not sd:
        return None
    bar, off_centre = threshold(n, m), ic / sd * np.sqrt(n)
    return float(stats.nct.sf(bar, n - 1, off_centre) + stats.nct.cdf(-bar, n - 1, off_centre))


def refits(judged: dict[str, Judgement]) -> str:
    """How many dates compare months that only the newest weights have both seen."""
    every, within = (set(one.evaluations[0].judged.dates.tolist()) for one in (judged[ALL], judged[WITHIN]))
    share = len(every - within) / max(len(every), 1)
    return f"pairs at a refit: {len(every - within)} of {len(every)} dates, {share:.1%}"


def published(own: Database, horizons: Sequence[int], universe: str | None) -> None:
    """Register both signals, and print their rows."""
    both = [
        register(own, [GNN_EMBEDDING_DRIFT], horizons, universe=universe, condition=condition)[0].signal
        for condition in (None, same_weights)
    ]
    print_registry(both, False)


def _above(t: float | None, bar: float | None) -> bool | None:
    return None if t is None or bar is None else abs(t) > bar


if __name__ == "__main__":
    run(main)
