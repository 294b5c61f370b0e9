"""Sweeps in a ledger: what is one hypothesis, what is counted, and two processes that count at once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from array_market import HORIZONS, market, named, on, signal
from sqlalchemy import insert, text

from nexus.db import ledger, ledger_audit, registry, standing
from nexus.db.engine import Database
from nexus.db.tables import canaries
from nexus.maths.types import Floats
from nexus.signals.labels import Labels
from nexus.signals.sweep import Scored, sweep
from nexus.signals.trial import Judgement

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def made() -> tuple[Labels, Floats]:
    return market(months=120, companies=80)


def run(database: Database, made: tuple[Labels, Floats], scored: Sequence[Scored], universe: str) -> list[Judgement]:
    """Each test has a universe, hence hypotheses, of its own."""
    return sweep(database, on(made[0], universe), scored, HORIZONS)


def noise(seed: int) -> Floats:
    return np.random.default_rng(seed).standard_normal((120, 80))


def looks(judged: Sequence[Judgement]) -> list[list[int | None]]:
    return [[e.look_no for e in one.evaluations] for one in judged]


@pytest.mark.parametrize("together", [True, False])
def test_one_hypothesis_whatever_its_name(database: Database, made: tuple[Labels, Floats], together: bool) -> None:
    x, universe = signal(made[1], 0.12), f"P5 {together}"
    clothes = {"x": x, "-x": -x, "rank": x.argsort(axis=1).argsort(axis=1).astype(float), "2x+3": 2 * x + 3}
    scored = [named(name, values) for name, values in clothes.items()]
    judged = (
        run(database, made, scored, universe) if together else [run(database, made, [s], universe)[0] for s in scored]
    )
    assert looks(judged) == [[1, 1], [None, None], [None, None], [None, None]]
    assert [[e.same_as for e in one.evaluations] for one in judged[1:]] == [["x", "x"]] * 3
    with database.read() as connection:
        found = {v.signal: v for v in standing.verdicts(connection, [one.declaration_no for one in judged])}
    assert {v.status for v in found.values()} == {"approved"}
    assert found["-x"].t_stat == -found["x"].t_stat and found["rank"].t_stat == found["x"].t_stat
    assert {v.evaluation_id for v in found.values()} == {found["x"].evaluation_id}


def test_near_duplicates_are_named_and_counted(database: Database, made: tuple[Labels, Floats]) -> None:
    x = signal(made[1], 0.12)
    variants = [named(f"variant {i}", x + 0.3 * noise(100 + i)) for i in range(5)]
    judged = run(database, made, [named("x", x), *variants], "P6")
    assert looks(judged) == [[1, 1]] * 6
    for one in judged[1:]:
        assert "x" in {near.signal for near in one.evaluations[0].near}
        assert all(0.9 <= abs(near.rho) < 0.999 for near in one.evaluations[0].near)
    with database.read() as connection:
        rows = connection.execute(text("SELECT * FROM near_duplicates WHERE signal = 'variant 0'")).all()
    assert {row.its_status for row in rows} == {"approved"}


def test_looks_are_twelve_new_months_apart(database: Database) -> None:
    whole, future = market(months=160, companies=80)
    x = signal(future, 0.12)

    def at(months: int) -> list[int | None]:
        cut, _ = market(months=months, companies=80)
        (one,) = sweep(database, on(cut, "years"), [named("x", x[:months])], HORIZONS)
        return [e.look_no for e in one.evaluations]

    assert [at(months) for months in (120, 120, 131, 132, 143, 144)] == [
        [1, 1], [None, None], [None, None], [2, 2], [None, None], [3, 3],
    ]  # fmt: skip
    assert len(whole.dates) == 160


def test_another_condition_is_another_hypothesis(database: Database, made: tuple[Labels, Floats]) -> None:
    x = signal(made[1], 0.12)
    half = np.where(np.arange(120)[:, None] % 2 == 0, x, np.nan)
    everywhere, stressed = run(database, made, [named("x", x), named("x@", half, condition="stress")], "R")
    assert looks([everywhere, stressed]) == [[1, 1], [1, 1]]
    assert stressed.evaluations[0].same_as is None
    assert stressed.evaluations[0].judged.n < everywhere.evaluations[0].judged.n / 1.9


def test_a_suspect_is_held_until_the_canary_has_run(database: Database, made: tuple[Labels, Floats]) -> None:
    (one,) = run(database, made, [named("leak", signal(made[1], 0.35))], "suspects")
    assert one.evaluations[0].judged.suspect
    assert one.verdict is not None and (one.verdict.status, one.verdict.reason) == ("candidate", "suspect")
    found = []
    for passed in (True, False):
        given = {"version": "1", "code_hash": "code of leak", "params_hash": "none", "days": [], "load_id": 1}
        with database.write() as connection:
            connection.execute(insert(canaries).values(factor="leak", passed=passed, **given))
            found.append(standing.verdicts(connection, [one.declaration_no])[0])
    assert [(v.status, v.reason) for v in found] == [("approved", "passes"), ("rejected", "canary")]


def test_contaminated_scores_are_refused(database: Database, made: tuple[Labels, Floats]) -> None:
    (one,) = run(database, made, [named("oracle", made[0].forward[21].returns)], "L1")
    assert one.evaluations[0].judged.contaminated and not one.evaluations[0].approved
    assert one.verdict is not None and (one.verdict.status, one.verdict.reason) == ("rejected", "contaminated")


def test_tier_c_is_never_approved(database: Database, made: tuple[Labels, Floats]) -> None:
    (one,) = run(database, made, [named("elsewhere", signal(made[1], 0.12), tier="C")], "C")
    assert one.verdict is not None and (one.verdict.status, one.verdict.reason) == ("candidate", "backdated")


def test_an_approved_signal_turns_round_and_is_retired(database: Database) -> None:
    whole, future = market(months=200, companies=80, horizons=(21,))
    before, _ = market(months=120, companies=80, horizons=(21,))
    x = np.where(np.arange(200)[:, None] < 120, signal(future, 0.2), -signal(future, 0.1))
    (first,) = sweep(database, on(before, "turns"), [named("x", x[:120])], (21,))
    assert first.verdict is not None and first.verdict.status in ("approved", "candidate")
    with database.write() as connection:
        given = {"version": "1", "code_hash": "code of x", "params_hash": "none", "days": [], "load_id": 1}
        connection.execute(insert(canaries).values(factor="x", passed=True, **given))
        assert standing.verdicts(connection, [first.declaration_no])[0].status == "approved"
        found = standing.verdicts(connection, [first.declaration_no])
        registry.upsert(connection, [registry.Signal.of(found[0], "price", {})])
    (second,) = sweep(database, on(whole, "turns"), [named("x", x)], (21,))
    assert second.verdict is not None and second.evaluations[0].look_no == 2
    assert (second.verdict.status, second.verdict.reason) == ("retired", "wrong sign")
    with database.write() as connection:
        (change,) = registry.refresh(connection)
        assert (change.before, change.after) == ("approved", "retired")
        assert registry.refresh(connection) == []
        assert [(b, a) for _, b, a in registry.history(connection, "x")] == [
            (None, "approved"),
            ("approved", "retired"),
        ]


def test_a_sweep_is_one_block_and_says_what_the_family_does(database: Database, made: tuple[Labels, Floats]) -> None:
    with database.read() as connection:
        blocks = connection.scalar(text("SELECT count(*) FROM ledger_blocks"))
    judged = run(database, made, [named(f"n{i}", noise(i)) for i in range(20)], "sweep")
    with database.read() as connection:
        assert connection.scalar(text("SELECT count(*) FROM ledger_blocks")) == blocks + 1
    notes = [one.evaluations[0].judged.details["sweep"] for one in judged]
    assert {note["trials"] for note in notes} == {20}
    assert all(n["p_family"] is not None and n["p_holm"] <= n["p_bhy"] * 20 for n in notes)
    assert 10 < notes[0]["m_eff"] <= 20


def test_m_grows_with_looks_and_a_sweep_counts_itself(database: Database, made: tuple[Labels, Floats]) -> None:
    with database.read() as connection:
        before = ledger.looks(connection)
    judged = run(database, made, [named(f"many {i}", noise(1000 + i)) for i in range(200)], "many")
    with database.read() as connection:
        after = ledger.looks(connection)
    assert after == before + 400
    assert {one.m for one in judged} == {max(400, after)}
    row = judged[0].evaluations[0]
    assert row.detectable_ic is not None and row.detectable_ic > 0


def test_two_processes_at_once_both_count_and_see_each_other(database: Database) -> None:
    with database.read() as connection:
        before = ledger.looks(connection)
    command = [sys.executable, str(HERE / "one_sweep.py"), database.dsn]
    running = [subprocess.Popen([*command, str(seed)], stdout=subprocess.PIPE, text=True) for seed in range(2)]
    said = "".join(process.communicate(timeout=120)[0] for process in running)
    assert all(process.returncode == 0 for process in running)
    with database.read() as connection:
        assert ledger.looks(connection) == before + 2 * 10 + 1
        ms = list(connection.scalars(text("SELECT m FROM ledger_blocks ORDER BY block_no DESC LIMIT 6")))
    # five of six statements were looks, each judged at its own M; the shared trial was a look of one process only
    assert len(set(ms)) == 5
    assert said.split() == ["first"]
    assert ledger_audit.verify(database) == []


def test_nothing_to_record_is_nothing(database: Database, made: tuple[Labels, Floats]) -> None:
    assert run(database, made, [], "none") == []


def test_the_window_of_a_ground_makes_it_description(database: Database, made: tuple[Labels, Floats]) -> None:
    ground = replace(on(made[0], "window"), window=np.arange(120) < 60)
    (one,) = sweep(database, ground, [named("x", noise(1))], HORIZONS)
    assert looks([one]) == [[None, None]] and one.verdict is None
