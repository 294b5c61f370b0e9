"""Where the studies of hyper-parameter search live: Optuna's own tables, in schema `hpo` of the same database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import text

from nexus.db.engine import APP_ROLE, Database

SCHEMA = "hpo"
LOCK = 4205
"""Advisory lock of whoever opens the studies."""


def storage_url(database: Database) -> str:
    """The URL that Optuna's storage takes: in the schema of the studies, and in the role of the program."""
    where = database.url.update_query_dict({"options": f"-c search_path={SCHEMA} -c role={APP_ROLE}"})
    return where.render_as_string(hide_password=False)


@contextmanager
def opening_studies(database: Database) -> Iterator[str]:
    """`storage_url`, while nobody else has it: Optuna makes missing tables, and of two that do so at once one fails."""
    with database.write() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        yield storage_url(database)
