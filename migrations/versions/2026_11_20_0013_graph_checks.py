"""Up to which load a builder has looked at each day of its graph, be it that nothing had changed.

Revision ID: 0013
Revises: 0012
"""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

CHECKS = """
CREATE TABLE graph_checks (
    graph text NOT NULL,
    builder text NOT NULL,
    snapshot_date date NOT NULL,
    load_id bigint NOT NULL,
    CONSTRAINT pk_graph_checks PRIMARY KEY (graph, builder, snapshot_date)
);
COMMENT ON COLUMN graph_checks.load_id IS 'the facts up to it were seen when the day was last built';
INSERT INTO graph_checks
    SELECT graph, builder, snapshot_date, max(load_id) FROM graph_snapshots GROUP BY graph, builder, snapshot_date;
GRANT SELECT ON graph_checks TO nexus_reader;
GRANT SELECT, INSERT, UPDATE ON graph_checks TO nexus_app;
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(CHECKS)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("DROP TABLE graph_checks")
