"""The tables, as SQLAlchemy Core sees them; the migrations are what made them."""

from nexus.db.tables.base import metadata
from nexus.db.tables.facts import (
    benchmarks,
    classifications,
    corporate_actions,
    events,
    fundamentals,
    prices,
    relations,
    symbols,
    universe_members,
)
from nexus.db.tables.graph import (
    centrality_history,
    explanations,
    graph_checks,
    graph_edge_arrays,
    graph_node_arrays,
    graph_predictions,
    graph_snapshots,
    node_embeddings,
)
from nexus.db.tables.identity import entities, sessions
from nexus.db.tables.ledger import canaries, factor_evaluations, hypotheses, ledger_blocks, sketches
from nexus.db.tables.loads import ingest_runs, loads, rejected_rows, sources
from nexus.db.tables.paper import (
    paper_accounts,
    paper_equity,
    paper_fills,
    paper_orders,
    paper_positions,
    paper_sessions,
)
from nexus.db.tables.registry import signal_registry, signal_registry_history
from nexus.db.tables.runs import factor_values, model_runs
from nexus.db.tables.trading import backtest_equity, backtest_signals, backtest_trades, backtests

_FACTS = [
    symbols,
    classifications,
    universe_members,
    prices,
    corporate_actions,
    fundamentals,
    events,
    relations,
    benchmarks,
]
FACTS = {table.name: table for table in _FACTS}
_OUTPUTS = [centrality_history, explanations, graph_predictions, node_embeddings]
OUTPUTS = {table.name: table for table in _OUTPUTS}
"""What modules write, versioned; the runner UPSERTs it."""

__all__ = [
    "FACTS",
    "OUTPUTS",
    "backtest_equity",
    "backtest_signals",
    "backtest_trades",
    "backtests",
    "benchmarks",
    "canaries",
    "centrality_history",
    "classifications",
    "corporate_actions",
    "entities",
    "events",
    "explanations",
    "factor_evaluations",
    "factor_values",
    "fundamentals",
    "graph_checks",
    "graph_edge_arrays",
    "graph_node_arrays",
    "graph_predictions",
    "graph_snapshots",
    "hypotheses",
    "ingest_runs",
    "ledger_blocks",
    "loads",
    "metadata",
    "model_runs",
    "node_embeddings",
    "paper_accounts",
    "paper_equity",
    "paper_fills",
    "paper_orders",
    "paper_positions",
    "paper_sessions",
    "prices",
    "rejected_rows",
    "relations",
    "sessions",
    "signal_registry",
    "signal_registry_history",
    "sketches",
    "sources",
    "symbols",
    "universe_members",
]
