"""A clone is a whole copy; what the server itself runs in a database does not stand in its way."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from nexus.db import admin, capabilities
from nexus.db.engine import Database
from nexus.errors import DatabaseError


def test_a_clone_has_what_the_original_has(database: Database) -> None:
    with database.owner() as connection:
        connection.execute(text("CREATE TABLE kept AS SELECT 7 AS seven"))
    clone = admin.clone(database, f"{database.url.database}_clone")
    try:
        with clone.owner() as connection:
            assert connection.scalar(text("SELECT seven FROM kept")) == 7
    finally:
        admin.drop(clone)


def test_the_scheduler_does_not_stand_in_the_way(database: Database) -> None:
    """A scheduler that was told to start a moment ago: the case in which stopping it comes too early."""
    with database.owner() as connection:
        if not capabilities.detect(connection).timescaledb:
            pytest.skip("plain PostgreSQL runs no scheduler")
    for number in range(3):
        with database.autocommit() as connection:
            connection.execute(text("SELECT _timescaledb_functions.restart_background_workers()"))
        admin.drop(admin.clone(database, f"{database.url.database}_clone{number}"))


def test_a_client_that_is_connected_is_named(database: Database) -> None:
    with database.owner() as connection:
        pid = connection.scalar(text("SELECT pg_backend_pid()"))
        with pytest.raises(DatabaseError, match=rf"{pid} client backend .*close other sessions"):
            admin.clone(database, f"{database.url.database}_clone")
        assert connection.scalar(text("SELECT 1")) == 1, "a client's session is never ended"
