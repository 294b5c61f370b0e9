"""Which graphs have been built, by whom and of which facts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import text

from nexus.db.engine import Database

_CHECKED = text(
    "SELECT snapshot_date FROM graph_checks WHERE graph = :graph AND builder = :builder "
    "AND load_id BETWEEN :last AND :load_id"
)
_LAST_LOAD = text("SELECT coalesce(max(load_id), 0) FROM loads WHERE table_name = ANY(:tables) AND load_id <= :load_id")
_VERSIONS = text("""
SELECT graph, builder, count(DISTINCT snapshot_date) AS snapshots, min(snapshot_date) AS first,
       max(snapshot_date) AS last, count(*) AS contents, max(load_id) AS load_id,
       string_agg(DISTINCT tier, '') AS tiers, max(created_at) AS built_at
FROM graph_snapshots GROUP BY graph, builder ORDER BY graph, built_at
""")


@dataclass(frozen=True)
class Version:
    """All that one builder has made of a graph.

    snapshots : days; contents : rows, more where a late load changed a day
    load_id : the highest load that changed something; tiers : those that occur, as "AB"
    """

    graph: str
    builder: str
    snapshots: int
    first: date
    last: date
    contents: int
    load_id: int
    tiers: str
    built_at: datetime


def versions(database: Database) -> list[Version]:
    """Every graph and builder, the newest builder of a graph last: that one readers take."""
    with database.read() as connection:
        return [Version(*row) for row in connection.execute(_VERSIONS)]


def up_to_date(database: Database, graph: str, builder: str, tables: Sequence[str], load_id: int) -> frozenset[date]:
    """Days that the builder has looked at since the last load of the tables it reads: they would come out the same.

    load_id : later loads, and what was made of them, are not seen
    """
    asked = {"graph": graph, "builder": builder, "load_id": load_id}
    with database.read() as connection:
        last = connection.scalar(_LAST_LOAD, {"tables": list(tables), "load_id": load_id})
        return frozenset(connection.scalars(_CHECKED, {**asked, "last": last}))
