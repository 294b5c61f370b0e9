"""From when to when there are prices and what was made of them, and which benchmark series."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from sqlalchemy import text

from nexus.db.engine import Database
from nexus.db.inputs import MADE
from nexus.db.outputs import day_of, output_table
from nexus.errors import InputError


class Extent(NamedTuple):
    """First and last session with a price, and the names of the benchmark series."""

    first: date
    last: date
    series: frozenset[str]


def price_extent(database: Database, load_id: int | None = None) -> Extent:
    """The extent of what was loaded up to `load_id`, or of everything.

    Raises
    ------
    InputError
        When there are no prices.
    """
    with database.read() as connection:
        first, last = connection.execute(_PRICES, {"load_id": load_id}).one()
        series = frozenset(connection.scalars(_SERIES, {"load_id": load_id}))
    if first is None:
        raise InputError("no prices; run `nexus ingest all --from DIR` or `nexus ingest simulate` first")
    return Extent(first, last, series)


def inputs_extent(database: Database, inputs: Sequence[str], load_id: int | None = None) -> tuple[date, date]:
    """First and last day of which there is a row of each graph, output and price that is declared.

    Where none of them is, the extent of the prices.

    Raises
    ------
    InputError
        When one of them has no row, or they have no day in common.
    """
    spans = {name: _made_extent(database, name) for name in inputs if name.partition(".")[0] in MADE}
    if not spans or any(name.startswith("prices.") for name in inputs):
        spans["prices"] = price_extent(database, load_id)[:2]
    first, last = max(span[0] for span in spans.values()), min(span[1] for span in spans.values())
    if first > last:
        told = ", ".join(f"{name} from {one} to {other}" for name, (one, other) in spans.items())
        raise InputError(f"inputs without a day in common: {told}")
    return first, last


def _made_extent(database: Database, name: str) -> tuple[date, date]:
    table, _, which = name.partition(".")
    day = "snapshot_date" if table == "graph_snapshots" else day_of(output_table(table))
    limit = "true" if MADE[table] is None else f"{MADE[table]} = :which"
    with database.read() as connection:
        statement = text(f"SELECT min({day}), max({day}) FROM {table} WHERE {limit}")
        first, last = connection.execute(statement, {"which": which}).one()
    if first is None:
        first_step = (
            "`nexus graph snapshots`" if table == "graph_snapshots" else "predict-all of the module that writes it"
        )
        raise InputError(f"{name}: no rows; run {first_step} first")
    return first, last


# the first and last session are looked up through the index unless a replay asks for an earlier load
_PRICES = text(
    "SELECT min(session), max(session) FROM prices WHERE CAST(:load_id AS bigint) IS NULL OR load_id <= :load_id"
)
_SERIES = text("SELECT DISTINCT series FROM benchmarks WHERE CAST(:load_id AS bigint) IS NULL OR load_id <= :load_id")
