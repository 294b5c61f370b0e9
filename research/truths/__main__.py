"""Does the method tell planted truths from noise? The table of truths, judged over seeded markets.

    python -m research.truths [--full] [--seeds N] [--sweeps N] [--rows P1,D,N]

Prints what must hold, what was measured and whether it holds; the status is 1 where a row does not. Every row has a
ledger of its own: M = 400, but for N, whose own tests are more. P5 and P6 are judged in databases of their own beside
the configured one, dropped when done; the other rows need none.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from typing import TypeVar

import pandas as pd

from nexus.db.engine import Database
from research.truths import ledgers, noise
from research.truths.rows import ROWS, Case, Outcome, measure

PROCESSES = 2
ORDER = ("P1", "P2", "P3", "P4", "P5", "P6", "D", "R", "N", "B", "S")
QUICK, FULL = (10, 1), (200, 4)
"""Markets, and sweeps of noise."""
LEDGERS = 5
"""Markets of which P5 and P6 are asked at most: nothing there depends on luck."""
T = TypeVar("T")


@dataclass(frozen=True)
class Line:
    """A row of the table that is printed."""

    row: str
    must: str
    seeds: int
    outcome: Outcome

    def __str__(self) -> str:
        holds = "holds" if self.outcome.holds else "FAILS"
        return f"{self.row:<4}{holds:<7}{self.seeds:>4}  {self.must}: {self.outcome.measured}"


def main(arguments: Sequence[str]) -> int:
    """Judge the rows that were asked for."""
    parser = argparse.ArgumentParser(prog="python -m research.truths", description="The table of truths, measured.")
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
    holds = True
    for line in judged(rows, chosen.seeds or seeds, chosen.sweeps or sweeps):
        print(line, flush=True)
        holds = holds and line.outcome.holds
    return 0 if holds else 1


def judged(rows: Sequence[str], seeds: int, sweeps: int) -> Iterator[Line]:
    """Lines of rows, those that need arrays only first, then the ledgers', then N, after which its table is printed."""
    with ProcessPoolExecutor(PROCESSES, get_context("spawn")) as pool:
        alone = [row for row in ROWS if row in rows]
        if alone:
            figures = _all(pool, partial(measure, alone), seeds, "markets")
            for row in alone:
                found = pd.DataFrame([each[row] for each in figures])
                yield Line(row, ROWS[row].must, seeds, ROWS[row].conclude(found))
        yield from _in_ledgers([row for row in ledgers.ROWS if row in rows], min(seeds, LEDGERS))
        if "N" in rows:
            found = pd.concat(_all(pool, noise.of_seed, sweeps, "sweeps of noise"), ignore_index=True)
            yield Line("N", noise.MUST, sweeps, noise.outcome(found))
            print(f"\n{noise.table(found)}")


def _all(pool: ProcessPoolExecutor, work: Callable[[int], T], seeds: int, what: str) -> list[T]:
    """The work of each seed, with a count on a terminal."""
    done = []
    for result in pool.map(work, range(seeds)):
        done.append(result)
        if sys.stderr.isatty():
            print(
                f"\r{len(done)} of {seeds} {what}", end="\r" if len(done) == seeds else "", file=sys.stderr, flush=True
            )
    return done


def _in_ledgers(rows: Sequence[str], seeds: int) -> Iterator[Line]:
    if not rows:
        return
    with ledgers.template(Database.configured()) as empty:
        for row in rows:
            found = []
            for seed in range(seeds):
                with ledgers.fresh(empty) as database:
                    found.append(ledgers.ROWS[row].measure(Case.of(seed), database))
            yield Line(row, ledgers.ROWS[row].must, seeds, ledgers.ROWS[row].conclude(pd.DataFrame(found)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
