"""The simulated market goes into a database of its own, once."""

from __future__ import annotations

from uuid import uuid4

import pytest

from nexus.cli.ingest import what_to_export
from nexus.db import admin
from nexus.db.engine import Database
from nexus.db.load import SourceInfo
from nexus.errors import InputError
from nexus.ingest import simulated
from nexus.ingest.run import ingest_frames
from nexus.ingest.simulate import simulate, tables
from nexus.settings import Settings


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A market that takes a second instead of twenty."""
    monkeypatch.setattr(simulated, "simulate", lambda seed: simulate(seed, sessions=600, listed=40))


def test_a_second_time_nothing_is_done(database: Database, small: None) -> None:
    first = simulated.ingest_simulated(database, 3)
    assert sum(one.inserted for one in first) > 20_000
    assert simulated.ingest_simulated(database, 3) == []


def test_one_ledger_holds_one_market(database: Database, small: None) -> None:
    with pytest.raises(InputError, match="one market"):
        simulated.ingest_simulated(database, 4)


def test_an_interrupted_run_goes_on(server: Database, small: None) -> None:
    own = admin.ready(server.sibling(f"nexus_test_interrupted_{uuid4().hex[:8]}"))
    try:
        frames = tables(simulate(3, sessions=600, listed=40))
        some = {kind: frames[kind] for kind in ("reference", "universe")}
        ingest_frames(own, some, SourceInfo("simulated-3", "reported"), command="killed in the middle")
        assert any(one.table == "prices" and one.inserted for one in simulated.ingest_simulated(own, 3))
    finally:
        admin.drop(own)


def test_the_configured_database_is_refused(database: Database) -> None:
    with pytest.raises(InputError, match="of its own"):
        simulated.simulated_database(database, database.url.database)


def test_it_says_what_to_export_and_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    own = Database.at("postgresql://me:secret@host/nexus_simulated")
    said = []
    for url in (None, "postgresql://me:secret@host/nexus"):
        monkeypatch.setattr("nexus.settings.settings", lambda url=url: Settings(database_url=url))
        said.append(what_to_export(own))
    simulated_market = "NEXUS_UNIVERSE=SIM500 NEXUS_MARKET=SIMX NEXUS_SECTORS=SIM"
    assert said == [
        f"export NEXUS_DATABASE=nexus_simulated {simulated_market}",
        f"export {simulated_market}, and end NEXUS_DATABASE_URL in /nexus_simulated",
    ]
