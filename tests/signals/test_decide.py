"""The decision: the table of docs/method.md row by row, and the database's twin on random ledgers."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from ledger_rows import declaration, months, row, run
from sqlalchemy import insert

from nexus.db import ledger, standing
from nexus.db.engine import Database
from nexus.db.tables import canaries
from nexus.signals.decide import REASONS, Decision, Look, approve, decide

GOOD = Look(
    horizon=21, look_no=1, order=1, gate_t=6.0, gate_p=1e-8, null_low=0.03, null_high=0.07, coverage=0.99, names=400.0,
    months_03=100.0, stable=True, sign_agrees=True,
)  # fmt: skip
NOTHING = replace(GOOD, gate_t=0.5, gate_p=0.6, null_low=-0.01, null_high=0.015)
WIDE = replace(GOOD, gate_t=0.5, gate_p=0.6, null_low=-0.05, null_high=0.06)
NEAR = replace(GOOD, gate_t=3.0, gate_p=0.01)
M = 400
READ = (
    "gate_t", "gate_p", "null_low", "null_high", "stable", "sign_agrees", "tier", "contaminated", "suspect",
    "months_03", "wrong_since_approval",
)  # fmt: skip


def verdict(*looks: Look, m: int = M) -> tuple[str, str, str]:
    """Of looks at one hypothesis, each approved as the database would; or of one look at each of several horizons."""
    made: list[Look] = []
    for look in looks:
        before = [one for one in made if one.horizon == look.horizon]
        made.append(approve(look, m, before[-1] if before else None))
    found = decide(made, m)
    assert found.reason in REASONS
    return found.verdict, found.status, found.reason


def test_each_row_of_the_table() -> None:
    assert verdict(GOOD) == ("pass", "approved", "passes")
    assert verdict(NEAR) == ("inconclusive", "candidate", "threshold")
    assert verdict(NOTHING) == ("null", "rejected", "null")
    assert verdict(WIDE) == ("underpowered", "rejected", "time")
    assert verdict(replace(WIDE, months_03=601.0)) == ("underpowered", "rejected", "noise")


def test_the_thresholds_are_at_m_and_at_three_horizons() -> None:
    assert verdict(replace(GOOD, gate_p=0.05 / M))[0] == "pass"
    assert verdict(replace(GOOD, gate_p=0.0501 / M))[0] == "inconclusive"
    assert verdict(replace(WIDE, gate_p=0.0166))[0] == "inconclusive"
    assert verdict(replace(WIDE, gate_p=0.0167))[0] == "underpowered"


def test_null_needs_every_horizon() -> None:
    assert verdict(NOTHING, replace(NOTHING, horizon=63))[0] == "null"
    assert verdict(NOTHING, replace(WIDE, horizon=63))[0] == "underpowered"


def test_one_horizon_is_enough_to_pass() -> None:
    assert verdict(NOTHING, replace(GOOD, horizon=126))[1] == "approved"


@pytest.mark.parametrize(
    ("flaw", "status"),
    [
        ({"tier": "C"}, "candidate backdated"), ({"coverage": 0.8}, "candidate survivorship"),
        ({"coverage": None}, "candidate survivorship"), ({"names": 49.9}, "candidate thin"),
        ({"sign_agrees": False}, "candidate sign"), ({"stable": False}, "candidate unstable"),
        ({"suspect": True}, "candidate suspect"), ({"suspect": True, "canary": True}, "approved passes"),
        ({"canary": False}, "rejected canary"), ({"contaminated": True}, "rejected contaminated"),
    ],
    ids=str,
)  # fmt: skip
def test_what_keeps_a_passing_p_value_from_approval(flaw: dict[str, Any], status: str) -> None:
    assert " ".join(verdict(replace(GOOD, **flaw))[1:]) == status


def test_what_retires_an_approved_signal() -> None:
    second = replace(GOOD, look_no=2, order=2)
    assert verdict(GOOD, replace(second, gate_p=0.4 / M))[1] == "approved"
    assert verdict(GOOD, replace(second, gate_p=0.6 / M))[1:] == ("retired", "multiplicity")
    assert verdict(GOOD, replace(second, stable=False))[1:] == ("retired", "unstable")
    assert verdict(GOOD, replace(second, wrong_since_approval=True))[1:] == ("retired", "wrong sign")
    assert decide([replace(GOOD, approved=True)], m=10**8).reason == "multiplicity"


def test_a_retired_signal_is_approved_again_only_by_passing() -> None:
    lost = replace(GOOD, look_no=2, order=2, gate_p=0.6 / M)
    third = replace(GOOD, look_no=3, order=3)
    assert verdict(GOOD, lost, replace(third, gate_p=0.4 / M))[1] == "retired"
    assert verdict(GOOD, lost, third)[1] == "approved"


def test_the_t_of_an_upside_down_hypothesis_is_turned_round() -> None:
    assert decide([replace(GOOD, side=-1)], M).t_stat == -6.0


def test_the_database_decides_the_same(database: Database) -> None:
    random = np.random.default_rng(11)
    horizons = (21, 63, 126)
    with database.write() as connection:
        new: list[Any] = []
        for i in range(250):
            for horizon in horizons[: random.integers(1, 4)]:
                twin = i >= 200 and horizon == 21
                new.append((declaration(f"f{i}", horizon), 1 + _first(new, i - 200) if twin else None, -1))
        declared = ledger.declare(connection, new)
    looks: dict[int, list[Look]] = defaultdict(list)
    for turn in range(4):
        _append(database, random, declared, looks, turn)
    passed = _canaries(database, random)
    kinds: Counter[tuple[str, str]] = Counter()
    for m in (400, 3_000, 60_000):
        with database.read() as connection:
            found = {verdict.declaration_no: verdict for verdict in standing.verdicts(connection, m=m)}
        for number in sorted({h.declaration_no for h in declared}):
            mine = [h for h in declared if h.declaration_no == number]
            seen = [
                replace(look, canary=canary, side=look.side * h.sign)
                for h in mine
                for canary in [_canary(passed, declared, h.root_no)]
                for look in looks[h.root_no]
            ]
            expected, verdict_ = decide(seen, m), found[number]
            kinds[expected.status, expected.reason] += 1
            assert _told(expected) == (
                verdict_.verdict, verdict_.status, verdict_.reason, verdict_.evaluation_id, verdict_.t_stat,
                verdict_.hlz_passes, verdict_.retest_after_n,
            ), (number, m)  # fmt: skip
    assert len(kinds) >= 14, kinds


def _told(decision: Decision) -> tuple[Any, ...]:
    return (
        decision.verdict, decision.status, decision.reason, decision.look.order, decision.t_stat, decision.hlz_passes,
        decision.retest_after_n,
    )  # fmt: skip


def _first(new: list[Any], factor: int) -> int:
    return next(place for place, (one, _, _) in enumerate(new) if one.factor == f"f{factor}")


def _append(
    database: Database, random: np.random.Generator, declared: list[Any], looks: dict[int, list[Look]], turn: int
) -> None:
    """One look at each root, drawn at random, and the twin's idea of it; every fifth root skips its turn."""
    due = [h for h in declared if h.root_no == h.hypothesis_no and random.random() < 0.8]
    with database.write() as connection:
        ledger.lock(connection)
        m = ledger.burden(ledger.looks(connection) + len(due))
        run_id = run(connection)
        rows = [row(h.hypothesis_no, m, run_id, dates=months(60 + 12 * turn), **_figures(random)) for h in due]
        done = ledger.append(connection, rows)
    for hypothesis, given, made in zip(due, rows, done, strict=True):
        own = looks[hypothesis.root_no]
        read = {name: given[name] for name in READ}
        look = Look(
            horizon=hypothesis.declaration.horizon, look_no=made.look_no, order=made.evaluation_id,
            coverage=given["coverage_mean"], names=given["names_mean"], **read,
        )  # fmt: skip
        own.append(approve(look, m, own[-1] if own else None))
        assert own[-1].approved == made.approved


def _figures(random: np.random.Generator) -> dict[str, Any]:
    t = float(random.normal(0, 1) if random.random() < 0.4 else random.choice([-1, 1]) * random.uniform(2, 12))
    narrow = random.random() < 0.5
    return {
        "gate_t": None if random.random() < 0.03 else t,
        "null_low": -0.01 if narrow else -0.03, "null_high": 0.01,
        "tier": "ABC"[random.choice(3, p=[0.5, 0.45, 0.05])],
        "coverage_mean": None if random.random() < 0.02 else float(random.uniform(0.88, 1)),
        "names_mean": float(random.uniform(45, 400)), "stable": bool(random.random() < 0.9),
        "sign_agrees": bool(random.random() < 0.97), "contaminated": bool(random.random() < 0.02),
        "suspect": bool(random.random() < 0.1), "wrong_since_approval": bool(random.random() < 0.05),
        "months_03": None if random.random() < 0.2 else float(random.uniform(20, 1200)),
    }  # fmt: skip


def _canaries(database: Database, random: np.random.Generator) -> dict[str, bool]:
    """Outcomes for a third of the factors, some twice: the latest counts."""
    passed: dict[str, bool] = {}
    with database.write() as connection:
        for factor in [f"f{i}" for i in random.integers(0, 250, 120)]:
            passed[factor] = bool(random.random() < 0.7)
            given = {"code_hash": f"code of {factor}", "params_hash": "none", "version": "1", "days": [], "load_id": 1}
            connection.execute(insert(canaries).values(factor=factor, passed=passed[factor], **given))
    return passed


def _canary(passed: dict[str, bool], declared: list[Any], root: int) -> bool | None:
    """The canary of a root: all factors under it that had one must have passed."""
    under = {h.declaration.factor for h in declared if h.root_no == root} & passed.keys()
    return all(passed[factor] for factor in under) if under else None
