"""Snapshots of a graph on many days: built, compared with what is there, and stored where they differ.

python -m nexus.graph.snapshots
"""

from __future__ import annotations

if __name__ == "__main__":  # before what takes seconds to import, so that help is quick
    from nexus.graph.command import main

    main()

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np

from nexus.db.engine import Database
from nexus.db.extent import price_extent
from nexus.db.graph import UNDIRECTED, Graph
from nexus.db.graph_store import check_days, write_graphs
from nexus.db.graph_versions import up_to_date
from nexus.db.panel import Panel
from nexus.db.relations import Relations
from nexus.db.sessions import Sessions, read_sessions
from nexus.errors import InputError
from nexus.graph.compose import compose
from nexus.graph.recipes import Recipe
from nexus.maths.types import Dates
from nexus.settings import settings

AT_ONCE = 12
"""Snapshots of one transaction: so many are built again at most after an interruption."""
Progress = Callable[[Iterable[date]], Iterable[date]]


@dataclass(frozen=True)
class Built:
    """What became of the days asked for.

    load_id : the facts up to it were read
    written : whose content was new; unchanged : whose content was there already; empty : on which nobody was a member
    """

    graph: str
    builder: str
    load_id: int
    written: int
    unchanged: int
    empty: int

    def __str__(self) -> str:
        """One sentence."""
        empty = f", {self.empty} without members left out" if self.empty else ""
        return (
            f"{self.graph}: {self.written} written, {self.unchanged} unchanged{empty} "
            f"(builder {self.builder[:8]}, load {self.load_id})"
        )


def build(
    database: Database,
    recipe: Recipe,
    days: Sequence[date],
    *,
    load_id: int | None = None,
    progress: Progress = iter,
) -> Built:
    """Build the snapshots of `days` as they were known at their closes; store those whose content is new.

    days : sessions that have closed
    load_id : rows of later loads are not seen; default the highest now
    progress : wraps the days that are built; a day is passed over that was so since the last load of what it reads

    Interrupted and run again, it ends as if it had not been.

    Raises
    ------
    InputError
        When a day is no session that has closed, or nobody ever was a member of the universe.
    """
    wanted = sorted(set(days))
    sessions = read_sessions(database, settings().calendar)
    closes = _closes(sessions, wanted)
    relations = Relations.open(database, load_id=load_id, undirected=UNDIRECTED)
    tables = ["relations", *{name.partition(".")[0] for name in recipe.inputs}]
    tables += ["corporate_actions"] if recipe.priced else []
    done = up_to_date(database, recipe.name, recipe.builder, tables, relations.load_id)
    todo = [day for day in wanted if day not in done]
    written = empty = 0
    if todo:
        panel = _panel(database, recipe, todo, relations.load_id)
        waiting: dict[date, Graph] = {}
        for day in progress(todo):
            graph = compose(recipe, panel, relations, np.datetime64(day), _microseconds(closes[day]))
            empty += not graph.nodes
            waiting[day] = graph
            if len(waiting) == AT_ONCE:
                written += _write(database, recipe, waiting, relations.load_id, closes)
                waiting.clear()
        written += _write(database, recipe, waiting, relations.load_id, closes)
    return Built(recipe.name, recipe.builder, relations.load_id, written, len(wanted) - written - empty, empty)


def month_ends(sessions: Dates, start: date, end: date) -> list[date]:
    """The last session of each month, where it lies in the window.

    A month is over when `sessions` know a session of a later one.
    """
    months = sessions.astype("datetime64[M]")
    last = sessions[:-1][months[:-1] != months[1:]]
    return _within(last, start, end)


def every(sessions: Dates, k: int, start: date, end: date) -> list[date]:
    """Every k-th session of the calendar that lies in the window: the same days wherever the window begins."""
    if k < 1:
        raise InputError(f"every {k} sessions: name 1 or more, or month")
    return _within(sessions[::k], start, end)


def choose_days(
    database: Database,
    rule: str | int = "month",
    *,
    lead: int = 0,
    start: date | None = None,
    end: date | None = None,
    load_id: int | None = None,
) -> list[date]:
    """Days to build: complete months or every k-th session, closed by now, default where there are prices.

    rule : "month", or a number of sessions
    lead : sessions with prices before the first of the default days
    """
    sessions = read_sessions(database, settings().calendar)
    if start is None or end is None:
        extent = price_extent(database, load_id)
        first = sessions.days[np.searchsorted(sessions.days, np.datetime64(extent.first)) :][lead : lead + 1]
        start, end = start or (first[0].item() if len(first) else extent.last), end or extent.last
    closed = sessions.days[sessions.closes_at <= np.datetime64(datetime.now(UTC).replace(tzinfo=None), "us")]
    end = min(end, closed[-1].item()) if len(closed) else end
    if rule == "month":
        return month_ends(sessions.days, start, end)
    if isinstance(rule, str) and not rule.isdigit():
        raise InputError(f'every "{rule}": write month, or a number of sessions')
    return every(sessions.days, int(rule), start, end)


def _within(days: Dates, start: date, end: date) -> list[date]:
    inside: list[date] = days[(days >= np.datetime64(start)) & (days <= np.datetime64(end))].tolist()
    return inside


def _closes(sessions: Sessions, days: Sequence[date]) -> dict[date, datetime]:
    wanted = np.array(days, dtype="datetime64[D]")
    strange = wanted[~np.isin(wanted, sessions.days)]
    if len(strange):
        raise InputError(f"{strange[0]}: no session of {settings().calendar}; a snapshot is of a session")
    at = sessions.closes_at[np.searchsorted(sessions.days, wanted)]
    return {day: close.replace(tzinfo=UTC) for day, close in zip(days, at.tolist(), strict=True)}


def _panel(database: Database, recipe: Recipe, days: Sequence[date], load_id: int) -> Panel:
    """What the recipe reads; of prices all there are, so that what is found does not depend on the days asked for."""
    start = min(price_extent(database, load_id).first, days[0]) if recipe.priced else days[0]
    panel = Panel.open(
        database, start=start, end=days[-1], inputs=recipe.inputs, load_id=load_id, calendar=settings().calendar
    )
    if recipe.members in panel.missing:
        raise InputError(
            f"graph {recipe.name}: {recipe.members} has no rows up to load {load_id}; name a universe that was "
            "ingested, or `priced`"
        )
    return panel


def _write(
    database: Database, recipe: Recipe, made: Mapping[date, Graph], load_id: int, closes: dict[date, datetime]
) -> int:
    graphs = [graph for graph in made.values() if graph.nodes]
    with database.write() as connection:
        written = write_graphs(connection, graphs, builder=recipe.builder, load_id=load_id, closes=closes)
        check_days(connection, recipe.name, recipe.builder, list(made), load_id)
    return written


def _microseconds(close: datetime) -> int:
    return round(close.timestamp() * 1_000_000)
