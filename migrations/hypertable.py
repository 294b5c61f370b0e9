"""Hypertables where TimescaleDB is there, the same tables without it."""

from __future__ import annotations

from alembic import op
from sqlalchemy import text


def has_timescaledb() -> bool:
    """Whether the extension is installed in this database."""
    return bool(op.get_bind().scalar(text("SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb')")))


def make_hypertable(table: str, column: str, chunk: str) -> None:
    """Turn an empty `table` into a hypertable on `column`; a no-op on plain PostgreSQL."""
    if has_timescaledb():
        op.execute(
            f"SELECT create_hypertable('{table}', '{column}', chunk_time_interval => interval '{chunk}', "
            "create_default_indexes => false)"
        )
