"""The small market, built once and cloned for each test module, under settings that name it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from small_trading import World, build

from nexus.db import admin
from nexus.db.engine import Database
from nexus.settings import settings


@contextmanager
def simulated_settings(home: Path) -> Iterator[None]:
    """The settings of who trades the simulated market; those before come back."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEXUS_HOME", str(home))
        patch.setenv("NEXUS_UNIVERSE", "SIM500")
        patch.setenv("NEXUS_MARKET", "SIMX")
        patch.setenv("NEXUS_SECTORS", "SIM")
        settings.cache_clear()
        yield
    settings.cache_clear()


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module", autouse=True)
def simulated(home: Path) -> Iterator[None]:
    with simulated_settings(home):
        yield


@pytest.fixture(scope="session")
def built(template: Database, server: Database, home: Path) -> Iterator[tuple[Database, World]]:
    made = server.sibling(f"nexus_test_paper_{uuid4().hex[:8]}")
    with server.autocommit() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {made.url.database} TEMPLATE {template.url.database}")
    with simulated_settings(home):
        world = build(made)
    yield made, world
    admin.drop(made)


@pytest.fixture(scope="module")
def database(built: tuple[Database, World]) -> Iterator[Database]:
    made = admin.clone(built[0], f"nexus_test_{uuid4().hex[:12]}")
    yield made
    admin.drop(made)


@pytest.fixture(scope="module")
def world(built: tuple[Database, World]) -> World:
    return built[1]
