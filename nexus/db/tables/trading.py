"""Backtests: what was run, on which evaluations, and what came of it. The gate is the trigger on `backtest_signals`."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from nexus.db.tables.base import metadata

CUT = "the latest approval among its signals: up to it the figures are in-sample selection"
KURTOSIS = "of the net returns per session, as the moments beside it; not the excess"

backtests = Table(
    "backtests",
    metadata,
    Column("backtest_id", BigInteger, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False),
    Column("spec", JSONB, nullable=False),
    Column("spec_hash", Text, nullable=False),
    Column("code_version", Text, nullable=False),
    Column("code_hash", Text, nullable=False),
    Column("load_id", BigInteger, nullable=False),
    Column("as_of", DateTime(timezone=True), nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("universe", Text, nullable=False),
    Column("first_session", Date, nullable=False),
    Column("last_session", Date, nullable=False),
    Column("mode", Text, nullable=False),
    Column("exploratory", Boolean, nullable=False),
    Column("reason", Text),
    Column("selection_cut", Date, comment=CUT),
    Column(
        "variants",
        Integer,
        nullable=False,
        server_default=text("1"),
        comment="specs tried for this run, its own included",
    ),
    Column("net_n", Integer, nullable=False),
    Column("net_mean", Double),
    Column("net_sd", Double),
    Column("net_skew", Double),
    Column("net_kurtosis", Double, comment=KURTOSIS),
    Column("figures", JSONB, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("xid", BigInteger, nullable=False),
    CheckConstraint("first_session < last_session", name="sessions"),
    CheckConstraint("mode IN ('as_approved', 'fixed')", name="mode"),
    CheckConstraint(r"exploratory = (reason IS NOT NULL) AND reason ~ '\S'", name="reason"),
    CheckConstraint("variants >= 1", name="variants"),
    CheckConstraint("net_n >= 0", name="net_n"),
    Index("ix_backtests_spec_hash", "spec_hash"),
)

backtest_signals = Table(
    "backtest_signals",
    metadata,
    Column("backtest_id", BigInteger, ForeignKey("backtests.backtest_id"), primary_key=True, autoincrement=False),
    Column("evaluation_id", BigInteger, primary_key=True, autoincrement=False),
    Column("signal", Text, nullable=False, comment="as the spec calls it"),
    Column("factor", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("weight", Double, nullable=False),
    ForeignKeyConstraint(
        ["evaluation_id", "factor", "version"],
        ["factor_evaluations.evaluation_id", "factor_evaluations.factor", "factor_evaluations.version"],
        name="fk_backtest_signals_evaluation_id_factor_evaluations",
    ),
    CheckConstraint("abs(weight) < 'Infinity'", name="weight"),
    Index("ix_backtest_signals_evaluation_id", "evaluation_id"),
)

backtest_equity = Table(
    "backtest_equity",
    metadata,
    Column("backtest_id", BigInteger, primary_key=True, autoincrement=False),
    Column("session", Date, primary_key=True),
    Column("equity", Double, nullable=False),
    Column("cash", Double, nullable=False),
    Column("long", Double, nullable=False),
    Column("short", Double, nullable=False, comment="positive: equity = cash + long - short"),
    Column("pnl", Double, nullable=False, comment="since the close before, before costs"),
    Column("traded", Double, nullable=False),
    Column("commission", Double, nullable=False),
    Column("spread", Double, nullable=False),
    Column("impact", Double, nullable=False),
    Column("borrow", Double, nullable=False),
    Column("benchmark", Double, comment="level of the benchmark at the close"),
)

backtest_trades = Table(
    "backtest_trades",
    metadata,
    Column("backtest_id", BigInteger, primary_key=True, autoincrement=False),
    Column("trade_no", Integer, primary_key=True, autoincrement=False),
    Column("decided", Date, nullable=False),
    Column("session", Date, nullable=False),
    Column("company_id", Integer, nullable=False),
    Column("shares", Double, nullable=False),
    Column("price", Double, nullable=False),
    Column("commission", Double, nullable=False),
    Column("spread", Double, nullable=False),
    Column("impact", Double, nullable=False),
    CheckConstraint("session > decided", name="session"),
    CheckConstraint("price > 0 AND price < 'Infinity'", name="price"),
)
