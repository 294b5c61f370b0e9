"""Does the method tell what is planted on graphs from what is not? The table of graph truths, over seeded markets.

    python -m research.graph_truths [--full] [--seeds N] [--rows neighbours,rewired,affinity]

Prints what must hold, what was measured and whether it holds; the status is 1 where a row does not. Rows of scores are
asked of whole markets of 239 months; those of the gate train an HGT on each, and those of the role-aware transformer
build a small market in a database of its own beside the configured one, dropped when done: minutes each, so that they
are asked only by --full or by name.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence

import pandas as pd

from nexus.db.engine import Database
from research.graph_truths import links, roles, rows
from research.truths import ledgers
from research.truths.rows import Figures, Row

ALL = {**rows.ROWS, **links.ROWS, **roles.ROWS}
QUICK, FULL = 2, {"rows": 40, "links": 4, "roles": 2}
"""Markets; of each kind of row: scores, the gate, the role-aware transformer."""
MARKETS = "on {rows} markets, those of the gate on {links} and those of the role-aware transformer on {roles}"
CHEAP = ("neighbours", "rewired", "reversed", "unknown", "centrality")


def main(arguments: Sequence[str]) -> int:
    """Judge the rows that were asked for."""
    parser = argparse.ArgumentParser(prog="python -m research.graph_truths", description="Graph truths, measured.")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help=f"the cheap rows on {QUICK} markets: the default")
    size.add_argument("--full", action="store_true", help=f"every row, {MARKETS.format(**FULL)}")
    parser.add_argument("--seeds", type=int, help="markets of each row")
    parser.add_argument("--rows", help=f"comma-separated, of {', '.join(ALL)}")
    chosen = parser.parse_args(arguments)
    wanted = chosen.rows.split(",") if chosen.rows else list(ALL if chosen.full else CHEAP)
    unknown = [row for row in wanted if row not in ALL]
    if unknown:
        parser.error(f"no row {', '.join(unknown)}; there are {', '.join(ALL)}")
    holds = True
    for name, row, figures in judged(wanted, chosen.seeds, chosen.full):
        outcome = row.conclude(pd.DataFrame(figures))
        told = "holds" if outcome.holds else "FAILS"
        print(f"{name:<12}{told:<7}{len(figures):>4}  {row.must}: {outcome.measured}", flush=True)
        holds = holds and outcome.holds
    return 0 if holds else 1


def judged(wanted: Sequence[str], seeds: int | None, full: bool) -> Iterator[tuple[str, Row, list[Figures]]]:
    """Each row with its figures, those of scores first."""
    scored = [row for row in rows.ROWS if row in wanted]
    count = seeds or (FULL["rows"] if full else QUICK)
    if scored:
        figures = [rows.measure(scored, seed) for seed in range(count)]
        yield from ((row, ALL[row], [each[row] for each in figures]) for row in scored)
    for row in (row for row in links.ROWS if row in wanted):
        count = seeds or (FULL["links"] if full else 1)
        yield row, ALL[row], [ALL[row].measure(seed, links.Size()) for seed in range(count)]
    yield from _in_databases([row for row in roles.ROWS if row in wanted], seeds or (FULL["roles"] if full else 1))


def _in_databases(wanted: Sequence[str], seeds: int) -> Iterator[tuple[str, Row, list[Figures]]]:
    if not wanted:
        return
    with ledgers.template(Database.configured()) as empty:
        for row in wanted:
            figures = []
            for seed in range(seeds):
                with ledgers.fresh(empty) as database:
                    figures.append(ALL[row].measure(seed, database, roles.Size()))
            yield row, ALL[row], figures


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
