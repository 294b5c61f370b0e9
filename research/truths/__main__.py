"""Does the method tell planted truths from noise? The table of truths, judged over seeded markets.

    python -m research.truths [--full] [--seeds N] [--sweeps N] [--rows P1,D,N]

Prints what must hold, what was measured and whether it holds; the status is 1 where a row does not. Every row has a
ledger of its own: M = 400, but for N, whose own tests are more. P5 and P6 are judged in databases of their own beside
the configured one, dropped when done; the other rows need none.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import pandas as pd

from nexus.db.engine import Database
from research.truths import ledgers, noise
from research.truths.rows import ROWS, Case, Figures, Outcome

PROCESSES = 2
ORDER = ("P1", "P2", "P3", "P4", "P5", "P6", "D", "R", "N", "B", "S")
QUICK, FULL = (10, 1), (200, 4)
"""Markets, and sweeps of noise."""
LEDGERS = 5
"""Markets of which P5 and P6 are asked at most: nothing there depends on luck."""


def main(arguments: Sequence[str]) -> int:
    """Judge the rows that were asked for."""
    parser = argparse.ArgumentParser(prog="python -m research.truths", description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help="as many seeds as docs/method.md reports")
    parser.add_argument("--seeds", type=int, help=f"markets; default {QUICK[0]}, full {FULL[0]}")
    parser.add_argument("--sweeps", type=int, help=f"sweeps of 1,000 noise factors; default {QUICK[1]}, full {FULL[1]}")
    parser.add_argument("--rows", default=",".join(ORDER), help="comma-separated; default all")
    chosen = parser.parse_args(arguments)
    rows = [row.strip() for row in chosen.rows.split(",")]
    unknown = [row for row in rows if row not in ORDER]
    if unknown:
        parser.error(f"no row {', '.join(unknown)}; there are {', '.join(ORDER)}")
    seeds, sweeps = FULL if chosen.full else QUICK
    held = [
        _print(*line)
        for line in judged([row for row in ORDER if row in rows], chosen.seeds or seeds, chosen.sweeps or sweeps)
    ]
    return int(not all(held))


def judged(rows: Sequence[str], seeds: int, sweeps: int) -> Iterator[tuple[str, str, int, Outcome]]:
    """Row, what must hold, seeds, outcome; those of one market first, then the ledgers', then N and its table."""
    with ProcessPoolExecutor(PROCESSES) as pool:
        alone = [row for row in rows if row in ROWS]
        figures = list(pool.map(partial(measure, alone), range(seeds))) if alone else []
        for row in alone:
            yield row, ROWS[row].must, seeds, ROWS[row].conclude(pd.DataFrame([each[row] for each in figures]))
        yield from _in_ledgers([row for row in rows if row in ledgers.ROWS], min(seeds, LEDGERS))
        if "N" in rows:
            found = pd.concat(pool.map(sweep, range(sweeps)), ignore_index=True)
            yield "N", noise.MUST, sweeps, noise.outcome(found)
            print(f"\n{noise.table(found)}")


def measure(rows: Sequence[str], seed: int) -> dict[str, Figures]:
    """Figures of rows on one market."""
    case = Case.of(seed)
    return {row: ROWS[row].measure(case) for row in rows}


def sweep(seed: int) -> pd.DataFrame:
    """A sweep of noise on one market."""
    return noise.sweep(Case.of(seed))


def _in_ledgers(rows: Sequence[str], seeds: int) -> Iterator[tuple[str, str, int, Outcome]]:
    if not rows:
        return
    with ledgers.template(Database.configured()) as empty:
        for row in rows:
            found = []
            for seed in range(seeds):
                with ledgers.fresh(empty) as database:
                    found.append(ledgers.ROWS[row].measure(Case.of(seed), database))
            yield row, ledgers.ROWS[row].must, seeds, ledgers.ROWS[row].conclude(pd.DataFrame(found))


def _print(row: str, must: str, seeds: int, outcome: Outcome) -> bool:
    print(f"{row:<4}{'holds' if outcome.holds else 'FAILS':<7}{seeds:>4}  {must}: {outcome.measured}", flush=True)
    return outcome.holds


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
