"""The small market, once per test module, under settings that name it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from small_trading import World, build

from nexus.db.engine import Database
from nexus.settings import settings


@pytest.fixture(scope="module")
def world(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEXUS_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("NEXUS_UNIVERSE", "SIM500")
        patch.setenv("NEXUS_MARKET", "SIMX")
        patch.setenv("NEXUS_SECTORS", "SIM")
        settings.cache_clear()
        yield build(database)
    settings.cache_clear()
