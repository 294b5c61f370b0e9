"""The canary passes the honest and catches the planted cheats."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_market import Market
from sqlalchemy import text

from nexus.db.engine import Database
from nexus.db.tables import FACTS
from nexus.errors import DatabaseError, InputError, LeakError
from nexus.signals.canary import canaries, canary
from nexus.signals.user import factors, from_file

CHEATS = from_file(Path(__file__).with_name("cheats.py"))


def clones(database: Database) -> int:
    with database.autocommit() as connection:
        like = f"{database.url.database}\\_canary%"
        found = connection.scalar(text("SELECT count(*) FROM pg_database WHERE datname LIKE :like"), {"like": like})
    return int(found or 0)


def test_honest_factors_pass_and_cheats_are_caught(database: Database, market: Market) -> None:
    days = [market.day(700), market.day(520)]
    honest = {name: factor for name, factor in factors().items() if factor.type != "graph"}
    cheats = {name: factor for name, factor in CHEATS.items() if name != "stumbling"}
    results = {result.factor.name: result for result in canaries(database, [*honest.values(), *cheats.values()], days)}
    assert clones(database) == 0
    for name in honest:
        assert results[name].passed, str(results[name])
        assert results[name].compared > 30
        results[name].require()
    peeks = [f"peek_{table}" for table in FACTS]
    for name in ("cheat_l1", "cheat_l2", "cheat_l3", "cheat_l4", *peeks):
        assert not results[name].passed, name
        assert {move.day for move in results[name].moves} <= set(days)
        with pytest.raises(LeakError, match=rf"factor {name}: .* scores moved .* company \d+ on 201"):
            results[name].require()
    with pytest.raises(LeakError, match=r"factor moody: scores differ from one computation to the next; seed"):
        results["moody"].require()
    with pytest.raises(InputError, match=r"factor silent: no score on 201.*, so nothing was tested"):
        results["silent"].require()
    with database.read() as connection:
        rows = connection.execute(text("SELECT factor, passed, days, detail FROM canaries ORDER BY canary_id")).all()
    assert {row.factor: row.passed for row in rows} == {name: result.passed for name, result in results.items()}
    leak = next(row for row in rows if row.factor == "cheat_l2")
    assert leak.days == sorted(days)
    assert leak.detail["moves"][0][1] in market.companies


def test_what_fails_on_the_clone_only_is_a_leak(database: Database, market: Market) -> None:
    with pytest.raises(
        LeakError, match=r"known after 2018-\d\d-\d\d poisoned: .*cheats.py, line \d+, factor stumbling"
    ):
        canary(database, CHEATS["stumbling"], [market.day(520)])
    assert clones(database) == 0


def test_a_database_in_use_cannot_be_cloned(database: Database, market: Market) -> None:
    with database.autocommit() as other:
        other.execute(text("SELECT 1"))
        with pytest.raises(DatabaseError, match=r"(?s)accessed by other users.*close other sessions and try again"):
            canary(database, factors()["reversal_5"])
    assert clones(database) == 0
