"""Whether every load still holds the rows it recorded, and no row is without its load."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import text

from nexus.db.engine import Database
from nexus.db.tables import FACTS


@dataclass(frozen=True)
class Mismatch:
    """A load whose rows in a table are not as many as it recorded.

    recorded : None where no such load of this table exists
    """

    table: str
    load_id: int
    recorded: int | None
    found: int


def audit_facts(database: Database) -> list[Mismatch]:
    """Count the rows of every load in every facts table and compare; empty where all is well."""
    with database.read() as connection:
        return [
            Mismatch(table, row.load_id, row.recorded, row.found)
            for table in FACTS
            for row in connection.execute(text(_COUNT.format(table=table)), {"table": table})
        ]


_COUNT = """
SELECT coalesce(l.load_id, f.load_id) AS load_id, l.rows_inserted AS recorded, coalesce(f.found, 0) AS found
FROM (SELECT load_id, rows_inserted FROM loads WHERE table_name = :table) l
FULL JOIN (SELECT load_id, count(*) AS found FROM {table} GROUP BY load_id) f ON f.load_id = l.load_id
WHERE l.rows_inserted IS DISTINCT FROM coalesce(f.found, 0)
ORDER BY 1
"""
