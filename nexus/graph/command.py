"""The command that builds snapshots, for `nexus graph snapshots` and `python -m nexus.graph.snapshots`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import date, datetime
from typing import Any

import click

from nexus.contract.terminal import run

Bar = Callable[[str], AbstractContextManager[Callable[[Iterable[Any]], Iterable[Any]]]]
DAY = click.DateTime(["%Y-%m-%d"])
PRICED = "priced"


def snapshots_command(bar: Bar) -> click.Command:
    """The command, its walk over the days shown by `bar`."""

    @click.command()
    @click.option("--graph", "name", default="monthly", show_default=True, help="Recipe.")
    @click.option("--universe", help="Universe of membership spells, or `priced`  [default: the setting's]")
    @click.option(
        "--every", default="month", show_default=True, help="`month`: each complete one; K: every K sessions."
    )
    @click.option("--from", "start", type=DAY, help="First day  [default: of the prices]")
    @click.option("--to", "end", type=DAY, help="Last day  [default: of the prices]")
    @click.option("--load-id", type=click.IntRange(min=1), help="See facts up to this load only.")
    def snapshots(
        name: str, universe: str | None, every: str, start: datetime | None, end: datetime | None, load_id: int | None
    ) -> None:
        """Build the snapshots of a graph that are missing, or whose content a late load has changed."""
        click.echo(str(_build(bar, name, universe, every, start, end, load_id)))

    return snapshots


def main() -> None:
    """`python -m nexus.graph.snapshots`."""
    run(snapshots_command(_years))


def _build(
    bar: Bar,
    name: str,
    universe: str | None,
    every: str,
    start: datetime | None,
    end: datetime | None,
    load_id: int | None,
) -> object:
    from nexus.contract.splits import Plan
    from nexus.db import admin
    from nexus.db.engine import Database
    from nexus.graph.recipes import recipe
    from nexus.graph.snapshots import build, choose_days
    from nexus.settings import settings

    universe = universe or settings().universe
    chosen = recipe(name, None if universe == PRICED else universe)
    database = admin.ready(Database.configured())
    days = choose_days(database, every, lead=chosen.lead, start=_day(start), end=_day(end), load_id=load_id)
    if not days:
        raise Plan(_day(start), _day(end)).empty()
    with bar(f"graph {name}") as walk:
        return build(database, chosen, days, load_id=load_id, progress=walk)


def _day(moment: datetime | None) -> date | None:
    return None if moment is None else moment.date()


@contextmanager
def _years(what: str) -> Iterator[Callable[[Iterable[date]], Iterable[date]]]:
    """One line a year on standard error."""

    def walk(days: Iterable[date]) -> Iterator[date]:
        year = 0
        for day in days:
            if day.year != year:
                click.echo(f"{what}: {day.year}", err=True)
                year = day.year
            yield day

    yield walk
