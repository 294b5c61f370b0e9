"""Poison leaves what is known at t alone, and nothing else."""

from __future__ import annotations

from collections import Counter
from datetime import date

import pandas as pd
import pytest
from small_market import Market, build, close_of
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from nexus.db.engine import Database
from nexus.db.poison import disarm, poison
from nexus.db.tables import FACTS
from nexus.errors import InputError

Rows = dict[str, Counter[str]]


@pytest.fixture(scope="module")
def market(database: Database) -> Market:
    return build(database)


def rows(database: Database, comparison: str, day: date) -> Rows:
    """Rows of each table known up to (<=) or after (>) the close of `day`, as text."""
    statement = "SELECT t::text FROM {} t WHERE known_at {} :close"
    with database.read() as connection:
        return {
            table: Counter(connection.scalars(text(statement.format(table, comparison)), {"close": close_of(day)}))
            for table in FACTS
        }


def test_the_past_is_untouched_and_the_future_is_not(database: Database, market: Market) -> None:
    late, early = market.day(700), market.day(450)
    with pytest.raises(DBAPIError, match="was not opened for this table by this transaction"):
        poison(database, "XNYS", late)
    disarm(database)
    original = {day: (rows(database, "<=", day), rows(database, ">", day)) for day in (late, early)}
    for day, until in ((late, None), (early, late)):
        poison(database, "XNYS", day, until)
        known, after = original[day]
        assert rows(database, "<=", day) == known
        poisoned = rows(database, ">", day)
        for table in FACTS:
            assert sum(poisoned[table].values()) > 0, table
            left = poisoned[table] & after[table]
            assert sum(left.values()) == 0, (table, left.most_common(1))


def test_some_companies_vanish_and_the_facts_of_the_others_are_restated(database: Database, market: Market) -> None:
    """After the poison of the test before: known at session 450, restated a microsecond later, or gone."""
    day = market.day(450)
    with database.read() as connection:
        restated = dict(
            connection.execute(
                text("SELECT company_id, count(*) FROM prices WHERE known_at = :moment GROUP BY 1"),
                {"moment": close_of(day) + pd.Timedelta(microseconds=1)},
            ).all()
        )
        alive = set(
            connection.scalars(text("SELECT DISTINCT company_id FROM prices WHERE session > :day"), {"day": day})
        )
    known = market.known("prices", day)
    recent = known[known["session"] > date.fromordinal(day.toordinal() - 400)]
    gone = set(market.companies) - alive
    assert 0 < len(gone) < len(market.companies) / 2
    assert restated == recent[~recent["company_id"].isin(gone)].groupby("company_id").size().to_dict()


def test_only_sessions(database: Database, market: Market) -> None:
    with pytest.raises(InputError, match="2016-01-09 is no session of XNYS; choose a trading day"):
        poison(database, "XNYS", date(2016, 1, 9))
