"""The small market, built once and cloned for each test module, under settings that name it."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest
from small_trading import World, build

from nexus.db import admin
from nexus.db.engine import Database
from nexus.settings import settings


@pytest.fixture(scope="session")
def built(
    template: Database, server: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Database, World]]:
    made = server.sibling(f"nexus_test_paper_{uuid4().hex[:8]}")
    with server.autocommit() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {made.url.database} TEMPLATE {template.url.database}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEXUS_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("NEXUS_UNIVERSE", "SIM500")
        patch.setenv("NEXUS_MARKET", "SIMX")
        patch.setenv("NEXUS_SECTORS", "SIM")
        settings.cache_clear()
        yield made, build(made)
    settings.cache_clear()
    admin.drop(made)


@pytest.fixture(scope="module")
def database(built: tuple[Database, World]) -> Iterator[Database]:
    made = admin.clone(built[0], f"nexus_test_{uuid4().hex[:12]}")
    yield made
    admin.drop(made)


@pytest.fixture(scope="module")
def world(built: tuple[Database, World]) -> World:
    return built[1]
