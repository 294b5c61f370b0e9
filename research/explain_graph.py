"""Why does a model of the graph say what it says? Relations, single edges, and whether the named edges carry it.

    python research/explain_graph.py --module hgt --of AAPL,NVDA

The last test day of the latest chunk, by the weights that `train-best` left for the same parameters. For HGT a figure
is how far the embedding moves without the relation or edge, as a share of its length; else what the score loses.
Fidelity: taking the named edges away together must move what is said more than taking as many others from around the
company. The exit status is 1 where it does not. Nothing is written; `nexus module NAME predict --explain` writes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import click

from nexus.cli.output import database, say, table
from nexus.cli.run import run
from nexus.contract.options import FIT, ONE, PLAN, Asked, with_options
from nexus.contract.terminal import bar
from nexus.graph.gnn.fidelity import LEAST, fidelity

if TYPE_CHECKING:
    from datetime import date

    import pandas as pd

    from nexus.db.engine import Database
    from nexus.graph.gnn.edge_reasons import Occlusion, Reasons

MODULES = ("hgt", "role_aware", "gat_baseline")
SHOWN = 3


@dataclass(frozen=True)
class Told:
    """What a model's explanation of a day is.

    relations : mean size of the attribution over the companies, by relation, the largest first
    """

    day: date
    relations: pd.Series[float]
    occlusion: Occlusion
    reasons: list[Reasons]


@click.command()
@click.option("--module", "name", type=click.Choice(MODULES), default="hgt", show_default=True, help="Which model.")
@click.option("--of", "tickers", help=f"Whose edges to list, A,B  [default: the {SHOWN} with most to explain]")
@click.option("--companies", type=click.IntRange(min=LEAST), default=20, show_default=True, help="Explained besides.")
@click.option("--edges", type=click.IntRange(min=1), default=10, show_default=True, help="Named of each company.")
@click.option("--draws", type=click.IntRange(min=1), default=5, show_default=True, help="Of random edges.")
@with_options(ONE, PLAN, FIT)
def main(name: str, tickers: str | None, companies: int, edges: int, draws: int, **options: Any) -> None:
    """Print the strongest relations, the edges of some companies, and whether those carry what is said."""
    from nexus.db import companies as called
    from nexus.graph.gnn.edge_reasons import strongest

    own, asked = database(), Asked(**options)
    try:
        wanted = tickers.split(",") if tickers else []
        with own.read() as connection:
            ids = called.ids(connection, wanted)
        called.check_tickers("companies", wanted, ids)
        told = explained(own, name, asked, companies, edges, list(ids.values()))
        with own.read() as connection:
            names = called.names(connection, _entities(told))
    finally:
        own.dispose()
    say(f"{name} on {told.day}: {len(told.occlusion.companies)} companies, {len(told.occlusion.edges)} edges")
    table(told.relations.items(), ["relation", "mean size"])
    called.check_tickers(f"the graph of {told.day}", wanted, [names[each.company] for each in told.reasons])
    show = set(ids.values()) or set(strongest(told.occlusion, SHOWN))
    table(_rows(told, names, show), ["company", "relation", "source", "target", "attribution"])
    with bar("fidelity") as walk:
        found = fidelity(told.occlusion, told.reasons, edges, draws, asked.seed, walk)
    say(f"fidelity: {found}")
    raise SystemExit(int(not found.passes))


def explained(own: Database, name: str, asked: Asked, companies: int, edges: int, more: Sequence[int]) -> Told:
    """The explanation of the last test day of a chunk."""
    from nexus.contract.fit import numerical_threads
    from nexus.contract.reading import chunks_of, read_prediction
    from nexus.contract.runner import restore
    from nexus.errors import InputError
    from nexus.graph.gnn.edge_reasons import edge_reasons, strongest

    module = _module(name)
    chunk = asked.only(chunks_of(own, module, asked.plan, asked.load_id))
    restored = restore(
        module, chunk, params=asked.given(module), seed=asked.seed, device=asked.device, home=asked.folder
    )
    day, state = chunk.test[-1], restored.state
    seen = read_prediction(own, module, [day], asked.load_id).blind()
    click.echo(f"explain the relations of {day}", err=True)
    with numerical_threads(), bar("explain") as walk:
        occlusion = module.occlusion(state, seen, day)
        if occlusion is None:
            raise InputError(f"{name}: no snapshot on {day}; run `nexus graph snapshots`")
        rows = module.explain(replace(state, params={**state.params, "explain_edges": 0}), seen, day)
        there = sorted({*strongest(occlusion, companies), *more} & set(occlusion.companies.tolist()))
        reasons = edge_reasons(occlusion, there, edges, walk=walk)
    return Told(day, _relations(rows), occlusion, reasons)


def _module(name: str) -> Any:
    from importlib import import_module

    from nexus.modules import MODULES as paths

    file, attribute = paths[name].split(":")
    return getattr(import_module(file), attribute)


def _relations(rows: pd.DataFrame) -> pd.Series[float]:
    size = rows.assign(size=rows["attribution"].abs()).groupby("feature")["size"].mean()
    other = size.index.str.startswith("feature:") | size.index.str.startswith("encoding:")
    return size[~other].sort_values(ascending=False)


def _entities(told: Told) -> list[int]:
    edges = told.occlusion.edges
    ends = {int(end[edge]) for each in told.reasons for edge in each.edges for end in (edges.src, edges.dst)}
    return sorted(ends | {each.company for each in told.reasons})


def _rows(told: Told, names: dict[int, str], show: set[int]) -> list[list[Any]]:
    edges = told.occlusion.edges
    return [
        [names[each.company], edges.kinds[edges.kind[edge]][1], names[edges.src[edge]], names[edges.dst[edge]], value]
        for each in told.reasons
        if each.company in show
        for edge, value in zip(each.edges.tolist(), each.attribution.tolist(), strict=True)
    ]


if __name__ == "__main__":
    run(main)
