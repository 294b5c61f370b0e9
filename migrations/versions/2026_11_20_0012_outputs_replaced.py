"""A day of an output is replaced as a whole: what was said there before and is said no more may go.

Revision ID: 0012
Revises: 0011
"""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

OUTPUTS = "centrality_history, node_embeddings, graph_predictions, explanations"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(f"GRANT DELETE ON {OUTPUTS} TO nexus_app")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(f"REVOKE DELETE ON {OUTPUTS} FROM nexus_app")
