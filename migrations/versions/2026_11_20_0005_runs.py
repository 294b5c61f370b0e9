"""Runs, and the scores that a registered factor published.

Revision ID: 0005
Revises: 0004
"""

from alembic import op

from migrations.hypertable import make_hypertable

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE model_runs (
    run_id uuid NOT NULL DEFAULT gen_random_uuid(),
    module text NOT NULL,
    model_version text NOT NULL,
    code_version text NOT NULL,
    code_hash text NOT NULL,
    params jsonb NOT NULL,
    load_id bigint NOT NULL,
    fingerprint text NOT NULL,
    trained_to date,
    device text NOT NULL DEFAULT 'cpu',
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz,
    status text NOT NULL DEFAULT 'running',
    metrics jsonb,
    CONSTRAINT pk_model_runs PRIMARY KEY (run_id),
    CONSTRAINT ck_model_runs_status CHECK (status IN ('running', 'done', 'failed'))
);
CREATE TABLE factor_values (
    factor text NOT NULL,
    version text NOT NULL,
    company_id integer NOT NULL,
    as_of date NOT NULL,
    score double precision NOT NULL,
    known_at timestamptz NOT NULL,
    run_id uuid NOT NULL,
    CONSTRAINT pk_factor_values PRIMARY KEY (factor, version, company_id, as_of)
);
GRANT SELECT ON model_runs, factor_values TO nexus_reader;
GRANT SELECT, INSERT, UPDATE ON model_runs TO nexus_app;
GRANT SELECT, INSERT ON factor_values TO nexus_app;
"""

GUARD = """
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON factor_values
    FOR EACH ROW EXECUTE FUNCTION refuse_change('factor_values');
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON factor_values
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('factor_values');
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(TABLES)
    make_hypertable("factor_values", "as_of", "5 years")
    op.execute(GUARD)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("DROP TABLE factor_values")
    op.execute("DROP TABLE model_runs")
