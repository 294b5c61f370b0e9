"""Alembic's door: run online on the connection it is handed, with the views dropped before and rebuilt after."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

from nexus.db import views
from nexus.db.engine import Database
from nexus.db.tables import metadata


def main() -> None:
    """Run on the connection in the configuration's attributes, else on the configured database."""
    connection = context.config.attributes.get("connection")
    if connection is not None:
        run(connection)
        return
    with Database.configured().owner() as own:
        run(own)


def run(connection: Connection) -> None:
    """Migrate in one transaction; the text under sql/ exists only at head."""
    context.configure(connection=connection, target_metadata=metadata, compare_type=True, include_object=_is_ours)
    with context.begin_transaction():
        views.drop(connection)
        context.run_migrations()
        if context.get_context().get_current_heads() == tuple(context.script.get_heads()):
            views.create(connection)


def _is_ours(thing: object, name: str | None, kind: str, reflected: bool, compare_to: object) -> bool:
    return not (kind == "table" and reflected and compare_to is None and (name or "").startswith("_"))


main()
