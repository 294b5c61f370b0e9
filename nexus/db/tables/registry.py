"""The registry: what stands today, and what stood before."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from nexus.db.tables.base import metadata

signal_registry = Table(
    "signal_registry",
    metadata,
    Column("name", Text, primary_key=True),
    Column("factor", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("tier", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("declaration_no", Integer, nullable=False),
    Column("judgement_id", Uuid, nullable=False),
    Column("evaluation_id", BigInteger, ForeignKey("factor_evaluations.evaluation_id"), nullable=False),
    Column("t_stat", Double),
    Column("hlz_passes", Boolean, nullable=False),
    Column("m", BigInteger, nullable=False),
    Column("detectable_ic", Double),
    Column("coverage", Double),
    Column("retest_after_n", Integer),
    Column("regime_profile", JSONB, nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=text("clock_timestamp()")),
    CheckConstraint("status IN ('approved', 'candidate', 'rejected', 'retired')", name="status"),
    CheckConstraint("verdict IN ('pass', 'inconclusive', 'null', 'underpowered')", name="verdict"),
    CheckConstraint("tier IN ('A', 'B', 'C')", name="tier"),
)

signal_registry_history = Table(
    "signal_registry_history",
    metadata,
    Column("history_id", BigInteger, Identity(always=True), primary_key=True),
    Column("name", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("status_before", Text),
    Column("changed_at", DateTime(timezone=True), nullable=False),
    Column("row", JSONB, nullable=False),
)
Index("ix_signal_registry_history_name", signal_registry_history.c.name)
