"""The edges of a snapshot name each source once, with how many edges it has: a third less to store and to send.

The graph that a row holds stays the same, so its guard is lifted while the row takes its other form.

Revision ID: 0011
Revises: 0010
"""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

ONCE = """
ALTER TABLE graph_edge_arrays DROP CONSTRAINT ck_graph_edge_arrays_lengths, ADD COLUMN src_counts integer[],
    ALTER COLUMN src_counts SET STORAGE EXTERNAL;
UPDATE graph_edge_arrays SET (src_ids, src_counts) = (
    SELECT coalesce(array_agg(id ORDER BY id), '{}'), coalesce(array_agg(n ORDER BY id), '{}')
    FROM (SELECT id, count(*)::integer AS n FROM unnest(src_ids) id GROUP BY id) sources);
CREATE FUNCTION total(integer[]) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (SELECT coalesce(sum(n), 0) FROM unnest($1) n);
ALTER TABLE graph_edge_arrays ALTER COLUMN src_counts SET NOT NULL,
    ADD CONSTRAINT ck_graph_edge_arrays_lengths CHECK (
        cardinality(src_ids) = cardinality(src_counts) AND cardinality(dst_ids) = cardinality(weights)),
    ADD CONSTRAINT ck_graph_edge_arrays_counts CHECK (
        0 < ALL (src_counts) AND total(src_counts) = cardinality(dst_ids));
"""
EACH = """
ALTER TABLE graph_edge_arrays DROP CONSTRAINT ck_graph_edge_arrays_lengths, DROP CONSTRAINT ck_graph_edge_arrays_counts;
DROP FUNCTION total(integer[]);
UPDATE graph_edge_arrays SET src_ids = ARRAY(
    SELECT id FROM unnest(src_ids, src_counts) sources (id, n), generate_series(1, n) ORDER BY id);
ALTER TABLE graph_edge_arrays DROP COLUMN src_counts,
    ADD CONSTRAINT ck_graph_edge_arrays_lengths CHECK (
        cardinality(src_ids) = cardinality(dst_ids) AND cardinality(src_ids) = cardinality(weights));
"""


def upgrade() -> None:
    _rewrite(ONCE)


def downgrade() -> None:
    _rewrite(EACH)


def _rewrite(statements: str) -> None:
    """Nobody else sees the table without its guard: it is locked from the first statement to the commit."""
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("ALTER TABLE graph_edge_arrays DISABLE TRIGGER refuse_change")
    op.execute(statements)
    op.execute("ALTER TABLE graph_edge_arrays ENABLE TRIGGER refuse_change")
