"""Multi-horizon IC of one factor: the customary table, and beside it what the ledger makes of it.

    python research/ic_multi_horizon.py momentum_12_1 --horizons 21,63,126
    python research/ic_multi_horizon.py reversal_3 --from my_factors.py --universe SP500

The evaluation is appended to the ledger like any other: there is no looking without counting.
"""

from __future__ import annotations

from pathlib import Path

import click

from nexus.cli.output import database
from nexus.cli.run import run
from nexus.cli.signals import chosen_factors, horizons_option, print_judgements, universe_option
from nexus.signals.evaluate import evaluate


@click.command()
@click.argument("name")
@horizons_option
@click.option("--from", "path", type=click.Path(path_type=Path), help="A file of yours with the factor.")
@universe_option
def main(name: str, horizons: list[int], path: Path | None, universe: str | None) -> None:
    """Print N, mean IC, t, the HLZ threshold and the verdict of factor NAME."""
    chosen = chosen_factors((name,), path, None)
    print_judgements(evaluate(database(), chosen, horizons, universe=universe), as_json=False)


if __name__ == "__main__":
    run(main)
