"""From when to when there are prices, and which benchmark series."""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

from sqlalchemy import text

from nexus.db.engine import Database
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


# the first and last session are looked up through the index unless a replay asks for an earlier load
_PRICES = text(
    "SELECT min(session), max(session) FROM prices WHERE CAST(:load_id AS bigint) IS NULL OR load_id <= :load_id"
)
_SERIES = text("SELECT DISTINCT series FROM benchmarks WHERE CAST(:load_id AS bigint) IS NULL OR load_id <= :load_id")
