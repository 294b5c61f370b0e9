"""What survivorship does to classical factors: members of the index as of each day against whoever has a price.

    NEXUS_DATA_DIR=... make demo && python research/survivorship.py

The pack's prices are of companies that were in the S&P 500 at some time *and* still listed in March 2024. Judged on
its members as of each day a factor sees part of the index; judged on `priced`, it also sees companies years before they
joined, picked by their later success. Both are evaluated through the ledger, so this study counts what it tries.
"""

from __future__ import annotations

from collections.abc import Sequence

import click
import numpy as np
from scipy import stats

from nexus.cli.output import database, say, table
from nexus.cli.progress import bar
from nexus.cli.run import run
from nexus.cli.signals import chosen_factors, horizons_option
from nexus.db.standing import verdicts
from nexus.settings import settings
from nexus.signals.evaluate import evaluate
from nexus.signals.judge import Judged
from nexus.signals.scores import PRICED

COLUMNS = ["factor", "horizon", "months", "IC members", "IC priced", "priced - members", "t of difference",
           "t members", "t priced", "names members", "names priced"]  # fmt: skip


@click.command()
@click.argument("names", nargs=-1)
@horizons_option
def main(names: tuple[str, ...], horizons: list[int]) -> None:
    """Compare factors NAMES (all, without one) on both universes, on the months that both have."""
    own, factors = database(), chosen_factors(names, None, None)
    found = []
    for universe in (settings().universe, PRICED):
        with bar(universe) as walk:
            found.append(evaluate(own, factors, horizons, universe=universe, progress=walk))
    rows = [
        compared(members.signal, ours.judged, theirs.judged)
        for members, priced in zip(*found, strict=True)
        for ours, theirs in zip(members.evaluations, priced.evaluations, strict=True)
    ]
    table([row for row in rows if row], COLUMNS)
    with own.read() as connection:
        standing = [verdict for verdict in verdicts(connection) if verdict.status == "approved"]
        m = max((verdict.m for verdict in verdicts(connection)), default=0)
    say(f"standing at M = {m}: {', '.join(verdict.signal for verdict in standing) or 'nothing'}")


def compared(name: str, members: Judged, priced: Judged) -> Sequence[object] | None:
    """Gate means on common dates, and the paired t of their difference; None with fewer than 12 of them."""
    dates, ours, theirs = np.intersect1d(members.gate_dates, priced.gate_dates, return_indices=True)
    if len(dates) < 12:
        return None
    x, y = members.gate_ic[ours], priced.gate_ic[theirs]
    paired = stats.ttest_rel(y, x)
    return (name, members.horizon, len(dates), float(x.mean()), float(y.mean()), float((y - x).mean()),
            float(paired.statistic), members.gate_t, priced.gate_t, members.names_mean, priced.names_mean)  # fmt: skip


if __name__ == "__main__":
    run(main)
