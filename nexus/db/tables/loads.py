"""Loads of facts, and the rows that could not be taken."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from nexus.db.tables.base import metadata

sources = Table(
    "sources",
    metadata,
    Column("source", Text, primary_key=True),
    Column("known_at_basis", Text, nullable=False),
    Column("basis", Date, comment="prices and dividends are adjusted for splits up to and including this day; "
           "NULL: as traded"),
    Column("preference", SmallInteger, nullable=False, server_default=text("100")),
    Column("licence", Text),
    Column("description", Text, nullable=False, server_default=""),
    CheckConstraint("known_at_basis IN ('reported', 'assumed', 'backdated')", name="known_at_basis"),
)  # fmt: skip

ingest_runs = Table(
    "ingest_runs",
    metadata,
    Column("ingest_run_id", Uuid, primary_key=True, server_default=text("gen_random_uuid()")),
    Column("command", Text, nullable=False),
    Column("code_version", Text, nullable=False),
    Column("started_at", DateTime(timezone=True), nullable=False, server_default=text("clock_timestamp()")),
    Column("finished_at", DateTime(timezone=True)),
    Column("summary", JSONB),
)

loads = Table(
    "loads",
    metadata,
    Column("load_id", BigInteger, primary_key=True, autoincrement=False),
    Column("load_uuid", Uuid, nullable=False),
    Column("ingest_run_id", Uuid, ForeignKey("ingest_runs.ingest_run_id"), nullable=False),
    Column("table_name", Text, nullable=False),
    Column("source", Text, ForeignKey("sources.source"), nullable=False),
    Column("file_name", Text),
    Column("file_sha256", Text),
    Column("rows_read", BigInteger, nullable=False),
    Column("rows_inserted", BigInteger, nullable=False),
    Column("opened_at", DateTime(timezone=True), nullable=False),
    Column("xid", BigInteger, nullable=False),
    UniqueConstraint("load_uuid"),
)
Index("ix_loads_table_name_load_id", loads.c.table_name, loads.c.load_id)
Index("ix_loads_file_sha256", loads.c.file_sha256)

rejected_rows = Table(
    "rejected_rows",
    metadata,
    Column("rejected_id", BigInteger, Identity(always=True), primary_key=True),
    Column("ingest_run_id", Uuid, ForeignKey("ingest_runs.ingest_run_id"), nullable=False),
    Column("table_name", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("file_name", Text),
    Column("file_sha256", Text),
    Column("row_number", BigInteger),
    Column("reason", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("row_text", Text),
    Column("rejected_at", DateTime(timezone=True), nullable=False, server_default=text("clock_timestamp()")),
    Column("resolved_load_id", BigInteger),
)
Index("ix_rejected_rows_file_sha256", rejected_rows.c.file_sha256)
