"""The schema: made by the migrations, the same as the tables say, up, down and up again."""

from __future__ import annotations

import pytest
from alembic import command
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from nexus.db import admin, capabilities, views
from nexus.db.engine import Database
from nexus.db.tables import FACTS, metadata


def test_upgrading_twice_is_a_no_op(database: Database) -> None:
    before = admin.status(database)
    admin.upgrade(database)
    assert admin.status(database) == before
    assert before.revision == before.head


def test_alembic_check_is_clean(database: Database) -> None:
    with database.owner() as connection:
        command.check(admin._config(connection))


def test_downgrade_to_nothing_and_up_again(database: Database) -> None:
    admin.downgrade(database, "base")
    with database.owner() as connection:
        left = connection.scalars(
            text("SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'")
        ).all()
    assert not left
    admin.upgrade(database)
    with database.read() as connection:
        made = set(connection.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")))
        assert set(metadata.tables) <= made
        for kind, name in views.names():
            if kind == "VIEW":
                connection.execute(text(f"SELECT * FROM {name} LIMIT 0"))


def test_tier_is_said(database: Database) -> None:
    with database.read() as connection:
        found = capabilities.detect(connection)
        hypertables = (
            connection.scalars(text("SELECT hypertable_name FROM timescaledb_information.hypertables")).all()
            if found.timescaledb
            else []
        )
    assert found.tier in str(found)
    assert set(hypertables) == ({"prices", "factor_values"} if found.timescaledb else set())


@pytest.mark.parametrize("table", sorted(FACTS))
def test_truncate_of_facts_is_refused_even_for_the_owner(database: Database, table: str) -> None:
    with pytest.raises(DBAPIError, match="insert-only"), database.owner() as connection:
        connection.execute(text(f"TRUNCATE {table}"))
