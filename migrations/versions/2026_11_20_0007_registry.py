"""The registry: each signal's current standing, and its history by trigger.

Revision ID: 0007
Revises: 0006
"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE signal_registry (
    name text NOT NULL,
    factor text NOT NULL,
    version text NOT NULL,
    type text NOT NULL,
    tier text NOT NULL,
    status text NOT NULL,
    verdict text NOT NULL,
    reason text NOT NULL,
    declaration_no integer NOT NULL,
    judgement_id uuid NOT NULL,
    evaluation_id bigint NOT NULL,
    t_stat double precision,
    hlz_passes boolean NOT NULL,
    m bigint NOT NULL,
    detectable_ic double precision,
    coverage double precision,
    retest_after_n integer,
    regime_profile jsonb NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_signal_registry PRIMARY KEY (name),
    CONSTRAINT fk_signal_registry_evaluation_id_factor_evaluations
        FOREIGN KEY (evaluation_id) REFERENCES factor_evaluations (evaluation_id),
    CONSTRAINT ck_signal_registry_status CHECK (status IN ('approved', 'candidate', 'rejected', 'retired')),
    CONSTRAINT ck_signal_registry_verdict CHECK (verdict IN ('pass', 'inconclusive', 'null', 'underpowered')),
    CONSTRAINT ck_signal_registry_tier CHECK (tier IN ('A', 'B', 'C'))
);
CREATE TABLE signal_registry_history (
    history_id bigint GENERATED ALWAYS AS IDENTITY,
    name text NOT NULL,
    status text NOT NULL,
    status_before text,
    changed_at timestamptz NOT NULL,
    row jsonb NOT NULL,
    CONSTRAINT pk_signal_registry_history PRIMARY KEY (history_id)
);
CREATE INDEX ix_signal_registry_history_name ON signal_registry_history (name);
"""

FUNCTIONS = """
CREATE FUNCTION check_registry() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
    NEW.updated_at := clock_timestamp();
    IF NEW.status = 'approved' AND NOT EXISTS (
        SELECT FROM factor_evaluations e JOIN hypotheses h USING (root_no)
        WHERE e.evaluation_id = NEW.evaluation_id AND stands(e, ledger_m())
          AND (h.declaration_no, h.factor, h.version) = (NEW.declaration_no, NEW.factor, NEW.version)
          AND NOT EXISTS (SELECT FROM factor_evaluations l WHERE l.root_no = e.root_no AND l.look_no > e.look_no)
    ) THEN
        RAISE EXCEPTION 'signal %: evaluation % does not stand, so it cannot be approved', NEW.name, NEW.evaluation_id
            USING ERRCODE = 'integrity_constraint_violation',
                  HINT = 'Statuses follow from the ledger: run `nexus signals register`.';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION keep_registry_history() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
    INSERT INTO signal_registry_history (name, status, status_before, changed_at, row)
    VALUES (NEW.name, NEW.status, CASE WHEN TG_OP = 'UPDATE' THEN OLD.status END, NEW.updated_at, to_jsonb(NEW));
    RETURN NULL;
END $$;
"""

TRIGGERS = """
CREATE TRIGGER check_registry BEFORE INSERT OR UPDATE ON signal_registry
    FOR EACH ROW EXECUTE FUNCTION check_registry();
CREATE TRIGGER keep_registry_history AFTER INSERT OR UPDATE ON signal_registry
    FOR EACH ROW EXECUTE FUNCTION keep_registry_history();
CREATE TRIGGER refuse_change BEFORE DELETE ON signal_registry
    FOR EACH ROW EXECUTE FUNCTION refuse_change('signal_registry');
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON signal_registry
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('signal_registry');
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON signal_registry_history
    FOR EACH ROW EXECUTE FUNCTION refuse_change('signal_registry_history');
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON signal_registry_history
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('signal_registry_history');
GRANT SELECT ON signal_registry, signal_registry_history TO nexus_reader, nexus_app;
GRANT INSERT, UPDATE ON signal_registry TO nexus_app;
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(TABLES)
    op.execute(FUNCTIONS)
    op.execute(TRIGGERS)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("DROP TABLE signal_registry_history, signal_registry")
    op.execute("DROP FUNCTION keep_registry_history(), check_registry()")
