"""Loads: transactions of facts, numbered in commit order; what could not be taken is kept with its reason.

Revision ID: 0003
Revises: 0002
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE sources (
    source text NOT NULL,
    known_at_basis text NOT NULL,
    basis date,
    preference smallint NOT NULL DEFAULT 100,
    licence text,
    description text NOT NULL DEFAULT '',
    CONSTRAINT pk_sources PRIMARY KEY (source),
    CONSTRAINT ck_sources_known_at_basis CHECK (known_at_basis IN ('reported', 'assumed', 'backdated'))
);
COMMENT ON COLUMN sources.basis IS
    'prices and dividends are adjusted for splits up to and including this day; NULL: as traded';
CREATE TABLE ingest_runs (
    ingest_run_id uuid NOT NULL DEFAULT gen_random_uuid(),
    command text NOT NULL,
    code_version text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz,
    summary jsonb,
    CONSTRAINT pk_ingest_runs PRIMARY KEY (ingest_run_id)
);
CREATE TABLE loads (
    load_id bigint NOT NULL,
    load_uuid uuid NOT NULL,
    ingest_run_id uuid NOT NULL,
    table_name text NOT NULL,
    source text NOT NULL,
    file_name text,
    file_sha256 text,
    rows_read bigint NOT NULL,
    rows_inserted bigint NOT NULL,
    opened_at timestamptz NOT NULL,
    xid bigint NOT NULL,
    CONSTRAINT pk_loads PRIMARY KEY (load_id),
    CONSTRAINT uq_loads_load_uuid UNIQUE (load_uuid),
    CONSTRAINT fk_loads_ingest_run_id_ingest_runs FOREIGN KEY (ingest_run_id) REFERENCES ingest_runs (ingest_run_id),
    CONSTRAINT fk_loads_source_sources FOREIGN KEY (source) REFERENCES sources (source)
);
CREATE INDEX ix_loads_table_name_load_id ON loads (table_name, load_id);
CREATE INDEX ix_loads_file_sha256 ON loads (file_sha256);
CREATE TABLE rejected_rows (
    rejected_id bigint GENERATED ALWAYS AS IDENTITY,
    ingest_run_id uuid NOT NULL,
    table_name text NOT NULL,
    source text NOT NULL,
    file_name text,
    file_sha256 text,
    row_number bigint,
    reason text NOT NULL,
    detail text NOT NULL,
    row_text text,
    rejected_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    resolved_load_id bigint,
    CONSTRAINT pk_rejected_rows PRIMARY KEY (rejected_id),
    CONSTRAINT fk_rejected_rows_ingest_run_id_ingest_runs
        FOREIGN KEY (ingest_run_id) REFERENCES ingest_runs (ingest_run_id)
);
CREATE INDEX ix_rejected_rows_file_sha256 ON rejected_rows (file_sha256);
"""

FUNCTIONS = """
CREATE FUNCTION ingest_lock() RETURNS void
LANGUAGE sql SET search_path = pg_catalog, public, pg_temp
AS $$ SELECT pg_advisory_xact_lock(4200, 1) $$;

CREATE FUNCTION refuse_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION '% is insert-only: % refused', TG_ARGV[0], TG_OP
        USING ERRCODE = 'integrity_constraint_violation',
              HINT = 'A correction is a new row: a new vintage of a fact, or a new evaluation.';
END $$;

CREATE FUNCTION open_load() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'a load needs READ COMMITTED, not %', current_setting('transaction_isolation')
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    PERFORM ingest_lock();
    NEW.load_id := coalesce((SELECT max(load_id) FROM loads), 0) + 1;
    NEW.load_uuid := gen_random_uuid();
    NEW.opened_at := clock_timestamp();
    NEW.xid := pg_current_xact_id()::text::bigint;
    RETURN NEW;
END $$;

CREATE FUNCTION check_facts() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
    stranger bigint;
    id_column text;
BEGIN
    SELECT n.load_id INTO stranger
    FROM (SELECT DISTINCT load_id FROM new_rows) n
    LEFT JOIN loads l ON l.load_id = n.load_id AND l.table_name = TG_ARGV[0] AND l.xid = pg_current_xact_id()::text::bigint
    WHERE l.load_id IS NULL LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION '%: load_id % was not opened for this table by this transaction',
            TG_ARGV[0], coalesce(stranger::text, 'NULL')
            USING ERRCODE = 'integrity_constraint_violation',
                  HINT = 'INSERT INTO loads ... RETURNING load_id, then the facts, then COMMIT.';
    END IF;
    FOREACH id_column IN ARRAY TG_ARGV[1:] LOOP
        EXECUTE format(
            'SELECT n.id FROM (SELECT DISTINCT %I AS id FROM new_rows) n '
            'WHERE NOT EXISTS (SELECT FROM public.entities e WHERE e.entity_id = n.id) LIMIT 1', id_column)
        INTO stranger;
        IF stranger IS NOT NULL THEN
            RAISE EXCEPTION '%: % % is no entity', TG_ARGV[0], id_column, stranger
                USING ERRCODE = 'foreign_key_violation', HINT = 'Add the company to entities first.';
        END IF;
    END LOOP;
    RETURN NULL;
END $$;
"""

TRIGGERS = """
CREATE TRIGGER open_load BEFORE INSERT ON loads FOR EACH ROW EXECUTE FUNCTION open_load();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON loads FOR EACH ROW EXECUTE FUNCTION refuse_change('loads');
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON loads FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('loads');
GRANT SELECT ON sources, ingest_runs, loads, rejected_rows TO nexus_reader;
GRANT SELECT, INSERT ON loads TO nexus_app;
GRANT SELECT, INSERT, UPDATE ON sources, ingest_runs, rejected_rows TO nexus_app;
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(TABLES)
    op.execute(FUNCTIONS)
    op.execute(TRIGGERS)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("DROP TABLE rejected_rows, loads, ingest_runs, sources")
    op.execute("DROP FUNCTION check_facts(), open_load(), refuse_change(), ingest_lock()")
