"""Who a row is about, and when there was a market."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Identity,
    Integer,
    Table,
    Text,
    UniqueConstraint,
)

from nexus.db.tables.base import metadata

entities = Table(
    "entities",
    metadata,
    Column("entity_id", Integer, Identity(always=False), primary_key=True),
    Column("kind", Text, nullable=False),
    Column("identity", Text, nullable=False),
    Column("cik", BigInteger),
    Column("name", Text, nullable=False),
    UniqueConstraint("identity"),
    CheckConstraint("kind IN ('company', 'fund', 'director', 'extended')", name="kind"),
)

sessions = Table(
    "sessions",
    metadata,
    Column("calendar", Text, primary_key=True),
    Column("session", Date, primary_key=True),
    Column("opens_at", DateTime(timezone=True), nullable=False),
    Column("closes_at", DateTime(timezone=True), nullable=False),
)
