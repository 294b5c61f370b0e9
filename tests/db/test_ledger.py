"""The ledger against clients that would like it otherwise."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from ledger_rows import N, declaration, declare, look, looks, months, row, run
from sqlalchemy import insert, text
from sqlalchemy.exc import DBAPIError

from nexus.db import ledger
from nexus.db.engine import Database
from nexus.db.ledger import StoredSketch
from nexus.db.tables import canaries, factor_evaluations, hypotheses
from nexus.errors import RefusedError


def test_the_database_numbers_stamps_and_approves_whatever_the_client_writes(database: Database) -> None:
    (hypothesis,) = declare(database, declaration("forger"))
    forged = {
        "evaluation_id": 99, "look_no": 7, "approved": True, "root_no": 99, "factor": "other", "version": "9",
        "horizon": 5, "evaluated_at": datetime(1999, 1, 1, tzinfo=UTC),
    }  # fmt: skip
    with database.write() as connection:
        values = row(hypothesis.hypothesis_no, 400, run(connection), gate_t=1.0) | forged
        values |= {k: v.tolist() for k, v in values.items() if hasattr(v, "tolist")}
        connection.execute(insert(factor_evaluations).values(**values))
    with database.read() as connection:
        made = connection.execute(text("SELECT * FROM factor_evaluations WHERE factor = 'forger'")).one()
    assert made.evaluation_id != 99 and made.root_no == hypothesis.root_no
    assert (made.look_no, made.approved, made.version, made.horizon) == (1, False, "1", 21)
    assert made.evaluated_at.year >= 2026


def test_a_hypothesis_is_numbered_by_the_database(database: Database) -> None:
    with database.write() as connection:
        values = {**vars(declaration("numbered")), "hypothesis_no": 4000, "declaration_no": 1, "root_no": 1}
        connection.execute(insert(hypotheses).values(**values, declared_at=datetime(1999, 1, 1, tzinfo=UTC)))
        made = connection.execute(text("SELECT * FROM hypotheses WHERE factor = 'numbered'")).one()
    assert made.hypothesis_no == made.root_no == made.declaration_no < 4000
    assert made.declared_at.year >= 2026


@pytest.mark.parametrize("table", ["factor_evaluations", "hypotheses", "sketches", "canaries", "ledger_blocks"])
@pytest.mark.parametrize("statement", ["UPDATE {0} SET {1} = {1}", "DELETE FROM {0}", "TRUNCATE {0} CASCADE"])
def test_the_ledger_refuses_change_even_by_the_owner(database: Database, table: str, statement: str) -> None:
    _one_of_each(database)
    column = {"ledger_blocks": "m", "sketches": "ranks", "canaries": "passed"}.get(table, "version")
    for connect in (database.owner, database.write):
        with pytest.raises(DBAPIError, match=r"insert-only|permission denied"), connect() as connection:
            connection.execute(text(statement.format(table, column)))


def test_another_isolation_level_is_refused(database: Database) -> None:
    with pytest.raises(DBAPIError, match="READ COMMITTED"), database.owner() as connection:
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        connection.execute(text("INSERT INTO hypotheses (factor) VALUES ('x')"))


def test_a_wrong_m_is_refused(database: Database) -> None:
    (hypothesis,) = declare(database, declaration("cheap"))
    for m in (1, 399, 401):
        with pytest.raises(RefusedError, match=f"judged at M = {m}"), database.write() as connection:
            ledger.append(connection, [row(hypothesis.hypothesis_no, m, run(connection))])


def test_nan_is_no_p_value(database: Database) -> None:
    (hypothesis,) = declare(database, declaration("nan"))
    with pytest.raises(RefusedError, match="NaN is no p-value"):
        look(database, hypothesis, gate_t=float("nan"))


def test_series_have_the_length_they_say(database: Database) -> None:
    (hypothesis,) = declare(database, declaration("short"))
    with pytest.raises(RefusedError, match="ck_factor_evaluations_gate_n"):
        look(database, hypothesis, gate_n=N + 40)


def test_looks_are_twelve_new_periods_apart(database: Database) -> None:
    (hypothesis,) = declare(database, declaration("patient"))
    numbers = [look(database, hypothesis, dates=months(N + more)).look_no for more in (0, 0, 11, 12, 23, 24)]
    assert numbers == [1, None, None, 2, None, 3]


def test_a_chosen_window_is_no_look(database: Database) -> None:
    (hypothesis,) = declare(database, declaration("chooser"))
    done = look(database, hypothesis, kind="description")
    assert done.look_no is None and not done.approved
    assert look(database, hypothesis).look_no == 1


def test_the_same_hypothesis_inherits_looks_and_the_sign_multiplies(database: Database) -> None:
    with database.write() as connection:
        first, second = declaration("twin"), declaration("nint")
        number = ledger.highest(connection) + 1
        up, down = ledger.declare(connection, [(first, None, 1), (second, number, -1)])
        (again,) = ledger.declare(connection, [(declaration("nint2"), down.hypothesis_no, -1)])
    assert up.root_no == down.root_no == again.root_no
    assert (up.sign, down.sign, again.sign) == (1, -1, 1)
    assert look(database, up).look_no == 1
    assert look(database, down).look_no is None
    with pytest.raises(RefusedError, match="cannot be the same"), database.write() as connection:
        ledger.declare(connection, [(declaration("twin", horizon=63), up.hypothesis_no, 1)])


def test_an_approval_is_kept_while_p_times_m_is_small(database: Database) -> None:
    # at M = 400 and 59 degrees of freedom: t = 4.2 passes, 3.5 is between .05 and .5, 2 is above
    (hypothesis,) = declare(database, declaration("keeper"))
    approved = [one.approved for one in looks(database, hypothesis, [{"gate_t": t} for t in (3.5, 4.3, 3.6, 2.0, 3.6)])]
    assert approved == [False, True, True, False, False]


@pytest.mark.parametrize(
    "flaw",
    [
        {"tier": "C"}, {"stable": False}, {"sign_agrees": False}, {"coverage_mean": 0.89}, {"coverage_mean": None},
        {"names_mean": 49.0}, {"contaminated": True}, {"wrong_since_approval": True},
    ],
    ids=str,
)  # fmt: skip
def test_what_a_p_value_cannot_buy(database: Database, flaw: dict) -> None:
    (hypothesis,) = declare(database, declaration(f"flawed {flaw}"))
    assert not look(database, hypothesis, **flaw).approved


def test_the_latest_canary_decides_over_the_suspect(database: Database) -> None:
    (hypothesis,) = declare(database, declaration("suspect"))
    look(database, hypothesis, suspect=True)
    query = text("SELECT stands(e, 400) FROM factor_evaluations e WHERE factor = 'suspect'")
    found = []
    for passed in (None, True, False):
        if passed is not None:
            _canary(database, "suspect", passed)
        with database.read() as connection:
            found.append(connection.scalar(query))
    assert found == [False, True, False]


def test_a_canary_of_another_factor_in_the_same_file_does_not_help(database: Database) -> None:
    same_file = {"code_hash": "one file"}
    (hypothesis,) = declare(database, declaration("cheat", **same_file))
    look(database, hypothesis, suspect=True)
    _canary(database, "honest", True, **same_file)
    with database.read() as connection:
        assert not connection.scalar(text("SELECT stands(e, 400) FROM factor_evaluations e WHERE factor = 'cheat'"))


def test_each_statement_is_one_block_and_m_counts_its_own_looks(database: Database) -> None:
    many = declare(database, *(declaration(f"many {i}") for i in range(450)))
    with database.write() as connection:
        before = connection.execute(text("SELECT max(block_no), max(looks) FROM ledger_blocks")).one()
        m = ledger.burden(ledger.looks(connection) + len(many))
        run_id = run(connection)
        ledger.append(connection, [row(h.hypothesis_no, m, run_id, gate_t=1.0) for h in many])
        after = connection.execute(text("SELECT * FROM ledger_blocks ORDER BY block_no DESC LIMIT 1")).one()
    assert after.block_no == before[0] + 1
    assert after.looks == before[1] + 450 == m == after.m
    assert after.last_evaluation_id - after.first_evaluation_id == 449


def _canary(database: Database, factor: str, passed: bool, **changes: str) -> None:
    given = {"factor": factor, "version": "1", "code_hash": f"code of {factor}", "params_hash": "none", "days": []}
    with database.write() as connection:
        connection.execute(insert(canaries).values(**(given | changes), passed=passed, load_id=1))


def _one_of_each(database: Database) -> None:
    with database.read() as connection:
        if connection.scalar(text("SELECT EXISTS (SELECT FROM sketches)")):
            return
    (hypothesis,) = declare(database, declaration("one of each"))
    dates = months(2)
    with database.write() as connection:
        ranks = [[1, 2], [2, 1]]
        sketch = StoredSketch(b"hash", dates, np.array([1, 2], np.int32), np.array(ranks, np.int16))
        ledger.store_sketches(connection, [sketch])
        (back,) = ledger.sketches(connection, [b"hash"])
    assert (back.dates == dates).all() and back.ranks.tolist() == ranks
    _canary(database, "one of each", True)
    look(database, hypothesis)
