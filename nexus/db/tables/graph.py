"""Graph snapshots, as arrays, and what modules make of them."""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    REAL,
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Double,
    Index,
    Integer,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from nexus.db.tables.base import metadata


def _key(day: str) -> list[Column[object]]:
    """Whose row it is, of which day, by which weights."""
    return [
        Column("company_id", Integer, primary_key=True, autoincrement=False),
        Column(day, Date, primary_key=True),
        Column("model_version", Text, primary_key=True),
        Column("chunk", Integer, primary_key=True, autoincrement=False),
    ]


def _stamps() -> list[Column[object]]:
    """What the runner adds to each row of an output."""
    return [
        Column("split", Text, nullable=False),
        Column("known_at", DateTime(timezone=True), nullable=False),
        Column("run_id", Uuid, nullable=False),
    ]


def _split() -> CheckConstraint:
    return CheckConstraint("split IN ('train', 'validation', 'test', 'none')", name="split")


graph_snapshots = Table(
    "graph_snapshots",
    metadata,
    Column("snapshot_date", Date, primary_key=True),
    Column("graph_version", Text, primary_key=True),
    Column("graph", Text, nullable=False),
    Column("builder", Text, nullable=False, comment="digest of the recipe and of the code that built it"),
    Column("content_hash", Text, nullable=False,
           comment="of its sorted nodes and edges: the same hash, the same graph"),
    Column("known_at", DateTime(timezone=True), nullable=False),
    Column("load_id", BigInteger, nullable=False, comment="the facts up to this load were seen"),
    Column("tier", Text, nullable=False),
    Column("n_nodes", Integer, nullable=False),
    Column("n_edges", Integer, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=text("clock_timestamp()")),
    CheckConstraint("tier IN ('A', 'B', 'C')", name="tier"),
)  # fmt: skip
Index("ix_graph_snapshots_graph_snapshot_date", graph_snapshots.c.graph, graph_snapshots.c.snapshot_date)

graph_checks = Table(
    "graph_checks",
    metadata,
    Column("graph", Text, primary_key=True),
    Column("builder", Text, primary_key=True),
    Column("snapshot_date", Date, primary_key=True),
    Column("load_id", BigInteger, nullable=False, comment="the facts up to it were seen when the day was last built"),
)

graph_node_arrays = Table(
    "graph_node_arrays",
    metadata,
    Column("snapshot_date", Date, primary_key=True),
    Column("graph_version", Text, primary_key=True),
    Column("node_type", Text, primary_key=True),
    Column("entity_ids", ARRAY(Integer), nullable=False),
)

graph_edge_arrays = Table(
    "graph_edge_arrays",
    metadata,
    Column("snapshot_date", Date, primary_key=True),
    Column("graph_version", Text, primary_key=True),
    Column("src_type", Text, primary_key=True),
    Column("relation", Text, primary_key=True),
    Column("dst_type", Text, primary_key=True),
    Column("src_ids", ARRAY(Integer), nullable=False),
    Column("src_counts", ARRAY(Integer), nullable=False),
    Column("dst_ids", ARRAY(Integer), nullable=False),
    Column("weights", ARRAY(REAL), nullable=False),
    CheckConstraint(
        "cardinality(src_ids) = cardinality(src_counts) AND cardinality(dst_ids) = cardinality(weights)", name="lengths"
    ),
    CheckConstraint("0 < ALL (src_counts) AND total(src_counts) = cardinality(dst_ids)", name="counts"),
)

centrality_history = Table(
    "centrality_history",
    metadata,
    *_key("as_of"),
    Column("graph_version", Text, nullable=False),
    Column("degree", Integer, nullable=False),
    Column("degrees", JSONB, nullable=False, comment="edges of the company by relation and direction"),
    Column("pagerank", Double, nullable=False),
    Column("eigenvector", Double, nullable=False),
    Column("betweenness", Double, nullable=False),
    Column("clustering", Double, nullable=False),
    Column("k_core", Integer, nullable=False),
    Column("katz", Double, nullable=False),
    *_stamps(),
    _split(),
)

Index("ix_centrality_history_model_version_as_of", centrality_history.c.model_version, centrality_history.c.as_of)

node_embeddings = Table(
    "node_embeddings",
    metadata,
    *_key("snapshot_date"),
    Column("graph_version", Text, nullable=False),
    Column("embedding", ARRAY(REAL), nullable=False),
    Column("embedding_dim", Integer, nullable=False),
    Column("trained_to", Date, nullable=False),
    *_stamps(),
    CheckConstraint("cardinality(embedding) = embedding_dim", name="embedding_dim"),
    _split(),
)
Index(
    "ix_node_embeddings_model_version_snapshot_date", node_embeddings.c.model_version, node_embeddings.c.snapshot_date
)

graph_predictions = Table(
    "graph_predictions",
    metadata,
    *_key("as_of"),
    Column("score", Double, nullable=False,
           comment="predicted rank of the return over the horizon, centred: -0.5 to 0.5"),
    Column("probability", Double, nullable=False, comment="that the return is above the median of the day"),
    Column("trained_to", Date, nullable=False),
    *_stamps(),
    CheckConstraint("probability BETWEEN 0 AND 1", name="probability"),
    _split(),
)  # fmt: skip

Index("ix_graph_predictions_model_version_as_of", graph_predictions.c.model_version, graph_predictions.c.as_of)

explanations = Table(
    "explanations",
    metadata,
    Column("module", Text, primary_key=True),
    Column("model_version", Text, primary_key=True),
    Column("company_id", Integer, primary_key=True, autoincrement=False),
    Column("as_of", Date, primary_key=True),
    Column("feature", Text, primary_key=True),
    Column("chunk", Integer, primary_key=True, autoincrement=False),
    Column("attribution", Double, nullable=False),
    Column("known_at", DateTime(timezone=True), nullable=False),
    Column("run_id", Uuid, nullable=False),
)
