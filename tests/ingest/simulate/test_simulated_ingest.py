"""The simulated market through the door that a user's files take, and back out of the database."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from sqlalchemy import text

from nexus.db.engine import Database
from nexus.db.load import Loaded
from nexus.db.panel import Panel
from nexus.ingest.run import ingest_frames
from nexus.ingest.simulate import Market, simulate, tables
from nexus.maths.types import Ints

INPUTS = ("prices.close", "fundamentals.planted_p1", "universe_members.SIM500", "benchmarks.VIX", "classifications.SIM")


@pytest.fixture(scope="module")
def small() -> Market:
    return simulate(2, sessions=1500, listed=100)


@pytest.fixture(scope="module")
def loaded(database: Database, small: Market) -> list[Loaded]:
    return ingest_frames(database, tables(small), "simulation")


@pytest.fixture(scope="module")
def panel(database: Database, loaded: list[Loaded], small: Market) -> Panel:
    first, last = (day.astype(date) for day in small.economy.time.dates[[0, -1]])
    return Panel.open(database, start=first, end=last, inputs=INPUTS)


@pytest.fixture(scope="module")
def companies(database: Database, panel: Panel, small: Market) -> Ints:
    """Index in the simulation of each company of the panel."""
    with database.read() as connection:
        cik = dict(connection.execute(text("SELECT entity_id, cik FROM entities WHERE kind = 'company'")).all())
    return np.array([cik[company] for company in panel.companies.tolist()]) - small.names.cik[0]


def test_every_row_is_taken(loaded: list[Loaded], database: Database) -> None:
    with database.read() as connection:
        reasons = connection.execute(text("SELECT table_name, reason, detail FROM rejected_rows LIMIT 5")).all()
    assert reasons == []
    assert all(one.rejected == one.out_of_scope == one.duplicates == 0 for one in loaded)


def test_the_same_market_again_changes_nothing(database: Database, loaded: list[Loaded], small: Market) -> None:
    again = ingest_frames(database, tables(small), "simulation")
    assert [one.inserted for one in again] == [0] * len(again)


def test_every_company_is_one_company(small: Market, companies: Ints) -> None:
    assert sorted(companies.tolist()) == list(range(len(small.economy.lives)))


def test_returns_come_back(panel: Panel, small: Market, companies: Ints) -> None:
    found = panel.ahead.total_return
    world = small.economy
    bars = np.isfinite(small.bars.close)[:, companies]
    np.testing.assert_array_equal(panel.ahead.has_bar, bars)
    rows = np.isfinite(found)
    assert rows.sum() == bars.sum() - len(companies)
    np.testing.assert_allclose(found[rows], np.expm1(world.log_return[:, companies][rows]), atol=1e-4)
    np.testing.assert_allclose(panel.ahead.delisting, world.delisting[companies])


def test_scores_and_members_come_back_at_the_close_they_are_known(panel: Panel, small: Market, companies: Ints) -> None:
    score = small.truths.scores["P1"]
    for month in (5, 40, 70):
        view = panel.at(small.truths.dates[month].astype(date))
        np.testing.assert_allclose(view.fundamental("planted_p1", max_age_days=5), score[month, companies])
        np.testing.assert_array_equal(view.members("SIM500"), small.truths.member[month, companies])
        np.testing.assert_allclose(view.benchmark("VIX", 1)[-1], small.economy.vix[small.economy.time.months[month]])


def test_sectors_come_back(panel: Panel, small: Market, companies: Ints) -> None:
    codes = panel.at(small.truths.dates[40].astype(date)).sector("SIM")
    there = small.truths.member[40, companies]
    sector = small.economy.exposures.sector[companies]
    np.testing.assert_array_equal(codes[there][:, None] == codes[there], sector[there][:, None] == sector[there])
