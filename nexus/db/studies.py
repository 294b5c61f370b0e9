"""Where the studies of hyper-parameter search live: Optuna's own tables, in schema `hpo` of the same database."""

from __future__ import annotations

from nexus.db.engine import APP_ROLE, Database

SCHEMA = "hpo"


def storage_url(database: Database) -> str:
    """The URL that Optuna's storage takes: in the schema of the studies, and in the role of the program."""
    where = database.url.update_query_dict({"options": f"-c search_path={SCHEMA} -c role={APP_ROLE}"})
    return where.render_as_string(hide_password=False)
