"""Databases that are cloned by tests."""

from __future__ import annotations

from sqlalchemy import text

from nexus.db.engine import Database


def close_to_connections(server: Database, made: Database) -> None:
    """Let nobody connect any more, so that it can be cloned at any time."""
    with server.autocommit() as connection:
        connection.execute(text(f"ALTER DATABASE {made.url.database} ALLOW_CONNECTIONS false"))
        # TimescaleDB's scheduler sits in every database that has the extension, and would hold up each clone
        connection.execute(
            text("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = :name"),
            {"name": made.url.database},
        )
