"""A schema of its own for the studies of hyper-parameter search: Optuna makes and migrates its tables itself.

Revision ID: 0010
Revises: 0009
"""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("CREATE SCHEMA hpo")
    op.execute("GRANT USAGE, CREATE ON SCHEMA hpo TO nexus_app")
    op.execute("GRANT USAGE ON SCHEMA hpo TO nexus_reader")
    op.execute("ALTER DEFAULT PRIVILEGES FOR ROLE nexus_app IN SCHEMA hpo GRANT SELECT ON TABLES TO nexus_reader")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("DROP SCHEMA hpo CASCADE")
