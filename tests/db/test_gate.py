"""The gate against clients that would trade on what did not pass."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from clients import client, wait_for_lock, waiting
from ledger_rows import N, declaration, declare, look, looks, months, row, run
from scipy import stats
from sqlalchemy import insert, text
from trading_rows import CURVE, RUN, TRADES, company, judged, of, recorded, spec

from nexus.db import admin, backtests, ledger
from nexus.db.backtests import Traded
from nexus.db.curve import Trades
from nexus.db.engine import Database, Writing
from nexus.db.ledger import Hypothesis
from nexus.db.tables import canaries
from nexus.errors import DatabaseError, InputError, RefusedError

INSERT = """
INSERT INTO backtests (name, spec, spec_hash, code_version, code_hash, load_id, as_of, fingerprint, universe,
    first_session, last_session, mode, exploratory, reason, net_n, figures {columns})
VALUES ('raw', '{{"signals": [{{"name": "good"}}]}}',
    'h', '0', 'c', 1, now(), 'f', 'TEST', '2020-01-02', '2020-01-06', 'fixed', %s, %s, 0, '{{}}'
    {values})
RETURNING backtest_id
"""
SIGNAL = (
    "INSERT INTO backtest_signals (backtest_id, evaluation_id, signal, factor, version, weight) "
    "VALUES (%s, %s, %s, %s, %s, 1)"
)
EQUITY = "INSERT INTO backtest_equity VALUES (%s, '2020-01-02', 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, NULL)"


@pytest.fixture(scope="module", autouse=True)
def world(database: Database) -> None:
    company(database, "one", "two")


@pytest.fixture(scope="module")
def good(database: Database) -> Traded:
    return judged(database, "good")


@pytest.fixture(scope="module")
def bad(database: Database) -> Traded:
    return judged(database, "bad", gate_t=2.0)


@pytest.fixture(scope="module")
def stranger(database: Database) -> Iterator[str]:
    """A role that is not the program's, with every right on the tables of a run but to own them."""
    role = f"stranger_{uuid4().hex[:8]}"
    tables = "backtests, backtest_signals, backtest_equity, backtest_trades"
    with database.owner() as connection:
        connection.execute(text(f"CREATE ROLE {role} NOLOGIN IN ROLE nexus_reader"))
        connection.execute(text(f"GRANT ALL ON {tables} TO {role}"))
        connection.execute(text(f"GRANT {role} TO CURRENT_USER"))
    yield role
    with database.owner() as connection:
        connection.execute(text(f"DROP OWNED BY {role}"))
        connection.execute(text(f"DROP ROLE {role}"))


def begin(connection: psycopg.Connection[Any], reason: str | None = None, **given: str) -> int:
    """INSERT a run, with other columns as SQL where given."""
    columns = "".join(f", {name}" for name in given)
    statement = INSERT.format(columns=columns, values="".join(f", {value}" for value in given.values()))
    found = connection.execute(statement.encode(), [reason is not None, reason]).fetchone()
    assert found is not None
    return int(found[0])


def trade(connection: psycopg.Connection[Any], number: int, signal: Traded) -> None:
    connection.execute(SIGNAL, [number, *list(vars(signal).values())[:-1]])


def test_a_standing_evaluation_may_trade(database: Database, good: Traded) -> None:
    number = recorded(database, good)
    with database.read() as connection:
        found = backtests.read(connection, number)
        curve, trades = backtests.curve(connection, number), backtests.trades(connection, number)
    assert replace(found.backtest, net=RUN.net) == RUN and found.backtest.net == pytest.approx(RUN.net)
    assert found.signals == [good] and not found.exploratory
    assert curve.table().equals(CURVE.table()) and trades.table().equals(TRADES.table())


def test_a_run_that_never_traded_comes_back_empty(database: Database, good: Traded) -> None:
    with database.write() as connection:
        number = backtests.record(connection, RUN, [good], CURVE, Trades.of([]))
        assert backtests.trades(connection, number).costs.shape == (0, 3)
        assert backtests.listed(connection)[0].backtest_id == number
        assert backtests.variants(connection) >= RUN.variants


def test_an_unknown_run_is_named(database: Database) -> None:
    with pytest.raises(InputError, match="backtest 4711: unknown"), database.read() as connection:
        backtests.read(connection, 4711)


def test_downgrade_says_why_not(database: Database, good: Traded) -> None:
    recorded(database, good)
    with pytest.raises(DatabaseError, match="there are backtests"):
        admin.downgrade(database, "0007")


def test_a_refusal_says_which_signal_why_and_what_to_do(database: Database, bad: Traded) -> None:
    with pytest.raises(RefusedError) as refused:
        recorded(database, bad)
    said = str(refused.value)
    assert "signal bad" in said and "rejected" in said and "p x M was" in said
    assert "--exploratory --because" in said and "nexus signals register" in said


@pytest.mark.parametrize("role", ["nexus_app", "stranger", "owner"])
def test_a_raw_insert_is_refused_whoever_sends_it(
    database: Database, stranger: str, good: Traded, bad: Traded, role: str
) -> None:
    name = stranger if role == "stranger" else role
    with client(database, name) as connection:
        trade(connection, begin(connection), good)
    with pytest.raises(psycopg.errors.IntegrityError, match="signal bad"), client(database, name) as connection:
        trade(connection, begin(connection), bad)


@pytest.mark.parametrize("role", ["nexus_app", "stranger"])
def test_copy_is_refused(database: Database, stranger: str, bad: Traded, role: str) -> None:
    with (
        pytest.raises(psycopg.errors.IntegrityError, match="signal bad"),
        client(database, stranger if role == "stranger" else role) as connection,
    ):
        number = begin(connection)
        with connection.cursor().copy("COPY backtest_signals FROM STDIN") as copy:
            copy.write_row([number, *vars(bad).values()])


@pytest.mark.parametrize("role", ["nexus_app", "stranger", "owner"])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE backtest_signals SET evaluation_id = %(bad)s, factor = 'bad', signal = 'bad' WHERE backtest_id = %(n)s",
        "UPDATE backtest_signals SET weight = -weight WHERE backtest_id = %(n)s",
        "INSERT INTO backtest_signals SELECT * FROM backtest_signals WHERE backtest_id = %(n)s "
        "ON CONFLICT (backtest_id, evaluation_id) DO UPDATE SET evaluation_id = %(bad)s, factor = 'bad'",
        "MERGE INTO backtest_signals s USING (SELECT %(n)s AS n) g ON s.backtest_id = g.n "
        "WHEN MATCHED THEN UPDATE SET evaluation_id = %(bad)s, factor = 'bad'",
        "UPDATE backtests SET exploratory = true, reason = 'after the fact' WHERE backtest_id = %(n)s",
        "UPDATE backtests SET created_at = now() WHERE backtest_id = %(n)s",
        "UPDATE backtests SET figures = '{}' WHERE backtest_id = %(n)s",
        "UPDATE backtest_equity SET equity = 2 * equity WHERE backtest_id = %(n)s",
        "UPDATE backtest_trades SET price = 1 WHERE backtest_id = %(n)s",
        "DELETE FROM backtests WHERE backtest_id = %(n)s",
        "DELETE FROM backtest_signals WHERE backtest_id = %(n)s",
        "DELETE FROM backtest_equity WHERE backtest_id = %(n)s",
        "TRUNCATE backtest_signals",
        "TRUNCATE backtests CASCADE",
    ],
)
def test_nothing_of_a_run_changes(
    database: Database, stranger: str, good: Traded, bad: Traded, role: str, statement: str
) -> None:
    number = recorded(database, good)
    name = stranger if role == "stranger" else role
    with (
        pytest.raises(psycopg.Error, match=r"insert-only|permission denied|not recorded by this transaction"),
        client(database, name) as connection,
    ):
        connection.execute(statement.encode(), {"n": number, "bad": bad.evaluation_id})


def test_on_conflict_within_the_run_is_refused(database: Database, stranger: str, good: Traded, bad: Traded) -> None:
    with pytest.raises(psycopg.errors.IntegrityError, match="insert-only"), client(database, stranger) as connection:
        number = begin(connection)
        trade(connection, number, good)
        upsert = f"{SIGNAL} ON CONFLICT (backtest_id, evaluation_id) DO UPDATE SET evaluation_id = %s, factor = 'bad'"
        connection.execute(upsert.encode(), [number, *list(vars(good).values())[:-1], bad.evaluation_id])


@pytest.mark.parametrize("changes", [{"factor": "good"}, {"version": "2"}])
def test_another_factors_evaluation_is_refused(database: Database, good: Traded, changes: dict[str, str]) -> None:
    other = judged(database, f"other {changes}")
    mixed = replace(other, **changes)
    with pytest.raises(RefusedError, match="factor_evaluations"):
        recorded(database, mixed)


FORGERIES = {
    "factor_evaluations": "UPDATE factor_evaluations SET approved = true, gate_p = 0, evaluated_at = '-infinity'",
    "backtests": "UPDATE backtests SET exploratory = true, reason = 'none'",
    "hypotheses": "DELETE FROM hypotheses",
    "canaries": "DELETE FROM canaries",
}


@pytest.mark.parametrize("table", FORGERIES)
def test_a_temporary_table_of_the_same_name_opens_nothing(database: Database, bad: Traded, table: str) -> None:
    with pytest.raises(psycopg.errors.IntegrityError, match="signal bad"), client(database) as connection:
        number = begin(connection)
        connection.execute("SET search_path = pg_temp, public")
        connection.execute(f"CREATE TEMPORARY TABLE {table} AS SELECT * FROM public.{table}".encode())
        connection.execute(FORGERIES[table].encode())
        trade(connection, number, bad)


def test_the_forgery_would_work_if_the_trigger_did_not_pin_its_search_path(database: Database, bad: Traded) -> None:
    with client(database, "owner") as connection:
        number = begin(connection)
        connection.execute("ALTER FUNCTION check_gate() RESET search_path")
        connection.execute("SET search_path = pg_temp, public")
        connection.execute("CREATE TEMPORARY TABLE backtests AS SELECT * FROM public.backtests")
        connection.execute(FORGERIES["backtests"].encode())
        trade(connection, number, bad)
        connection.rollback()


def test_temporary_functions_and_operators_are_not_asked(database: Database, bad: Traded) -> None:
    with pytest.raises(psycopg.errors.IntegrityError, match="signal bad"), client(database) as connection:
        connection.execute("SET search_path = pg_temp, public")
        connection.execute(
            "CREATE FUNCTION pg_temp.gate_refusal(factor_evaluations, timestamptz) RETURNS text LANGUAGE sql "
            "AS 'SELECT NULL::text'"
        )
        trade(connection, begin(connection), bad)


def test_number_and_time_of_a_run_are_the_databases(database: Database, good: Traded) -> None:
    with client(database) as connection:
        number = begin(connection, backtest_id="999", created_at="'2199-01-01'", xid="7")
        trade(connection, number, good)
        made = connection.execute(
            "SELECT created_at <= clock_timestamp() FROM backtests WHERE backtest_id = %s", [number]
        )
        assert made.fetchone() == (True,) and number != 999


def test_what_was_evaluated_after_the_run_began_is_refused_even_with_a_forged_time(database: Database) -> None:
    (hypothesis,) = declare(database, declaration("young"))
    with (
        pytest.raises(psycopg.errors.IntegrityError, match=r"signal young.*younger than the run"),
        database.write() as ours,
    ):
        connection = ours.connection.driver_connection
        number = begin(connection, created_at="'2199-01-01'")
        m = ledger.burden(ledger.looks(ours) + 1)
        (made,) = ledger.append(ours, [row(hypothesis.hypothesis_no, m, run(ours))])
        trade(connection, number, Traded(made.evaluation_id, "young", "young", "1", 1.0))


@pytest.mark.parametrize("begin_it", ["an old run", "an exploratory run"])
def test_nothing_is_added_to_a_run_later(database: Database, good: Traded, begin_it: str) -> None:
    number = recorded(database, good, reason="to see" if begin_it == "an exploratory run" else None)
    late = judged(database, f"late for {begin_it}")
    statements = [
        (SIGNAL, [number, *list(vars(late).values())[:-1]]),
        (EQUITY.replace("2020-01-02", "2020-01-09"), [number]),
        ("INSERT INTO backtest_trades VALUES (%s, 9, '2020-01-02', '2020-01-03', 1, 1, 1, 0, 0, 0)", [number]),
    ]
    for statement, values in statements:
        refused = pytest.raises(psycopg.errors.IntegrityError, match=r"not recorded by this transaction|younger")
        with refused, client(database) as connection:
            connection.execute(statement.encode(), values)


@pytest.mark.parametrize("table", ["backtest_equity", "backtest_trades"])
@pytest.mark.parametrize("reason", [None, "to see"])
def test_rows_without_signals_are_refused(database: Database, table: str, reason: str | None) -> None:
    values = {"backtest_equity": EQUITY, "backtest_trades": "INSERT INTO backtest_trades VALUES (%s, 1, '2020-01-02', "
              "'2020-01-03', 1, 1, 1, 0, 0, 0)"}[table]  # fmt: skip
    with pytest.raises(psycopg.errors.IntegrityError, match="has no signals"), client(database) as connection:
        connection.execute(values.encode(), [begin(connection, reason)])


def test_equity_of_no_run_is_refused(database: Database) -> None:
    with pytest.raises(psycopg.errors.IntegrityError, match="not recorded"), client(database) as connection:
        connection.execute(EQUITY, [4711])


@pytest.mark.parametrize("reason", [None, "to see"])
def test_a_run_without_signals_does_not_commit(database: Database, reason: str | None) -> None:
    with (
        pytest.raises(psycopg.errors.IntegrityError, match="backtest raw has no signals"),
        client(database) as connection,
    ):
        begin(connection, reason)
    with pytest.raises(InputError, match="no signals"):
        recorded(database)


@pytest.mark.parametrize("mode", ["fixed", "as_approved"])
def test_the_gate_checks_what_the_spec_names(database: Database, good: Traded, mode: str) -> None:
    with pytest.raises(RefusedError, match=r"its spec names \[.other.\], the gate has checked \[.good.\]"):
        recorded(database, good, spec=spec("other"), mode=mode)
    both = {"spec": spec("bad", "good"), "mode": mode}
    if mode == "as_approved":
        recorded(database, good, **both)
    else:
        with pytest.raises(RefusedError, match=r"its spec names \[.bad., .good.\]"):
            recorded(database, good, **both)


def test_two_runs_in_one_transaction(database: Database, good: Traded) -> None:
    with database.write() as connection:
        one, two = (backtests.record(connection, RUN, [good], CURVE, TRADES) for _ in range(2))
    assert two == one + 1


def test_an_exploratory_run_trades_on_anything_and_says_so(database: Database, bad: Traded) -> None:
    number = recorded(database, bad, reason="what it would have earned")
    with database.read() as connection:
        found = backtests.read(connection, number)
    assert found.exploratory and found.backtest.reason == "what it would have earned"


@pytest.mark.parametrize(
    ("exploratory", "reason"), [(True, None), (True, ""), (True, " \n\t"), (False, "because"), (False, "")]
)
def test_exploratory_exactly_with_a_reason(database: Database, exploratory: bool, reason: str | None) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match="reason"), client(database) as connection:
        connection.execute(INSERT.format(columns="", values="").encode(), [exploratory, reason])


def test_what_was_superseded_is_refused_though_it_passed(database: Database) -> None:
    (hypothesis,) = declare(database, declaration("superseded"))
    first, second = looks(database, hypothesis, [{}, {}])
    assert first.approved and second.approved
    old, new = (Traded(made.evaluation_id, "superseded", "superseded", "1", 1.0) for made in (first, second))
    with pytest.raises(RefusedError, match=f"superseded, evaluation {second.evaluation_id}"):
        recorded(database, old)
    recorded(database, new)


def test_a_description_is_no_look(database: Database) -> None:
    described = judged(database, "described", kind="description")
    with pytest.raises(RefusedError, match=r"signal described.*no look"):
        recorded(database, described)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"contaminated": True}, "contaminated"),
        ({"suspect": True}, "suspect and not cleared"),
        ({"tier": "C"}, "tier C"),
        ({"coverage_mean": 0.5}, "coverage is 0.500"),
        ({"coverage_mean": None}, "coverage is unknown"),
        ({"names_mean": 20.0}, "20.0 names"),
        ({"stable": False}, "unstable"),
        ({"sign_agrees": False}, "disagree"),
        ({"wrong_since_approval": True}, "wrong sign"),
        ({"gate_t": 3.0}, "candidate, p x M was"),
        ({"gate_t": None}, "p x M was unknown"),
    ],
)
def test_each_obstacle_is_named(database: Database, changes: dict[str, Any], why: str) -> None:
    with pytest.raises(RefusedError, match=why):
        recorded(database, judged(database, f"obstacle {why}", **changes))


def test_a_canary_takes_an_approval_away(database: Database) -> None:
    caught = judged(database, "caught")
    recorded(database, caught)
    with database.write() as connection:
        given = {"version": "1", "code_hash": "code of caught", "params_hash": "none", "days": [], "load_id": 1}
        connection.execute(insert(canaries).values(factor="caught", passed=False, **given))
    with pytest.raises(RefusedError, match=r"signal caught.*canary caught it"):
        recorded(database, caught)


def test_same_close_trading_does_not_exist(database: Database, good: Traded) -> None:
    with database.write() as connection, pytest.raises(DatabaseError, match="ck_backtest_trades_session"):
        backtests.record(connection, RUN, [good], CURVE, replace(TRADES, decided=TRADES.sessions))


def test_a_trade_in_no_company_is_refused(database: Database, good: Traded) -> None:
    with database.write() as connection, pytest.raises(DatabaseError, match="company_id 77 is no entity"):
        backtests.record(connection, RUN, [good], CURVE, replace(TRADES, companies=TRADES.companies + 76))


def test_another_isolation_level_is_refused(database: Database) -> None:
    with pytest.raises(psycopg.errors.IntegrityError, match="READ COMMITTED"), client(database) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        begin(connection)


def test_figures_hold_numbers(database: Database, good: Traded) -> None:
    with pytest.raises(InputError, match="null"):
        recorded(database, good, figures={"sharpe": float("nan")})


def test_standing_cannot_move_between_the_check_and_the_commit(database: Database) -> None:
    (hypothesis,) = declare(database, declaration("contested"))
    first = look(database, hypothesis)
    signal = Traded(first.evaluation_id, "contested", "contested", "1", 1.0)
    with database.write() as connection:
        backtests.record(connection, of(signal), [signal], CURVE, TRADES)
        judging = waiting(database, lambda other: _look_again(other, hypothesis))
        wait_for_lock(database)
    assert judging.result(timeout=10) == 2
    with pytest.raises(RefusedError, match="superseded"):
        recorded(database, signal)


def test_a_run_waits_for_a_look_that_is_being_made(database: Database) -> None:
    (hypothesis,) = declare(database, declaration("overtaken"))
    signal = Traded(look(database, hypothesis).evaluation_id, "overtaken", "overtaken", "1", 1.0)
    with database.write() as connection:
        _look_again(connection, hypothesis)
        running = waiting(database, lambda other: backtests.record(other, of(signal), [signal], CURVE, TRADES))
        wait_for_lock(database)
    with pytest.raises(RefusedError, match="superseded"):
        running.result(timeout=10)


def test_two_runs_at_once_get_two_numbers(database: Database, good: Traded) -> None:
    with database.write() as connection:
        one = backtests.record(connection, RUN, [good], CURVE, TRADES)
        running = waiting(database, lambda other: backtests.record(other, RUN, [good], CURVE, TRADES))
        wait_for_lock(database)
    assert running.result(timeout=10) == one + 1


def _look_again(connection: Writing, hypothesis: Hypothesis) -> int | None:
    ledger.lock(connection)
    m = ledger.burden(ledger.looks(connection) + 1)
    again = row(hypothesis.hypothesis_no, m, run(connection), dates=months(N + 12))
    return ledger.append(connection, [again])[0].look_no


def test_what_stood_at_its_look_but_not_at_todays_m_is_refused(database: Database) -> None:
    (hypothesis,) = declare(database, declaration("barely"))
    kept = {"gate_t": float(stats.t.isf(0.45 / ledger.LEAST_M / 2, N + 11))}
    last = looks(database, hypothesis, [{}, kept])[-1]
    assert last.approved
    barely = Traded(last.evaluation_id, "barely", "barely", "1", 1.0)
    recorded(database, barely)
    m = grow(database, 500)
    with pytest.raises(RefusedError, match=rf"signal barely.*retired, p x M is 0\.\d+ at today's M of {m}, above 0\.5"):
        recorded(database, barely)


def grow(database: Database, by: int) -> int:
    """Look at so many more hypotheses, which find nothing; returns M."""
    hypotheses = declare(database, *(declaration(f"trial {i}") for i in range(by)))
    with database.write() as connection:
        m = ledger.burden(ledger.looks(connection) + by)
        run_id, dates = run(connection), months()
        ledger.append(connection, [row(h.hypothesis_no, m, run_id, gate_t=1.0, dates=dates) for h in hypotheses])
    return m
