"""Runs of modules and factors, and the scores that registered factors published."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Double,
    Integer,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from nexus.db.tables.base import metadata

model_runs = Table(
    "model_runs",
    metadata,
    Column("run_id", Uuid, primary_key=True, server_default=text("gen_random_uuid()")),
    Column("module", Text, nullable=False),
    Column("model_version", Text, nullable=False),
    Column("code_version", Text, nullable=False),
    Column("code_hash", Text, nullable=False),
    Column("params", JSONB, nullable=False),
    Column("load_id", BigInteger, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("trained_to", Date),
    Column("device", Text, nullable=False, server_default="cpu"),
    Column("started_at", DateTime(timezone=True), nullable=False, server_default=text("clock_timestamp()")),
    Column("finished_at", DateTime(timezone=True)),
    Column("status", Text, nullable=False, server_default="running"),
    Column("metrics", JSONB),
    Column("tier", Text, comment="the worst of what a module's run read, which its outputs inherit"),
    CheckConstraint("status IN ('running', 'done', 'failed')", name="status"),
    CheckConstraint("tier IN ('A', 'B', 'C')", name="tier"),
)

factor_values = Table(
    "factor_values",
    metadata,
    Column("factor", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("company_id", Integer, primary_key=True, autoincrement=False),
    Column("as_of", Date, primary_key=True),
    Column("score", Double, nullable=False),
    Column("known_at", DateTime(timezone=True), nullable=False),
    Column("run_id", Uuid, nullable=False),
)
