"""What is each part of the role-aware transformer worth? Every part is left out once, walk-forward.

    python -m research.ablation --database nexus_simulated --set hidden=64 --epochs 30

Arms: the full model, the GAT baseline, no PEARL, all relations alike, and each edge type left out, with the same seeds
and test dates. Rank IC per date is averaged over the seeds; the difference to the full model is paired by date and
tested over the dates, Holm over the arms. The sd over the seeds is printed and is no test. One file per fit is kept
under the home folder: an interrupted run goes on where it was. Nothing is judged here, and nothing registered.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nexus.cli.output import database, say, table
from nexus.cli.progress import bar
from nexus.cli.run import run
from nexus.contract.options import PLAN, with_options

if TYPE_CHECKING:
    from nexus.db.engine import Database
    from research.role_aware.figures import Verdict
    from research.role_aware.fits import Asked, Walk

FEW_SEEDS = 5
COLUMNS = ["arm", "rank IC", "sd of seeds", "full less arm", "t", "p", "Holm", "reading"]


@click.command()
@click.option("--database", "name", help="Database beside the configured one  [default: the configured one]")
@click.option("--seeds", type=click.IntRange(min=1), default=FEW_SEEDS, show_default=True, help="Of every arm.")
@click.option("--epochs", type=click.IntRange(min=1), help="At most, of every fit  [default: the module's]")
@click.option("--set", "settings_", metavar="KEY=VALUE", multiple=True, help="A parameter of all arms; repeatable.")
@click.option("--arms", "only", help="Names, comma-separated, beside the full model  [default: all]")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option("--home", type=click.Path(path_type=Path), help="Where fits are kept  [default: NEXUS_HOME]")
@click.option("--out", type=click.Path(path_type=Path), help="The JSON  [default: ablation.json among the reports]")
@with_options(PLAN)
def main(
    name: str | None,
    seeds: int,
    epochs: int | None,
    settings_: tuple[str, ...],
    only: str | None,
    device: str,
    home: Path | None,
    out: Path | None,
    **plan: Any,
) -> None:
    """Print what each part is worth, and write the same as JSON."""
    from nexus.contract.options import Asked as Options
    from nexus.graph.gnn.role_aware import ROLE_AWARE
    from nexus.settings import settings
    from research.role_aware.fits import Asked

    given = Options(settings_=settings_, epochs=epochs, params="{}", **plan)
    asked = Asked(
        plan=given.plan,
        seeds=seeds,
        common=given.given(ROLE_AWARE),
        folder=(home or settings().home) / "ablation",
        only=None if only is None else [each.strip() for each in only.split(",")],
        device=device,
    )
    own = database().sibling(name) if name else database()
    with bar("ablation") as walk:
        said = ablate(own, asked, walk)
    _print(said)
    path = out or settings().reports_dir / "ablation.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"database": own.url.database, "params": dict(asked.common), **said.as_json()}
    path.write_text(json.dumps(content, indent=2, default=str), encoding="utf-8")
    say(f"written to {path}")


def ablate(own: Database, asked: Asked, walk: Walk = iter) -> Verdict:
    """Fit what is not fitted yet, and compare."""
    from nexus.graph.gnn.node_task import HOLDING
    from research.role_aware.figures import metric, outcomes, verdict
    from research.role_aware.fits import scores

    found = scores(own, asked, walk)
    came = outcomes(own, list(found["as_of"]), HOLDING)
    return verdict(metric(found, came), came.days, came.overlap)


def _print(said: Verdict) -> None:
    say(f"{said.dates} dates from {said.first} to {said.last} ({said.dropped} dropped), {said.seeds} seeds, "
        f"windows open on {said.overlap} date{'s' if said.overlap > 1 else ''}")  # fmt: skip
    rows = [(row.arm, row.ic, row.sd_seeds, row.gain, row.t, row.p, row.holm, row.reading) for row in said.rows]
    table(rows, COLUMNS)
    say("t over dates of the paired difference, Holm over the arms; the sd over seeds is description, no test")
    if said.seeds < FEW_SEEDS:
        say(f"{said.seeds} seeds are few: at least {FEW_SEEDS} before anything is said")
    real = [row for row in said.rows if row.reading in ("helps", "hurts")]
    for row in real:
        say(f"{row.arm}: what is missing there {row.reading} the full model, by {row.gain:+.4f} in rank IC")
    if len(real) < len(said.rows) - 1:
        say(f"{len(said.rows) - 1 - len(real)} of {len(said.rows) - 1} differences are inside the noise: noise")


if __name__ == "__main__":
    run(main)
