"""Paper accounts: one row of `paper_sessions` an evening, and what hangs on it in the same transaction."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from nexus.db.tables.base import metadata


def _evening(table: str, column: str, key: str) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["account_id", column],
        ["paper_sessions.account_id", "paper_sessions.session"],
        name=f"fk_{table}_{key}_paper_sessions",
    )


paper_accounts = Table(
    "paper_accounts",
    metadata,
    Column("account_id", Integer, Identity(always=True), primary_key=True),
    Column("name", Text, nullable=False),
    Column("backtest_id", BigInteger, ForeignKey("backtests.backtest_id"), nullable=False),
    Column("spec", JSONB, nullable=False),
    Column("capital", Double, nullable=False),
    Column("opened_at", DateTime(timezone=True), nullable=False),
    Column("opened_session", Date, nullable=False),
    Column("closed_at", DateTime(timezone=True)),
    Column("closed_because", Text),
    UniqueConstraint("name"),
    CheckConstraint("capital > 0 AND capital < 'Infinity'", name="capital"),
    CheckConstraint("(closed_at IS NULL) = (closed_because IS NULL)", name="closed"),
)

paper_sessions = Table(
    "paper_sessions",
    metadata,
    Column("account_id", Integer, ForeignKey("paper_accounts.account_id"), primary_key=True, autoincrement=False),
    Column("session", Date, primary_key=True),
    Column("status", Text, nullable=False),
    Column("note", Text),
    Column("load_id", BigInteger, nullable=False),
    Column("code_version", Text, nullable=False),
    Column("processed_at", DateTime(timezone=True), nullable=False),
    Column("xid", BigInteger, nullable=False),
    CheckConstraint("status IN ('opened', 'held', 'rebalanced', 'closed')", name="status"),
)

paper_orders = Table(
    "paper_orders",
    metadata,
    Column("account_id", Integer, primary_key=True, autoincrement=False),
    Column("order_no", Integer, primary_key=True, autoincrement=False),
    Column("decided", Date, nullable=False),
    Column("company_id", Integer, ForeignKey("entities.entity_id"), nullable=False),
    Column("shares", Double, nullable=False),
    Column("reason", Text, nullable=False),
    Column("dollar_volume", Double, comment="average of a session, known at the decision; volatility likewise"),
    Column("volatility", Double),
    Column("status", Text, nullable=False, server_default="open"),
    Column(
        "open_shares", Double, nullable=False, comment="shares still to fill, restated for splits since the decision"
    ),
    Column("ended", Date),
    _evening("paper_orders", "decided", "account_id"),
    _evening("paper_orders", "ended", "ended"),
    CheckConstraint("status IN ('open', 'filled', 'lapsed', 'cancelled')", name="status"),
    CheckConstraint("(status = 'open') = (ended IS NULL)", name="ended"),
    Index("uq_paper_orders_open", "account_id", "company_id", unique=True, postgresql_where=text("status = 'open'")),
)

paper_fills = Table(
    "paper_fills",
    metadata,
    Column("account_id", Integer, primary_key=True, autoincrement=False),
    Column("order_no", Integer, primary_key=True, autoincrement=False),
    Column("fill_no", Integer, primary_key=True, autoincrement=False),
    Column("session", Date, nullable=False),
    Column("shares", Double, nullable=False),
    Column("price", Double, nullable=False),
    Column("commission", Double, nullable=False),
    Column("spread", Double, nullable=False),
    Column("impact", Double, nullable=False),
    UniqueConstraint("account_id", "order_no", "session", name="uq_paper_fills_session"),
    ForeignKeyConstraint(
        ["account_id", "order_no"],
        ["paper_orders.account_id", "paper_orders.order_no"],
        name="fk_paper_fills_account_id_paper_orders",
    ),
    _evening("paper_fills", "session", "account_id"),
    CheckConstraint("price > 0 AND price < 'Infinity'", name="price"),
)

paper_positions = Table(
    "paper_positions",
    metadata,
    Column("account_id", Integer, primary_key=True, autoincrement=False),
    Column("session", Date, primary_key=True),
    Column("company_id", Integer, ForeignKey("entities.entity_id"), primary_key=True, autoincrement=False),
    Column("shares", Double, nullable=False),
    Column("price", Double, nullable=False, comment="the last close"),
    Column("value", Double, nullable=False),
    _evening("paper_positions", "session", "account_id"),
)

paper_equity = Table(
    "paper_equity",
    metadata,
    Column("account_id", Integer, primary_key=True, autoincrement=False),
    Column("session", Date, primary_key=True),
    Column("equity", Double, nullable=False),
    Column("cash", Double, nullable=False),
    Column("long", Double, nullable=False),
    Column("short", Double, nullable=False),
    Column("pnl", Double, nullable=False),
    Column("traded", Double, nullable=False),
    Column("commission", Double, nullable=False),
    Column("spread", Double, nullable=False),
    Column("impact", Double, nullable=False),
    Column("borrow", Double, nullable=False),
    Column("benchmark", Double),
    _evening("paper_equity", "session", "account_id"),
)
