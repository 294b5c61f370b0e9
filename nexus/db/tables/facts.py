"""Facts: insert-only, bitemporal; a restatement is a new row with a later `known_at`."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Column, Date, DateTime, Double, Index, Integer, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from nexus.db.tables.base import metadata


def _key(name: str, kind: type[Any]) -> Column[Any]:
    return Column(name, kind, primary_key=True, autoincrement=False)


def _stamps() -> tuple[Column[Any], Column[Any]]:
    return _key("source", Text), Column("known_at", DateTime(timezone=True), primary_key=True)


def _load() -> Column[Any]:
    return Column("load_id", BigInteger, nullable=False)


symbols = Table(
    "symbols",
    metadata,
    _key("company_id", Integer),
    _key("ticker", Text),
    _key("valid_from", Date),
    *_stamps(),
    Column("valid_to", Date),
    _load(),
)

classifications = Table(
    "classifications",
    metadata,
    _key("company_id", Integer),
    _key("scheme", Text),
    _key("valid_from", Date),
    *_stamps(),
    Column("valid_to", Date),
    Column("code", Text, nullable=False),
    _load(),
)

universe_members = Table(
    "universe_members",
    metadata,
    _key("universe", Text),
    _key("company_id", Integer),
    _key("valid_from", Date),
    *_stamps(),
    Column("valid_to", Date),
    _load(),
)

prices = Table(
    "prices",
    metadata,
    _key("company_id", Integer),
    _key("session", Date),
    *_stamps(),
    Column("open", Double),
    Column("high", Double),
    Column("low", Double),
    Column("close", Double, nullable=False),
    Column("volume", Double),
    _load(),
)

corporate_actions = Table(
    "corporate_actions",
    metadata,
    _key("company_id", Integer),
    _key("ex_date", Date),
    _key("kind", Text),
    *_stamps(),
    Column("value", Double, nullable=False),
    _load(),
    CheckConstraint("kind IN ('split', 'dividend', 'delisting')", name="kind"),
)

fundamentals = Table(
    "fundamentals",
    metadata,
    _key("company_id", Integer),
    _key("field", Text),
    _key("unit", Text),
    _key("period_start", Date),
    _key("period_end", Date),
    *_stamps(),
    Column("value", Double, nullable=False),
    _load(),
)

events = Table(
    "events",
    metadata,
    _key("event_id", Text),
    Column("known_at", DateTime(timezone=True), primary_key=True),
    Column("company_id", Integer, nullable=False),
    Column("event_type", Text, nullable=False),
    Column("event_date", Date, nullable=False),
    Column("source", Text, nullable=False),
    Column("title", Text),
    Column("payload", JSONB),
    _load(),
)
Index("ix_events_event_type_event_date", events.c.event_type, events.c.event_date)

relations = Table(
    "relations",
    metadata,
    _key("src_id", Integer),
    _key("relation", Text),
    _key("dst_id", Integer),
    _key("valid_from", Date),
    *_stamps(),
    Column("valid_to", Date),
    Column("weight", Double),
    _load(),
)

benchmarks = Table(
    "benchmarks",
    metadata,
    _key("series", Text),
    _key("session", Date),
    *_stamps(),
    Column("value", Double, nullable=False),
    _load(),
)
