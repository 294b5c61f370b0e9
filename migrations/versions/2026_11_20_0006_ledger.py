"""The ledger: hypotheses, evaluations and the hash chain over them.

The database numbers hypotheses, evaluations and looks, stamps the time, decides what a look approved, and
appends one block per statement; a client supplies figures and nothing else.

Revision ID: 0006
Revises: 0005
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE hypotheses (
    hypothesis_no integer NOT NULL,
    declaration_no integer NOT NULL,
    root_no integer NOT NULL,
    same_as integer,
    sign smallint NOT NULL DEFAULT 1,
    signal text NOT NULL,
    factor text NOT NULL,
    version text NOT NULL,
    code_hash text NOT NULL,
    params_hash text NOT NULL,
    params jsonb NOT NULL,
    neutralise text NOT NULL,
    horizon smallint NOT NULL,
    universe text NOT NULL,
    rebalance text NOT NULL,
    entry_lag smallint NOT NULL,
    condition text,
    declared_at timestamptz NOT NULL,
    CONSTRAINT pk_hypotheses PRIMARY KEY (hypothesis_no),
    CONSTRAINT uq_hypotheses_declared UNIQUE NULLS NOT DISTINCT
        (factor, version, code_hash, params_hash, neutralise, horizon, universe, rebalance, entry_lag, condition),
    CONSTRAINT fk_hypotheses_same_as_hypotheses FOREIGN KEY (same_as) REFERENCES hypotheses (hypothesis_no),
    CONSTRAINT ck_hypotheses_sign CHECK (sign IN (-1, 1)),
    CONSTRAINT ck_hypotheses_neutralise
        CHECK (neutralise IN ('none', 'beta', 'beta+volatility', 'beta+volatility+sector'))
);
CREATE INDEX ix_hypotheses_root_no ON hypotheses (root_no);
CREATE INDEX ix_hypotheses_signal ON hypotheses (signal);
CREATE TABLE sketches (
    sketch_hash bytea NOT NULL,
    dates date[] NOT NULL,
    company_ids integer[] NOT NULL,
    ranks bytea NOT NULL,
    CONSTRAINT pk_sketches PRIMARY KEY (sketch_hash)
);
ALTER TABLE sketches ALTER COLUMN ranks SET STORAGE EXTERNAL;  -- ranks do not compress; trying costs more than COPY
COMMENT ON COLUMN hypotheses.sign IS 'of its scores against those of its root: -1 for the same factor upside down';
COMMENT ON COLUMN sketches.ranks IS
    'little-endian int16 (n_dates, n_companies), row-major: 2 x average rank scaled to 1..30000; -1 where no score';
CREATE TABLE canaries (
    canary_id bigint GENERATED ALWAYS AS IDENTITY,
    factor text NOT NULL,
    version text NOT NULL,
    code_hash text NOT NULL,
    params_hash text NOT NULL,
    passed boolean NOT NULL,
    days date[] NOT NULL,
    load_id bigint NOT NULL,
    detail jsonb,
    run_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_canaries PRIMARY KEY (canary_id)
);
CREATE INDEX ix_canaries_factor ON canaries (factor, version, code_hash, params_hash);
CREATE TABLE factor_evaluations (
    evaluation_id bigint NOT NULL,
    judgement_id uuid NOT NULL,
    hypothesis_no integer NOT NULL,
    root_no integer NOT NULL,
    look_no integer,
    approved boolean NOT NULL,
    kind text NOT NULL,
    factor text NOT NULL,
    version text NOT NULL,
    horizon smallint NOT NULL,
    run_id uuid NOT NULL,
    load_id bigint NOT NULL,
    as_of timestamptz NOT NULL,
    m_at bigint NOT NULL,
    tier text NOT NULL,
    first_date date,
    last_date date,
    last_gate_date date,
    n integer NOT NULL,
    ic_mean double precision,
    ic_sd double precision,
    hit_rate double precision,
    ic_mean_delisted_30 double precision,
    t_plain double precision,
    t_newey_west double precision,
    t_ewc double precision,
    ewc_dof integer,
    t_non_overlapping double precision,
    gate_n integer NOT NULL,
    gate_mean double precision,
    gate_sd double precision,
    gate_t double precision,
    gate_p double precision,
    null_low double precision,
    null_high double precision,
    names_mean double precision,
    coverage_mean double precision,
    ties_mean double precision,
    leavers integer NOT NULL,
    no_entry integer NOT NULL,
    dropped_dates integer NOT NULL,
    sign_agrees boolean NOT NULL,
    stable boolean NOT NULL,
    declining boolean NOT NULL,
    wrong_since_approval boolean NOT NULL,
    contaminated boolean NOT NULL,
    suspect boolean NOT NULL,
    detectable_ic double precision,
    months_02 double precision,
    months_03 double precision,
    months_05 double precision,
    portfolio_n integer NOT NULL,
    portfolio_mean double precision,
    portfolio_sd double precision,
    portfolio_skew double precision,
    portfolio_kurtosis double precision,
    sketch_hash bytea,
    values_hash bytea NOT NULL,
    dates date[] NOT NULL,
    ic double precision[] NOT NULL,
    gate_dates date[] NOT NULL,
    gate_ic double precision[] NOT NULL,
    near_duplicates jsonb NOT NULL,
    details jsonb NOT NULL,
    evaluated_at timestamptz NOT NULL,
    CONSTRAINT pk_factor_evaluations PRIMARY KEY (evaluation_id),
    CONSTRAINT uq_factor_evaluations_root_no_look_no UNIQUE (root_no, look_no),
    CONSTRAINT uq_factor_evaluations_factor UNIQUE (evaluation_id, factor, version),
    CONSTRAINT fk_factor_evaluations_hypothesis_no_hypotheses
        FOREIGN KEY (hypothesis_no) REFERENCES hypotheses (hypothesis_no),
    CONSTRAINT fk_factor_evaluations_run_id_model_runs FOREIGN KEY (run_id) REFERENCES model_runs (run_id),
    CONSTRAINT fk_factor_evaluations_sketch_hash_sketches
        FOREIGN KEY (sketch_hash) REFERENCES sketches (sketch_hash),
    CONSTRAINT ck_factor_evaluations_kind CHECK (kind IN ('judgement', 'description')),
    CONSTRAINT ck_factor_evaluations_tier CHECK (tier IN ('A', 'B', 'C')),
    CONSTRAINT ck_factor_evaluations_gate_p CHECK (gate_p BETWEEN 0 AND 1),
    CONSTRAINT ck_factor_evaluations_n CHECK (n = cardinality(dates) AND n = cardinality(ic)),
    CONSTRAINT ck_factor_evaluations_gate_n
        CHECK (gate_n = cardinality(gate_dates) AND gate_n = cardinality(gate_ic))
);
CREATE INDEX ix_factor_evaluations_hypothesis_no ON factor_evaluations (hypothesis_no);
CREATE INDEX ix_factor_evaluations_judgement_id ON factor_evaluations (judgement_id);
CREATE TABLE ledger_blocks (
    block_no bigint NOT NULL,
    first_evaluation_id bigint NOT NULL,
    last_evaluation_id bigint NOT NULL,
    looks bigint NOT NULL,
    m bigint NOT NULL,
    previous_hash bytea NOT NULL,
    hash bytea NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT pk_ledger_blocks PRIMARY KEY (block_no)
);
"""

FUNCTIONS = """
CREATE FUNCTION ledger_lock() RETURNS void
LANGUAGE sql SET search_path = pg_catalog, public, pg_temp
AS $$ SELECT pg_advisory_xact_lock(4200, 2) $$;

CREATE FUNCTION take_ledger_lock() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'the ledger needs READ COMMITTED, not %', current_setting('transaction_isolation')
            USING ERRCODE = 'integrity_constraint_violation',
                  HINT = 'Two evaluations at once must see each other''s looks.';
    END IF;
    PERFORM ledger_lock();
    RETURN NULL;
END $$;

CREATE FUNCTION ledger_looks() RETURNS bigint
LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp
AS $$ SELECT count(look_no) FROM factor_evaluations $$;

-- the multiple-testing burden today
CREATE FUNCTION ledger_m() RETURNS bigint
LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp
AS $$ SELECT greatest(400, ledger_looks()) $$;

-- the number of the look that a judgement with these gate dates would be; NULL: too soon after the last one
CREATE FUNCTION next_look_no(root integer, new_gate_dates date[]) RETURNS integer
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
    last record;
BEGIN
    SELECT look_no, last_gate_date INTO last FROM factor_evaluations
    WHERE root_no = root AND look_no IS NOT NULL ORDER BY look_no DESC LIMIT 1;
    IF NOT FOUND THEN
        RETURN 1;
    ELSIF last.last_gate_date IS NULL
          OR (SELECT count(*) FROM unnest(new_gate_dates) d WHERE d > last.last_gate_date) >= 12 THEN
        RETURN last.look_no + 1;
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION number_hypothesis() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
    earlier hypotheses;
BEGIN
    NEW.hypothesis_no := coalesce((SELECT max(hypothesis_no) FROM hypotheses), 0) + 1;
    NEW.declared_at := clock_timestamp();
    NEW.root_no := NEW.hypothesis_no;
    IF NEW.same_as IS NULL THEN
        NEW.sign := 1;
    ELSE
        SELECT * INTO earlier FROM hypotheses WHERE hypothesis_no = NEW.same_as;
        IF NOT FOUND OR earlier.horizon <> NEW.horizon OR earlier.universe <> NEW.universe THEN
            RAISE EXCEPTION 'hypothesis % cannot be the same as %: another horizon or universe, or unknown',
                NEW.factor, NEW.same_as USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        NEW.root_no := earlier.root_no;
        NEW.sign := NEW.sign * earlier.sign;
    END IF;
    NEW.declaration_no := coalesce(
        (SELECT min(declaration_no) FROM hypotheses h
         WHERE (h.factor, h.version, h.code_hash, h.params_hash, h.neutralise, h.universe, h.rebalance, h.entry_lag)
             = (NEW.factor, NEW.version, NEW.code_hash, NEW.params_hash, NEW.neutralise, NEW.universe,
                NEW.rebalance, NEW.entry_lag)
           AND h.condition IS NOT DISTINCT FROM NEW.condition),
        NEW.hypothesis_no);
    RETURN NEW;
END $$;

-- whether the latest canary of every factor under this root let it pass; NULL: none has run on any of them
CREATE FUNCTION canary_passed(root integer) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp
AS $$
    SELECT bool_and(latest.passed) FROM (
        SELECT DISTINCT ON (c.factor, c.version, c.code_hash, c.params_hash) c.passed
        FROM canaries c JOIN hypotheses h USING (factor, version, code_hash, params_hash)
        WHERE h.root_no = root
        ORDER BY c.factor, c.version, c.code_hash, c.params_hash, c.canary_id DESC) latest
$$;

-- held back: the canary has caught it, or it is suspect and the canary has not cleared it yet
CREATE FUNCTION is_held(e factor_evaluations) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp
AS $$ SELECT NOT coalesce(canary_passed(e.root_no), NOT e.suspect) $$;

-- what an evaluation must meet besides its p-value and the canary: nothing here depends on M or changes later
CREATE FUNCTION may_pass(e factor_evaluations) RETURNS boolean
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, public, pg_temp
AS $$
    SELECT e.kind = 'judgement' AND NOT e.contaminated AND e.tier <> 'C' AND e.stable AND e.sign_agrees
       AND NOT e.wrong_since_approval
       AND coalesce(e.coverage_mean >= 0.90, false) AND coalesce(e.names_mean >= 50, false)
$$;

-- whether a look that approved still carries its approval when M trials have been made
CREATE FUNCTION stands(e factor_evaluations, m bigint) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp
AS $$ SELECT coalesce(e.approved AND e.gate_p * m <= 0.5 AND NOT is_held(e), false) $$;

CREATE FUNCTION number_evaluation() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
    hypothesis hypotheses;
    last factor_evaluations;
BEGIN
    SELECT * INTO hypothesis FROM hypotheses WHERE hypothesis_no = NEW.hypothesis_no;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'hypothesis % is unknown', NEW.hypothesis_no
            USING ERRCODE = 'foreign_key_violation', HINT = 'Declare it in hypotheses first.';
    END IF;
    IF NEW.gate_p = 'NaN'::float8 OR NEW.gate_t = 'NaN'::float8 THEN
        RAISE EXCEPTION 'evaluation of %: NaN is no p-value; leave it NULL', hypothesis.factor
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    NEW.evaluation_id := coalesce((SELECT max(evaluation_id) FROM factor_evaluations), 0) + 1;
    NEW.evaluated_at := clock_timestamp();
    NEW.root_no := hypothesis.root_no;
    NEW.factor := hypothesis.factor;
    NEW.version := hypothesis.version;
    NEW.horizon := hypothesis.horizon;
    NEW.last_gate_date := NEW.gate_dates[cardinality(NEW.gate_dates)];
    NEW.look_no := NULL;
    NEW.approved := false;
    IF NEW.kind = 'judgement' THEN
        NEW.look_no := next_look_no(NEW.root_no, NEW.gate_dates);
    END IF;
    IF NEW.look_no IS NOT NULL AND may_pass(NEW) THEN
        SELECT * INTO last FROM factor_evaluations
        WHERE root_no = NEW.root_no AND look_no = NEW.look_no - 1;
        NEW.approved := coalesce(
            NEW.gate_p * NEW.m_at <= 0.05 OR (NEW.gate_p * NEW.m_at <= 0.5 AND stands(last, NEW.m_at)), false);
    END IF;
    RETURN NEW;
END $$;

-- one row as text, in a fixed column list: what the chain hashes
CREATE FUNCTION ledger_text(e factor_evaluations, h hypotheses) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, public, pg_temp SET extra_float_digits = 1 SET datestyle = 'ISO, YMD'
SET timezone = 'UTC' SET bytea_output = 'hex'
AS $$
    SELECT ROW(
        h.hypothesis_no, h.declaration_no, h.root_no, h.same_as, h.sign, h.signal, h.factor, h.version, h.code_hash,
        h.params_hash, h.params::text, h.neutralise, h.horizon, h.universe, h.rebalance, h.entry_lag, h.condition,
        h.declared_at)::text || ROW(
        e.evaluation_id, e.judgement_id, e.hypothesis_no, e.root_no, e.look_no, e.approved, e.kind, e.factor, e.version,
        e.horizon, e.run_id, e.load_id, e.as_of, e.m_at, e.tier, e.first_date, e.last_date, e.last_gate_date, e.n, e.ic_mean, e.ic_sd, e.hit_rate, e.ic_mean_delisted_30, e.t_plain,
        e.t_newey_west, e.t_ewc, e.ewc_dof, e.t_non_overlapping, e.gate_n, e.gate_mean, e.gate_sd, e.gate_t, e.gate_p,
        e.null_low, e.null_high, e.names_mean, e.coverage_mean, e.ties_mean, e.leavers, e.no_entry, e.dropped_dates,
        e.sign_agrees, e.stable, e.declining, e.wrong_since_approval, e.contaminated, e.suspect,
        e.detectable_ic, e.months_02, e.months_03, e.months_05, e.portfolio_n, e.portfolio_mean, e.portfolio_sd,
        e.portfolio_skew, e.portfolio_kurtosis, e.sketch_hash, e.values_hash, e.dates, e.ic, e.gate_dates, e.gate_ic,
        e.near_duplicates::text, e.details::text, e.evaluated_at)::text
$$;

CREATE FUNCTION ledger_hash(previous bytea, first_id bigint, last_id bigint) RETURNS bytea
LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp
AS $$
    SELECT sha256(previous || coalesce(
        string_agg(sha256(convert_to(ledger_text(e, h), 'UTF8')), ''::bytea ORDER BY e.evaluation_id), ''::bytea))
    FROM factor_evaluations e JOIN hypotheses h USING (hypothesis_no)
    WHERE e.evaluation_id BETWEEN first_id AND last_id
$$;

CREATE FUNCTION append_block() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
    first_id bigint;
    last_id bigint;
    today_m bigint := ledger_m();
    forged record;
    head ledger_blocks;
BEGIN
    SELECT min(evaluation_id), max(evaluation_id) INTO first_id, last_id FROM new_rows;
    IF first_id IS NULL THEN
        RETURN NULL;
    END IF;
    SELECT evaluation_id, m_at INTO forged FROM new_rows WHERE m_at <> today_m LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'evaluation judged at M = %, but the ledger stands at M = %', forged.m_at, today_m
            USING ERRCODE = 'integrity_constraint_violation',
                  HINT = 'Take ledger_lock(), count the statement''s own looks (next_look_no), then insert.';
    END IF;
    SELECT * INTO head FROM ledger_blocks ORDER BY block_no DESC LIMIT 1;
    head.hash := coalesce(head.hash, '\\x'::bytea);
    INSERT INTO ledger_blocks VALUES (
        coalesce(head.block_no, 0) + 1, first_id, last_id, ledger_looks(), today_m, head.hash,
        ledger_hash(head.hash, first_id, last_id), clock_timestamp());
    RETURN NULL;
END $$;
"""

TRIGGERS = """
CREATE TRIGGER take_ledger_lock BEFORE INSERT ON hypotheses
    FOR EACH STATEMENT EXECUTE FUNCTION take_ledger_lock();
CREATE TRIGGER number_hypothesis BEFORE INSERT ON hypotheses
    FOR EACH ROW EXECUTE FUNCTION number_hypothesis();
CREATE TRIGGER take_ledger_lock BEFORE INSERT ON factor_evaluations
    FOR EACH STATEMENT EXECUTE FUNCTION take_ledger_lock();
CREATE TRIGGER number_evaluation BEFORE INSERT ON factor_evaluations
    FOR EACH ROW EXECUTE FUNCTION number_evaluation();
CREATE TRIGGER append_block AFTER INSERT ON factor_evaluations
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION append_block();
"""

GUARD = """
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON {table}
    FOR EACH ROW EXECUTE FUNCTION refuse_change('{table}');
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('{table}');
GRANT SELECT ON {table} TO nexus_reader, nexus_app;
"""

LEDGER = ("factor_evaluations", "hypotheses", "sketches", "canaries", "ledger_blocks")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(TABLES)
    op.execute(FUNCTIONS)
    op.execute(TRIGGERS)
    for table in LEDGER:
        op.execute(GUARD.format(table=table))
    op.execute("GRANT INSERT ON factor_evaluations, hypotheses, sketches, canaries TO nexus_app")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(
        "DO $$ BEGIN IF EXISTS (SELECT FROM factor_evaluations) THEN RAISE EXCEPTION "
        "'the ledger holds evaluations: dropping it would forget trials; export the database first, "
        "then delete it whole'; END IF; END $$"
    )
    op.execute(
        "DROP FUNCTION stands(factor_evaluations, bigint), may_pass(factor_evaluations), "
        "is_held(factor_evaluations), ledger_text(factor_evaluations, hypotheses)"
    )
    op.execute("DROP TABLE factor_evaluations, canaries, sketches, hypotheses, ledger_blocks")
    op.execute(
        "DROP FUNCTION append_block(), canary_passed(integer), ledger_hash(bytea, bigint, bigint), number_evaluation(), "
        "number_hypothesis(), next_look_no(integer, date[]), ledger_m(), ledger_looks(), take_ledger_lock(), "
        "ledger_lock()"
    )
