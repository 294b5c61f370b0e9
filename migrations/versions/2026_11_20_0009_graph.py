"""The graph and what modules make of it: snapshots, centrality, embeddings, predictions, explanations.

Snapshots are insert-only; modules UPSERT their outputs, keyed by model version and chunk, each row with the run that
wrote it and the moment from which a reader may see it.

Revision ID: 0009
Revises: 0008
"""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

SNAPSHOTS = """
CREATE TABLE graph_snapshots (
    snapshot_date date NOT NULL,
    graph_version text NOT NULL,
    graph text NOT NULL,
    builder text NOT NULL,
    content_hash text NOT NULL,
    known_at timestamptz NOT NULL,
    load_id bigint NOT NULL,
    tier text NOT NULL,
    n_nodes integer NOT NULL,
    n_edges integer NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_graph_snapshots PRIMARY KEY (snapshot_date, graph_version),
    CONSTRAINT ck_graph_snapshots_tier CHECK (tier IN ('A', 'B', 'C'))
);
COMMENT ON COLUMN graph_snapshots.builder IS 'digest of the recipe and of the code that built it';
COMMENT ON COLUMN graph_snapshots.content_hash IS 'of its sorted nodes and edges: the same hash, the same graph';
COMMENT ON COLUMN graph_snapshots.load_id IS 'the facts up to this load were seen';
CREATE INDEX ix_graph_snapshots_graph_snapshot_date ON graph_snapshots (graph, snapshot_date);
CREATE TABLE graph_node_arrays (
    snapshot_date date NOT NULL,
    graph_version text NOT NULL,
    node_type text NOT NULL,
    entity_ids integer[] NOT NULL,
    CONSTRAINT pk_graph_node_arrays PRIMARY KEY (snapshot_date, graph_version, node_type)
);
CREATE TABLE graph_edge_arrays (
    snapshot_date date NOT NULL,
    graph_version text NOT NULL,
    src_type text NOT NULL,
    relation text NOT NULL,
    dst_type text NOT NULL,
    src_ids integer[] NOT NULL,
    dst_ids integer[] NOT NULL,
    weights real[] NOT NULL,
    CONSTRAINT pk_graph_edge_arrays PRIMARY KEY (snapshot_date, graph_version, src_type, relation, dst_type),
    CONSTRAINT ck_graph_edge_arrays_lengths CHECK (
        cardinality(src_ids) = cardinality(dst_ids) AND cardinality(src_ids) = cardinality(weights))
);
ALTER TABLE graph_node_arrays ALTER COLUMN entity_ids SET STORAGE EXTERNAL;
ALTER TABLE graph_edge_arrays ALTER COLUMN src_ids SET STORAGE EXTERNAL, ALTER COLUMN dst_ids SET STORAGE EXTERNAL,
    ALTER COLUMN weights SET STORAGE EXTERNAL;
"""

STAMPS = """
    split text NOT NULL,
    known_at timestamptz NOT NULL,
    run_id uuid NOT NULL"""

OUTPUTS = f"""
CREATE TABLE centrality_history (
    company_id integer NOT NULL,
    as_of date NOT NULL,
    model_version text NOT NULL,
    chunk integer NOT NULL,
    graph_version text NOT NULL,
    degree integer NOT NULL,
    degrees jsonb NOT NULL,
    pagerank double precision NOT NULL,
    eigenvector double precision NOT NULL,
    betweenness double precision NOT NULL,
    clustering double precision NOT NULL,
    k_core integer NOT NULL,
    katz double precision NOT NULL,{STAMPS},
    CONSTRAINT pk_centrality_history PRIMARY KEY (company_id, as_of, model_version, chunk)
);
CREATE INDEX ix_centrality_history_model_version_as_of ON centrality_history (model_version, as_of);
COMMENT ON COLUMN centrality_history.degrees IS 'edges of the company by relation and direction';
CREATE TABLE node_embeddings (
    company_id integer NOT NULL,
    snapshot_date date NOT NULL,
    model_version text NOT NULL,
    chunk integer NOT NULL,
    graph_version text NOT NULL,
    embedding real[] NOT NULL,
    embedding_dim integer NOT NULL,
    trained_to date NOT NULL,{STAMPS},
    CONSTRAINT pk_node_embeddings PRIMARY KEY (company_id, snapshot_date, model_version, chunk),
    CONSTRAINT ck_node_embeddings_embedding_dim CHECK (cardinality(embedding) = embedding_dim)
);
CREATE INDEX ix_node_embeddings_model_version_snapshot_date ON node_embeddings (model_version, snapshot_date);
CREATE TABLE graph_predictions (
    company_id integer NOT NULL,
    as_of date NOT NULL,
    model_version text NOT NULL,
    chunk integer NOT NULL,
    score double precision NOT NULL,
    probability double precision NOT NULL,
    trained_to date NOT NULL,{STAMPS},
    CONSTRAINT pk_graph_predictions PRIMARY KEY (company_id, as_of, model_version, chunk),
    CONSTRAINT ck_graph_predictions_probability CHECK (probability BETWEEN 0 AND 1)
);
CREATE INDEX ix_graph_predictions_model_version_as_of ON graph_predictions (model_version, as_of);
COMMENT ON COLUMN graph_predictions.score IS 'predicted rank of the return over the horizon, centred: -0.5 to 0.5';
COMMENT ON COLUMN graph_predictions.probability IS 'that the return is above the median of the day';
CREATE TABLE explanations (
    module text NOT NULL,
    model_version text NOT NULL,
    company_id integer NOT NULL,
    as_of date NOT NULL,
    feature text NOT NULL,
    chunk integer NOT NULL,
    attribution double precision NOT NULL,
    known_at timestamptz NOT NULL,
    run_id uuid NOT NULL,
    CONSTRAINT pk_explanations PRIMARY KEY (module, model_version, company_id, as_of, feature, chunk)
);
GRANT SELECT ON graph_snapshots, graph_node_arrays, graph_edge_arrays, centrality_history, node_embeddings,
    graph_predictions, explanations TO nexus_reader;
GRANT SELECT, INSERT ON graph_snapshots, graph_node_arrays, graph_edge_arrays TO nexus_app;
GRANT SELECT, INSERT, UPDATE ON centrality_history, node_embeddings, graph_predictions, explanations TO nexus_app;
"""
RUNS = """
ALTER TABLE model_runs ADD COLUMN tier text CONSTRAINT ck_model_runs_tier CHECK (tier IN ('A', 'B', 'C'));
COMMENT ON COLUMN model_runs.tier IS 'the worst of what a module''s run read, which its outputs inherit';
"""
SPLITS = ("centrality_history", "node_embeddings", "graph_predictions")
INSERT_ONLY = ("graph_snapshots", "graph_node_arrays", "graph_edge_arrays")
TABLES = (*INSERT_ONLY, *SPLITS, "explanations")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(SNAPSHOTS)
    op.execute(OUTPUTS)
    op.execute(RUNS)
    for table in SPLITS:
        op.execute(
            f"ALTER TABLE {table} ADD CONSTRAINT ck_{table}_split "
            "CHECK (split IN ('train', 'validation', 'test', 'none'))"
        )
    for table in INSERT_ONLY:
        op.execute(
            f"CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON {table} "
            f"FOR EACH ROW EXECUTE FUNCTION refuse_change('{table}')"
        )
        op.execute(
            f"CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON {table} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('{table}')"
        )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table in TABLES:
        op.execute(f"DROP TABLE {table}")
    op.execute("ALTER TABLE model_runs DROP COLUMN tier")
