"""A real PostgreSQL, built by the migrations once and cloned for each test module."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import text
from templates import close_to_connections

from nexus.db import admin, embedded
from nexus.db.engine import Database
from nexus.settings import Settings, settings

ROOT = Path(__file__).resolve().parents[1]
# a test cluster may lose its last second when the machine dies: nobody else's may
TEST_TUNING = {**embedded.TUNING, "shared_buffers": "256MB", "fsync": "off", "synchronous_commit": "off"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if {"server", "template", "database"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.database)


@pytest.fixture(scope="session")
def server() -> Database:
    """The server tests may fill: NEXUS_TEST_DATABASE_URL, else an embedded one of their own."""
    url = os.environ.get("NEXUS_TEST_DATABASE_URL")
    return Database.at(url or embedded.start(ROOT / ".cache" / "test-postgres", keep=False, tuning=TEST_TUNING))


@pytest.fixture(scope="session")
def template(server: Database) -> Iterator[Database]:
    """A migrated, empty database that nobody may connect to, so that it can be cloned."""
    made = server.sibling(f"nexus_test_template_{uuid4().hex[:8]}")
    admin.create_if_missing(made)
    admin.upgrade(made)
    made.dispose()
    close_to_connections(server, made)
    yield made
    admin.drop(made)


@pytest.fixture(scope="module")
def database(template: Database, server: Database) -> Iterator[Database]:
    """A migrated database of this test module's own."""
    name = f"nexus_test_{uuid4().hex[:12]}"
    with server.autocommit() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template.url.database}"))
    made = server.sibling(name)
    yield made
    admin.drop(made)


@pytest.fixture
def configured(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """The settings of a user whose database is this module's and whose home is empty."""
    monkeypatch.setenv("NEXUS_DATABASE_URL", database.dsn)
    monkeypatch.setenv("NEXUS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NEXUS_REPORTS_DIR", str(tmp_path / "reports"))
    settings.cache_clear()
    yield settings()
    settings.cache_clear()


@pytest.fixture(scope="session")
def pack() -> Path:
    """The real data pack; the test is skipped where it is not there."""
    folder = os.environ.get("NEXUS_DATA_DIR")
    if not folder or not (Path(folder) / "prices_daily_yf_2005_2024.parquet").exists():
        pytest.skip("NEXUS_DATA_DIR names no folder with the real data pack")
    return Path(folder)
