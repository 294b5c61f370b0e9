"""Facts: insert-only, bitemporal, `source` in every key, each row stamped with its load.

Revision ID: 0004
Revises: 0003
"""

from alembic import op

from migrations.hypertable import make_hypertable

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE symbols (
    company_id integer NOT NULL,
    ticker text NOT NULL,
    valid_from date NOT NULL,
    source text NOT NULL,
    known_at timestamptz NOT NULL,
    valid_to date,
    load_id bigint NOT NULL,
    CONSTRAINT pk_symbols PRIMARY KEY (company_id, ticker, valid_from, source, known_at)
);
CREATE TABLE classifications (
    company_id integer NOT NULL,
    scheme text NOT NULL,
    valid_from date NOT NULL,
    source text NOT NULL,
    known_at timestamptz NOT NULL,
    valid_to date,
    code text NOT NULL,
    load_id bigint NOT NULL,
    CONSTRAINT pk_classifications PRIMARY KEY (company_id, scheme, valid_from, source, known_at)
);
CREATE TABLE universe_members (
    universe text NOT NULL,
    company_id integer NOT NULL,
    valid_from date NOT NULL,
    source text NOT NULL,
    known_at timestamptz NOT NULL,
    valid_to date,
    load_id bigint NOT NULL,
    CONSTRAINT pk_universe_members PRIMARY KEY (universe, company_id, valid_from, source, known_at)
);
CREATE TABLE prices (
    company_id integer NOT NULL,
    session date NOT NULL,
    source text NOT NULL,
    known_at timestamptz NOT NULL,
    open double precision,
    high double precision,
    low double precision,
    close double precision NOT NULL,
    volume double precision,
    load_id bigint NOT NULL,
    CONSTRAINT pk_prices PRIMARY KEY (company_id, session, source, known_at)
);
CREATE TABLE corporate_actions (
    company_id integer NOT NULL,
    ex_date date NOT NULL,
    kind text NOT NULL,
    source text NOT NULL,
    known_at timestamptz NOT NULL,
    value double precision NOT NULL,
    load_id bigint NOT NULL,
    CONSTRAINT pk_corporate_actions PRIMARY KEY (company_id, ex_date, kind, source, known_at),
    CONSTRAINT ck_corporate_actions_kind CHECK (kind IN ('split', 'dividend', 'delisting'))
);
CREATE TABLE fundamentals (
    company_id integer NOT NULL,
    field text NOT NULL,
    unit text NOT NULL,
    period_start date NOT NULL,
    period_end date NOT NULL,
    source text NOT NULL,
    known_at timestamptz NOT NULL,
    value double precision NOT NULL,
    load_id bigint NOT NULL,
    CONSTRAINT pk_fundamentals PRIMARY KEY (company_id, field, unit, period_start, period_end, source, known_at)
);
CREATE TABLE events (
    event_id text NOT NULL,
    known_at timestamptz NOT NULL,
    company_id integer NOT NULL,
    event_type text NOT NULL,
    event_date date NOT NULL,
    source text NOT NULL,
    title text,
    payload jsonb,
    load_id bigint NOT NULL,
    CONSTRAINT pk_events PRIMARY KEY (event_id, known_at)
);
CREATE INDEX ix_events_event_type_event_date ON events (event_type, event_date);
CREATE TABLE relations (
    src_id integer NOT NULL,
    relation text NOT NULL,
    dst_id integer NOT NULL,
    valid_from date NOT NULL,
    source text NOT NULL,
    known_at timestamptz NOT NULL,
    valid_to date,
    weight double precision,
    load_id bigint NOT NULL,
    CONSTRAINT pk_relations PRIMARY KEY (src_id, relation, dst_id, valid_from, source, known_at)
);
CREATE TABLE benchmarks (
    series text NOT NULL,
    session date NOT NULL,
    source text NOT NULL,
    known_at timestamptz NOT NULL,
    value double precision NOT NULL,
    load_id bigint NOT NULL,
    CONSTRAINT pk_benchmarks PRIMARY KEY (series, session, source, known_at)
);
"""

# table -> columns that name entities
FACTS = {
    "symbols": "company_id",
    "classifications": "company_id",
    "universe_members": "company_id",
    "prices": "company_id",
    "corporate_actions": "company_id",
    "fundamentals": "company_id",
    "events": "company_id",
    "relations": "src_id, dst_id",
    "benchmarks": "",
}

GUARD = """
CREATE TRIGGER check_facts AFTER INSERT ON {table} REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION check_facts({arguments});
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON {table}
    FOR EACH ROW EXECUTE FUNCTION refuse_change('{table}');
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('{table}');
GRANT SELECT ON {table} TO nexus_reader;
GRANT SELECT, INSERT ON {table} TO nexus_app;
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(TABLES)
    make_hypertable("prices", "session", "5 years")
    for table, ids in FACTS.items():
        arguments = ", ".join([f"'{table}'", *(f"'{column}'" for column in ids.split(", ") if column)])
        op.execute(GUARD.format(table=table, arguments=arguments))


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table in FACTS:  # one by one: TimescaleDB drops a hypertable only alone
        op.execute(f"DROP TABLE {table}")
