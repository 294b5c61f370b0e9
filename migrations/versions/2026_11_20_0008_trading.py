"""Trading: backtests behind the gate, and paper accounts on what passed it.

A run is recorded whole, in one transaction that holds the ledger's lock: whether its signals stand cannot change
between the check and the commit, and nothing is added to it later. An evening of a paper account is one too.

Revision ID: 0008
Revises: 0007
"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

BACKTESTS = """
CREATE TABLE backtests (
    backtest_id bigint NOT NULL,
    name text NOT NULL,
    spec jsonb NOT NULL,
    spec_hash text NOT NULL,
    code_version text NOT NULL,
    code_hash text NOT NULL,
    load_id bigint NOT NULL,
    as_of timestamptz NOT NULL,
    fingerprint text NOT NULL,
    universe text NOT NULL,
    first_session date NOT NULL,
    last_session date NOT NULL,
    mode text NOT NULL,
    exploratory boolean NOT NULL,
    reason text,
    selection_cut date,
    variants integer NOT NULL DEFAULT 1,
    net_n integer NOT NULL,
    net_mean double precision,
    net_sd double precision,
    net_skew double precision,
    net_kurtosis double precision,
    figures jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    xid bigint NOT NULL,
    CONSTRAINT pk_backtests PRIMARY KEY (backtest_id),
    CONSTRAINT ck_backtests_sessions CHECK (first_session < last_session),
    CONSTRAINT ck_backtests_mode CHECK (mode IN ('as_approved', 'fixed')),
    CONSTRAINT ck_backtests_reason CHECK (exploratory = (reason IS NOT NULL) AND reason ~ '\\S'),
    CONSTRAINT ck_backtests_variants CHECK (variants >= 1),
    CONSTRAINT ck_backtests_net_n CHECK (net_n >= 0)
);
COMMENT ON COLUMN backtests.selection_cut IS
    'the latest approval among its signals: up to it the figures are in-sample selection';
COMMENT ON COLUMN backtests.variants IS 'specs tried for this run, its own included';
COMMENT ON COLUMN backtests.net_kurtosis IS 'of the net returns per session, as the moments beside it; not the excess';
CREATE INDEX ix_backtests_spec_hash ON backtests (spec_hash);
CREATE TABLE backtest_signals (
    backtest_id bigint NOT NULL,
    evaluation_id bigint NOT NULL,
    signal text NOT NULL,
    factor text NOT NULL,
    version text NOT NULL,
    weight double precision NOT NULL,
    CONSTRAINT pk_backtest_signals PRIMARY KEY (backtest_id, evaluation_id),
    CONSTRAINT fk_backtest_signals_backtest_id_backtests FOREIGN KEY (backtest_id) REFERENCES backtests (backtest_id),
    CONSTRAINT fk_backtest_signals_evaluation_id_factor_evaluations FOREIGN KEY (evaluation_id, factor, version)
        REFERENCES factor_evaluations (evaluation_id, factor, version),
    CONSTRAINT ck_backtest_signals_weight CHECK (abs(weight) < 'Infinity')
);
CREATE INDEX ix_backtest_signals_evaluation_id ON backtest_signals (evaluation_id);
CREATE TABLE backtest_equity (
    backtest_id bigint NOT NULL,
    session date NOT NULL,
    equity double precision NOT NULL,
    cash double precision NOT NULL,
    long double precision NOT NULL,
    short double precision NOT NULL,
    pnl double precision NOT NULL,
    traded double precision NOT NULL,
    commission double precision NOT NULL,
    spread double precision NOT NULL,
    impact double precision NOT NULL,
    borrow double precision NOT NULL,
    benchmark double precision,
    CONSTRAINT pk_backtest_equity PRIMARY KEY (backtest_id, session)
);
COMMENT ON COLUMN backtest_signals.signal IS 'as the spec calls it';
COMMENT ON COLUMN backtest_equity.pnl IS 'since the close before, before costs';
COMMENT ON COLUMN backtest_equity.short IS 'positive: equity = cash + long - short';
COMMENT ON COLUMN backtest_equity.benchmark IS 'level of the benchmark at the close';
CREATE TABLE backtest_trades (
    backtest_id bigint NOT NULL,
    trade_no integer NOT NULL,
    decided date NOT NULL,
    session date NOT NULL,
    company_id integer NOT NULL,
    shares double precision NOT NULL,
    price double precision NOT NULL,
    commission double precision NOT NULL,
    spread double precision NOT NULL,
    impact double precision NOT NULL,
    CONSTRAINT pk_backtest_trades PRIMARY KEY (backtest_id, trade_no),
    CONSTRAINT ck_backtest_trades_session CHECK (session > decided),
    CONSTRAINT ck_backtest_trades_price CHECK (price > 0 AND price < 'Infinity')
);
"""

PAPER = """
CREATE TABLE paper_accounts (
    account_id integer GENERATED ALWAYS AS IDENTITY,
    name text NOT NULL,
    backtest_id bigint NOT NULL,
    spec jsonb NOT NULL,
    capital double precision NOT NULL,
    opened_at timestamptz NOT NULL,
    opened_session date NOT NULL,
    closed_at timestamptz,
    closed_because text,
    CONSTRAINT pk_paper_accounts PRIMARY KEY (account_id),
    CONSTRAINT uq_paper_accounts_name UNIQUE (name),
    CONSTRAINT fk_paper_accounts_backtest_id_backtests FOREIGN KEY (backtest_id) REFERENCES backtests (backtest_id),
    CONSTRAINT ck_paper_accounts_capital CHECK (capital > 0 AND capital < 'Infinity'),
    CONSTRAINT ck_paper_accounts_closed CHECK ((closed_at IS NULL) = (closed_because IS NULL))
);
CREATE TABLE paper_sessions (
    account_id integer NOT NULL,
    session date NOT NULL,
    status text NOT NULL,
    note text,
    load_id bigint NOT NULL,
    code_version text NOT NULL,
    processed_at timestamptz NOT NULL,
    xid bigint NOT NULL,
    CONSTRAINT pk_paper_sessions PRIMARY KEY (account_id, session),
    CONSTRAINT fk_paper_sessions_account_id_paper_accounts
        FOREIGN KEY (account_id) REFERENCES paper_accounts (account_id),
    CONSTRAINT ck_paper_sessions_status CHECK (status IN ('opened', 'held', 'rebalanced', 'closed'))
);
CREATE TABLE paper_orders (
    account_id integer NOT NULL,
    order_no integer NOT NULL,
    decided date NOT NULL,
    company_id integer NOT NULL,
    shares double precision NOT NULL,
    reason text NOT NULL,
    dollar_volume double precision,
    volatility double precision,
    status text NOT NULL DEFAULT 'open',
    open_shares double precision NOT NULL,
    ended date,
    CONSTRAINT pk_paper_orders PRIMARY KEY (account_id, order_no),
    CONSTRAINT fk_paper_orders_account_id_paper_sessions
        FOREIGN KEY (account_id, decided) REFERENCES paper_sessions (account_id, session),
    CONSTRAINT fk_paper_orders_ended_paper_sessions
        FOREIGN KEY (account_id, ended) REFERENCES paper_sessions (account_id, session),
    CONSTRAINT fk_paper_orders_company_id_entities FOREIGN KEY (company_id) REFERENCES entities (entity_id),
    CONSTRAINT ck_paper_orders_status CHECK (status IN ('open', 'filled', 'lapsed', 'cancelled')),
    CONSTRAINT ck_paper_orders_ended CHECK ((status = 'open') = (ended IS NULL))
);
COMMENT ON COLUMN paper_orders.open_shares IS 'shares still to fill, restated for splits since the decision';
COMMENT ON COLUMN paper_orders.dollar_volume IS 'average of a session, known at the decision; volatility likewise';
CREATE UNIQUE INDEX uq_paper_orders_open ON paper_orders (account_id, company_id) WHERE status = 'open';
CREATE TABLE paper_fills (
    account_id integer NOT NULL,
    order_no integer NOT NULL,
    fill_no integer NOT NULL,
    session date NOT NULL,
    shares double precision NOT NULL,
    price double precision NOT NULL,
    commission double precision NOT NULL,
    spread double precision NOT NULL,
    impact double precision NOT NULL,
    CONSTRAINT pk_paper_fills PRIMARY KEY (account_id, order_no, fill_no),
    CONSTRAINT uq_paper_fills_session UNIQUE (account_id, order_no, session),
    CONSTRAINT fk_paper_fills_account_id_paper_orders
        FOREIGN KEY (account_id, order_no) REFERENCES paper_orders (account_id, order_no),
    CONSTRAINT fk_paper_fills_account_id_paper_sessions
        FOREIGN KEY (account_id, session) REFERENCES paper_sessions (account_id, session),
    CONSTRAINT ck_paper_fills_price CHECK (price > 0 AND price < 'Infinity')
);
CREATE TABLE paper_positions (
    account_id integer NOT NULL,
    session date NOT NULL,
    company_id integer NOT NULL,
    shares double precision NOT NULL,
    price double precision NOT NULL,
    value double precision NOT NULL,
    CONSTRAINT pk_paper_positions PRIMARY KEY (account_id, session, company_id),
    CONSTRAINT fk_paper_positions_account_id_paper_sessions
        FOREIGN KEY (account_id, session) REFERENCES paper_sessions (account_id, session),
    CONSTRAINT fk_paper_positions_company_id_entities FOREIGN KEY (company_id) REFERENCES entities (entity_id)
);
COMMENT ON COLUMN paper_positions.price IS 'the last close';
CREATE TABLE paper_equity (
    account_id integer NOT NULL,
    session date NOT NULL,
    equity double precision NOT NULL,
    cash double precision NOT NULL,
    long double precision NOT NULL,
    short double precision NOT NULL,
    pnl double precision NOT NULL,
    traded double precision NOT NULL,
    commission double precision NOT NULL,
    spread double precision NOT NULL,
    impact double precision NOT NULL,
    borrow double precision NOT NULL,
    benchmark double precision,
    CONSTRAINT pk_paper_equity PRIMARY KEY (account_id, session),
    CONSTRAINT fk_paper_equity_account_id_paper_sessions
        FOREIGN KEY (account_id, session) REFERENCES paper_sessions (account_id, session)
);
"""

GATE = """
-- why an evaluation may not be traded by a run that was recorded at that instant; NULL: it may
CREATE FUNCTION gate_refusal(e factor_evaluations, recorded_at timestamptz) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
    m bigint := ledger_m();
    later bigint := (SELECT l.evaluation_id FROM factor_evaluations l
                     WHERE l.root_no = e.root_no AND l.look_no > e.look_no ORDER BY l.look_no DESC LIMIT 1);
BEGIN
    RETURN CASE
        WHEN later IS NOT NULL THEN format('superseded, evaluation %s is the latest look', later)
        WHEN e.evaluated_at > recorded_at THEN format(
            'younger than the run, evaluated at %s for a run of %s', e.evaluated_at, recorded_at)
        WHEN stands(e, m) THEN NULL
        WHEN e.look_no IS NULL THEN 'no look: it described, or came too soon after the last one'
        WHEN e.contaminated THEN 'rejected, contaminated'
        WHEN NOT canary_passed(e.root_no) THEN 'rejected, the canary caught it reading the future'
        WHEN e.approved AND is_held(e) THEN 'held back, suspect and not cleared by a canary'
        WHEN e.approved THEN format(
            'retired, p x M is %s at today''s M of %s, above 0.5', round((e.gate_p * m)::numeric, 3), m)
        WHEN e.tier = 'C' THEN 'of tier C, its data were backdated'
        WHEN coalesce(e.coverage_mean < 0.90, true) THEN format(
            'its coverage is %s, under 0.90', coalesce(round(e.coverage_mean::numeric, 3)::text, 'unknown'))
        WHEN coalesce(e.names_mean < 50, true) THEN format(
            'it has %s names on average, under 50', coalesce(round(e.names_mean::numeric, 1)::text, 'no'))
        WHEN NOT e.sign_agrees THEN 'its tests disagree about the sign'
        WHEN NOT e.stable THEN 'unstable'
        WHEN e.wrong_since_approval THEN 'of the wrong sign since its approval'
        ELSE format('%s, p x M was %s at M = %s, above 0.05',
                    CASE WHEN 3 * e.gate_p <= 0.05 THEN 'candidate' ELSE 'rejected' END,
                    coalesce(round((e.gate_p * e.m_at)::numeric, 3)::text, 'unknown'), e.m_at)
    END;
END $$;

CREATE FUNCTION number_backtest() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
    NEW.backtest_id := coalesce((SELECT max(backtest_id) FROM backtests), 0) + 1;
    NEW.created_at := clock_timestamp();
    NEW.xid := pg_current_xact_id()::text::bigint;
    RETURN NEW;
END $$;

CREATE FUNCTION check_gate() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
    run backtests;
    evaluation factor_evaluations;
    why text;
BEGIN
    SELECT * INTO run FROM backtests WHERE backtest_id = NEW.backtest_id;
    IF run.exploratory THEN
        RETURN NEW;
    END IF;
    SELECT * INTO evaluation FROM factor_evaluations WHERE evaluation_id = NEW.evaluation_id;
    IF NOT FOUND THEN
        RETURN NEW;  -- the foreign key says so
    END IF;
    why := gate_refusal(evaluation, run.created_at);
    IF why IS NOT NULL THEN
        RAISE EXCEPTION 'signal %: evaluation % may not be traded: %',
            (SELECT signal FROM hypotheses WHERE hypothesis_no = evaluation.hypothesis_no), NEW.evaluation_id, why
            USING ERRCODE = 'integrity_constraint_violation',
                  HINT = 'Register it and trade its latest look once that stands (`nexus signals register`), '
                         'or look at it with --exploratory --because "...".';
    END IF;
    RETURN NEW;
END $$;

-- signals of a run that may not be traded any more: the latest look at the hypothesis does not stand today
CREATE FUNCTION lost_signals(run bigint) RETURNS TABLE (signal text, evaluation_id bigint, why text)
LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp
AS $$
    SELECT s.signal, latest.evaluation_id, gate.why
    FROM backtest_signals s
    JOIN factor_evaluations e USING (evaluation_id)
    JOIN factor_evaluations latest ON latest.root_no = e.root_no
         AND latest.look_no = (SELECT max(l.look_no) FROM factor_evaluations l WHERE l.root_no = e.root_no)
    CROSS JOIN LATERAL (SELECT gate_refusal(latest, 'infinity') AS why) gate
    WHERE s.backtest_id = run AND gate.why IS NOT NULL
    ORDER BY s.signal
$$;

-- rows of a run: in the transaction that recorded it, after its signals, about companies that exist
CREATE FUNCTION check_run() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
    stranger bigint;
BEGIN
    SELECT n.backtest_id INTO stranger
    FROM (SELECT DISTINCT backtest_id FROM new_rows) n
    LEFT JOIN backtests b ON b.backtest_id = n.backtest_id AND b.xid = pg_current_xact_id()::text::bigint
    WHERE b.backtest_id IS NULL LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION '%: backtest % was not recorded by this transaction', TG_TABLE_NAME, stranger
            USING ERRCODE = 'integrity_constraint_violation',
                  HINT = 'A run is recorded whole: backtests, its signals, equity and trades, then COMMIT.';
    END IF;
    IF TG_TABLE_NAME = 'backtest_signals' THEN
        RETURN NULL;
    END IF;
    SELECT n.backtest_id INTO stranger
    FROM (SELECT DISTINCT backtest_id FROM new_rows) n
    WHERE NOT EXISTS (SELECT FROM backtest_signals s WHERE s.backtest_id = n.backtest_id) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION '%: backtest % has no signals', TG_TABLE_NAME, stranger
            USING ERRCODE = 'integrity_constraint_violation',
                  HINT = 'Say in backtest_signals what it trades on, so that the gate can check it.';
    END IF;
    IF TG_TABLE_NAME = 'backtest_trades' THEN
        SELECT n.company_id INTO stranger FROM (SELECT DISTINCT company_id FROM new_rows) n
        WHERE NOT EXISTS (SELECT FROM entities e WHERE e.entity_id = n.company_id) LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION 'backtest_trades: company_id % is no entity', stranger
                USING ERRCODE = 'foreign_key_violation', HINT = 'Add the company to entities first.';
        END IF;
    END IF;
    RETURN NULL;
END $$;

-- at the commit: a run trades on something, and what the gate has checked is what its spec names;
-- of a spec whose signals trade only while they stood, those that never did may be missing
CREATE FUNCTION require_signals() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
    named jsonb := jsonb_path_query_array(NEW.spec, '$.signals[*].name');
    checked jsonb := (SELECT jsonb_agg(signal ORDER BY signal) FROM backtest_signals WHERE backtest_id = NEW.backtest_id);
BEGIN
    IF checked IS NULL THEN
        RAISE EXCEPTION 'backtest % has no signals', NEW.name
            USING ERRCODE = 'integrity_constraint_violation',
                  HINT = 'Say in backtest_signals what it trades on, so that the gate can check it.';
    ELSIF NOT (checked <@ named AND (NEW.mode = 'as_approved' OR named <@ checked)) THEN
        RAISE EXCEPTION 'backtest %: its spec names %, the gate has checked %', NEW.name, named, checked
            USING ERRCODE = 'integrity_constraint_violation',
                  HINT = 'Put every signal of the spec into backtest_signals under its name there, and no other.';
    END IF;
    RETURN NULL;
END $$;
"""

EVENINGS = """
CREATE FUNCTION check_account() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
    run backtests;
    lost record;
BEGIN
    SELECT * INTO run FROM backtests WHERE backtest_id = NEW.backtest_id;
    IF run.exploratory THEN
        RAISE EXCEPTION 'account %: backtest % is EXPLORATORY (%)', NEW.name, run.backtest_id, run.reason
            USING ERRCODE = 'integrity_constraint_violation',
                  HINT = 'Open it on a run of signals that stand: `nexus backtest run` without --exploratory.';
    ELSIF NEW.spec - ARRAY['start', 'end', 'capital'] <> run.spec - ARRAY['start', 'end', 'capital'] THEN
        RAISE EXCEPTION 'account %: its spec is not that of backtest %', NEW.name, run.backtest_id
            USING ERRCODE = 'integrity_constraint_violation',
                  HINT = 'Only dates and capital may be its own; run the other spec first.';
    END IF;
    SELECT * INTO lost FROM lost_signals(NEW.backtest_id) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'account %: signal %, evaluation %, may not be traded any more: %',
            NEW.name, lost.signal, lost.evaluation_id, lost.why
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'Open it on a run of signals that stand today.';
    END IF;
    NEW.opened_at := clock_timestamp();
    NEW.closed_at := NULL;
    NEW.closed_because := NULL;
    RETURN NEW;
END $$;

CREATE FUNCTION close_account() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
    IF OLD.closed_at IS NOT NULL OR NEW.closed_because IS NULL
       OR to_jsonb(NEW) - ARRAY['closed_at', 'closed_because'] <> to_jsonb(OLD) - ARRAY['closed_at', 'closed_because'] THEN
        RAISE EXCEPTION 'account %: nothing changes but that it is closed once, with a reason', OLD.name
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'Open another account under another name.';
    END IF;
    NEW.closed_at := clock_timestamp();
    RETURN NEW;
END $$;

CREATE FUNCTION open_session() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
    account paper_accounts;
    last date;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'a paper session needs READ COMMITTED, not %', current_setting('transaction_isolation')
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    SELECT * INTO account FROM paper_accounts WHERE account_id = NEW.account_id FOR NO KEY UPDATE;
    SELECT max(session) INTO last FROM paper_sessions WHERE account_id = NEW.account_id;
    IF account.closed_at IS NOT NULL THEN
        RAISE EXCEPTION 'account %: closed (%)', account.name, account.closed_because
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'Open another account under another name.';
    ELSIF NEW.session <= last OR NEW.session < account.opened_session THEN
        RAISE EXCEPTION 'account %: session % is not after %', account.name, NEW.session,
            coalesce(last, account.opened_session - 1)
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'Each session is processed once, in order.';
    END IF;
    NEW.processed_at := clock_timestamp();
    NEW.xid := pg_current_xact_id()::text::bigint;
    RETURN NEW;
END $$;

-- rows of an evening: in the transaction that opened its session
CREATE FUNCTION check_evening() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
    stranger record;
BEGIN
    EXECUTE format(
        'SELECT n.account_id, n.session FROM (SELECT DISTINCT account_id, %I AS session FROM new_rows) n '
        'WHERE NOT EXISTS (SELECT FROM public.paper_sessions s WHERE s.account_id = n.account_id '
        'AND s.session = n.session AND s.xid = pg_current_xact_id()::text::bigint) LIMIT 1', TG_ARGV[0])
    INTO stranger;
    IF stranger.account_id IS NOT NULL THEN
        RAISE EXCEPTION '%: session % of account % was not opened by this transaction',
            TG_TABLE_NAME, stranger.session, stranger.account_id
            USING ERRCODE = 'integrity_constraint_violation',
                  HINT = 'An evening is one transaction: paper_sessions, then the rest, then COMMIT.';
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION check_fill() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
    ordered paper_orders;
BEGIN
    SELECT * INTO ordered FROM paper_orders WHERE (account_id, order_no) = (NEW.account_id, NEW.order_no);
    IF ordered.status <> 'open' OR NEW.session <= ordered.decided THEN
        RAISE EXCEPTION 'order % of account %: % and decided on %, it cannot be filled on %',
            NEW.order_no, NEW.account_id, ordered.status, ordered.decided, NEW.session
            USING ERRCODE = 'integrity_constraint_violation',
                  HINT = 'Known at the close, filled at an open after it, while the order is open.';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION end_order() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
    IF OLD.status <> 'open' OR to_jsonb(NEW) - ARRAY['status', 'open_shares', 'ended']
                               <> to_jsonb(OLD) - ARRAY['status', 'open_shares', 'ended'] THEN
        RAISE EXCEPTION 'order % of account %: only an open order changes, and only what is open of it',
            OLD.order_no, OLD.account_id
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'Make another order.';
    END IF;
    RETURN NEW;
END $$;
"""

TRIGGERS = """
CREATE TRIGGER take_ledger_lock BEFORE INSERT ON backtests
    FOR EACH STATEMENT EXECUTE FUNCTION take_ledger_lock();
CREATE TRIGGER number_backtest BEFORE INSERT ON backtests
    FOR EACH ROW EXECUTE FUNCTION number_backtest();
CREATE CONSTRAINT TRIGGER require_signals AFTER INSERT ON backtests
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION require_signals();
CREATE TRIGGER take_ledger_lock BEFORE INSERT ON backtest_signals
    FOR EACH STATEMENT EXECUTE FUNCTION take_ledger_lock();
CREATE TRIGGER check_gate BEFORE INSERT ON backtest_signals
    FOR EACH ROW EXECUTE FUNCTION check_gate();
CREATE TRIGGER take_ledger_lock BEFORE INSERT ON paper_accounts
    FOR EACH STATEMENT EXECUTE FUNCTION take_ledger_lock();
CREATE TRIGGER check_account BEFORE INSERT ON paper_accounts
    FOR EACH ROW EXECUTE FUNCTION check_account();
CREATE TRIGGER close_account BEFORE UPDATE ON paper_accounts
    FOR EACH ROW EXECUTE FUNCTION close_account();
CREATE TRIGGER open_session BEFORE INSERT ON paper_sessions
    FOR EACH ROW EXECUTE FUNCTION open_session();
CREATE TRIGGER check_fill BEFORE INSERT ON paper_fills
    FOR EACH ROW EXECUTE FUNCTION check_fill();
CREATE TRIGGER end_order BEFORE UPDATE ON paper_orders
    FOR EACH ROW EXECUTE FUNCTION end_order();
"""

CHECK_RUN = """
CREATE TRIGGER check_run AFTER INSERT ON {table}
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION check_run();
"""
CHECK_EVENING = """
CREATE TRIGGER check_evening AFTER INSERT ON {table}
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION check_evening('{column}');
"""
GUARD = """
CREATE TRIGGER refuse_change BEFORE {change} ON {table}
    FOR EACH ROW EXECUTE FUNCTION refuse_change('{table}');
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('{table}');
GRANT SELECT ON {table} TO nexus_reader;
GRANT SELECT, INSERT ON {table} TO nexus_app;
"""

RUN = ("backtest_signals", "backtest_equity", "backtest_trades")
EVENING = {"paper_orders": "decided", "paper_fills": "session", "paper_positions": "session", "paper_equity": "session"}
CHANGING = ("paper_accounts", "paper_orders")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for statements in (BACKTESTS, PAPER, GATE, EVENINGS, TRIGGERS):
        op.execute(statements)
    for table in RUN:
        op.execute(CHECK_RUN.format(table=table))
    for table, column in EVENING.items():
        op.execute(CHECK_EVENING.format(table=table, column=column))
    for table in ("backtests", *RUN, "paper_accounts", "paper_sessions", *EVENING):
        op.execute(GUARD.format(table=table, change="DELETE" if table in CHANGING else "UPDATE OR DELETE"))
    op.execute("GRANT UPDATE (closed_at, closed_because) ON paper_accounts TO nexus_app")
    op.execute("GRANT UPDATE (status, open_shares, ended) ON paper_orders TO nexus_app")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(
        "DO $$ BEGIN "
        "IF EXISTS (SELECT FROM paper_accounts) THEN RAISE EXCEPTION 'there are paper accounts: dropping them would "
        "forget what was traded; export the database first, then delete it whole'; "
        "ELSIF EXISTS (SELECT FROM backtests) THEN RAISE EXCEPTION 'there are backtests: dropping them would forget "
        "trials that the deflated Sharpe ratio counts; export the database first, then delete it whole'; "
        "END IF; END $$"
    )
    op.execute("DROP TABLE paper_equity, paper_positions, paper_fills, paper_orders, paper_sessions, paper_accounts")
    op.execute("DROP TABLE backtest_trades, backtest_equity, backtest_signals, backtests")
    op.execute(
        "DROP FUNCTION gate_refusal(factor_evaluations, timestamptz), number_backtest(), check_gate(), check_run(), "
        "require_signals(), "
        "lost_signals(bigint), check_account(), close_account(), open_session(), check_evening(), check_fill(), end_order()"
    )
