"""Embeddings of every month there is, each by weights that were trained before it: `python -m nexus.graph.backfill`."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from time import perf_counter
from typing import TYPE_CHECKING, Any

import click

from nexus.contract.options import FIT, MANY, PLAN, TRAIN, Asked, with_options
from nexus.contract.terminal import bar, epochs, run
from nexus.errors import InputError
from nexus.modules import MODULES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nexus.contract.module import Learned
    from nexus.contract.runner import Predicted, Trained
    from nexus.contract.splits import Chunk, Plan
    from nexus.db.engine import Database

OUTPUT = "node_embeddings"
LATE = (
    "one late fit for all months: a way to look. Its rows are known from {trained_to} only, so the point-in-time rule "
    "hides them from every judgement of an earlier day"
)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--module", "name", default="hgt", show_default=True, help=f"Learned, with output {OUTPUT}.")
@click.option("--build", is_flag=True, help="Build the snapshots first, as nexus.graph.snapshots does.")
@click.option("--verdicts/--no-verdicts", default=None, help="Judge new links of test months  [default: if trained]")
@with_options(MANY, TRAIN[:1], PLAN, FIT)
def backfill(name: str, build: bool, verdicts: bool | None, **options: Any) -> None:
    """Train walk-forward and embed every month, resuming where it was interrupted.

    Each chunk is trained on what was known before its test months; it embeds those and the last month before them.
    """
    from nexus.db import admin
    from nexus.db.engine import Database

    module, database = _module(name), admin.ready(Database.configured())
    try:
        _fill(database, module, Asked(**options), build, verdicts)
    finally:
        database.dispose()


def _fill(database: Database, module: Learned[Any, Any], asked: Asked, build: bool, verdicts: bool | None) -> None:
    from nexus.contract.cli import as_chosen
    from nexus.contract.reading import chunks_of

    begun = perf_counter()
    if build:
        _build(database, module, asked)
    chunks = as_chosen(module, asked, asked.chosen(chunks_of(database, module, asked.plan, asked.load_id)))
    shared = {
        "params": asked.given(module), "seed": asked.seed, "device": asked.device, "home": asked.folder,
        "load_id": asked.load_id,
    }  # fmt: skip
    click.echo(f"{module.name}: parameters are {asked.told(module)}")
    if asked.single_fit:
        click.echo(LATE.format(trained_to=chunks[0].trained_to))
    done = [_chunk(database, module, chunk, shared, asked.fresh) for chunk in chunks]
    anew = sum(trained.anew for trained, _ in done)
    if verdicts or (verdicts is None and anew and not asked.single_fit):
        _judge(database, module, asked.plan, chunks, shared)
    click.echo(_summary(done, anew, perf_counter() - begun))


def _module(name: str) -> Learned[Any, Any]:
    from nexus.contract.cli import load
    from nexus.contract.module import Learned

    if name not in MODULES:
        raise InputError(f"module {name!r}: there is none; there are {', '.join(sorted(MODULES))}")
    module = load(MODULES[name])
    if not isinstance(module, Learned) or module.output != OUTPUT:
        raise InputError(f"module {name!r} gives {module.output}; name a learned one that gives {OUTPUT}")
    return module


def _build(database: Database, module: Learned[Any, Any], asked: Asked) -> None:
    from nexus.graph.command import PRICED
    from nexus.graph.recipes import recipe
    from nexus.graph.snapshots import build, choose_days
    from nexus.settings import settings

    plan, universe = asked.plan, settings().universe
    days = choose_days(database, plan.days, start=plan.start, end=plan.end, load_id=asked.load_id)
    for graph in _graphs(module):
        with bar(f"graph {graph}") as walk:
            built = build(
                database,
                recipe(graph, None if universe == PRICED else universe),
                days,
                load_id=asked.load_id,
                progress=walk,
            )
        click.echo(str(built))


def _graphs(module: Learned[Any, Any]) -> list[str]:
    return [name.partition(".")[2] for name in module.inputs if name.startswith("graph_snapshots.")]


def _chunk(
    database: Database, module: Learned[Any, Any], chunk: Chunk, shared: Mapping[str, Any], fresh: bool
) -> tuple[Trained, Predicted]:
    from nexus.contract.runner import predict, train

    what = f"{module.name} chunk {chunk.number}"
    with ExitStack() as stack:
        trained = train(database, module, chunk, fresh=fresh, report=stack.enter_context(epochs(what)), **shared)
    with bar(what) as walk:
        predicted = predict(database, module, chunk, progress=walk, **shared)
    if trained.anew or predicted.days:
        click.echo(f"{module.name}: {trained}; {predicted}")
    return trained, predicted


def _judge(
    database: Database, module: Learned[Any, Any], plan: Plan, chunks: Sequence[Chunk], shared: Mapping[str, Any]
) -> None:
    from nexus.graph.gnn.trainer import HGTLinks
    from nexus.graph.gnn.verdicts import link_verdicts, sentences

    if isinstance(module, HGTLinks):
        for sentence in sentences(link_verdicts(database, plan, chunks, module=module, **shared)):
            click.echo(sentence)


def _summary(done: Sequence[tuple[Trained, Predicted]], anew: int, seconds: float) -> str:
    days, rows = sum(each.days for _, each in done), sum(each.rows for _, each in done)
    kept = sum(each.kept for _, each in done)
    if not anew and not days:
        return f"nothing to do: {len(done)} chunks trained, {kept} days embedded before ({seconds:.1f} s)"
    return (
        f"{len(done)} chunks, {anew} trained now; {days} days embedded, {rows} rows new or changed, {kept} days kept "
        f"({seconds:.1f} s)"
    )


if __name__ == "__main__":
    from nexus import log

    log.configure()
    run(backfill)
