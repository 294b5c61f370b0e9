"""A process of its own that evaluates three small sweeps, one trial of them shared by all processes."""

from __future__ import annotations

import sys

import numpy as np
from array_market import market, named, on

from nexus.db.engine import Database
from nexus.signals.sweep import sweep


def main(dsn: str, seed: int) -> None:
    """Print "first" where the shared trial was a look of this process."""
    database = Database.at(dsn)
    made, _ = market(months=60, companies=60, horizons=(21,))

    def noise(number: int) -> np.ndarray:
        return np.random.default_rng(number).standard_normal((60, 60))

    for turn, size in enumerate((5, 5, 0)):
        own = [named(f"{seed} {turn} {i}", noise(1000 * (seed + 1) + 10 * turn + i)) for i in range(size)]
        judged = sweep(database, on(made, "shared"), own or [named("shared", noise(7))], (21,))
        if not own and judged[0].evaluations[0].look_no == 1:
            print("first")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
