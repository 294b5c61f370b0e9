"""The canary passes the honest and catches the planted cheats."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_market import Market
from sqlalchemy import text

from nexus.db.engine import Database
from nexus.errors import LeakError
from nexus.settings import Settings
from nexus.signals.canary import canaries
from nexus.signals.user import factors, from_file

CHEATS = Path(__file__).with_name("cheats.py")


def databases(database: Database) -> int:
    with database.autocommit() as connection:
        return int(connection.scalar(text("SELECT count(*) FROM pg_database WHERE datname LIKE '%canary%'")) or 0)


def test_honest_factors_pass_and_cheats_are_caught(database: Database, market: Market, configured: Settings) -> None:
    days = [market.day(700), market.day(520)]
    tested = [*factors().values(), *from_file(CHEATS).values()]
    before = databases(database)
    results = {result.factor.name: result for result in canaries(database, tested, days)}
    assert databases(database) == before
    for name in factors():
        assert results[name].passed, str(results[name])
        assert results[name].compared > 30
        results[name].require()
    for name in ("cheat_l1", "cheat_l2", "cheat_l3", "cheat_l4"):
        assert not results[name].passed
        assert {move.day for move in results[name].moves} <= set(days)
        with pytest.raises(LeakError, match=rf"factor {name}: .* scores moved .* company \d+ on 201"):
            results[name].require()
    with database.read() as connection:
        rows = connection.execute(text("SELECT factor, passed, days, detail FROM canaries ORDER BY canary_id")).all()
    assert {row.factor: row.passed for row in rows} == {name: result.passed for name, result in results.items()}
    leak = next(row for row in rows if row.factor == "cheat_l2")
    assert leak.days == sorted(days)
    assert leak.detail["moves"][0][1] in market.companies
