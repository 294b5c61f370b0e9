"""Markets for modules: a small one for each test module, and settings that point at it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import torch
from small_market import Market, build
from sqlalchemy import text
from templates import close_to_connections

from nexus.db import admin
from nexus.db.engine import Database
from nexus.graph.recipes import recipe
from nexus.graph.snapshots import build as build_graphs
from nexus.graph.snapshots import choose_days
from nexus.ingest.run import ingest_frames
from nexus.ingest.simulate import simulate, tables
from nexus.settings import settings


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Small products are slower on many threads."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEXUS_THREADS", "1")
        settings.cache_clear()
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        yield
        torch.set_num_threads(before)
    settings.cache_clear()


@pytest.fixture(scope="module")
def market(database: Database) -> Market:
    """Thirty companies over 900 weekdays from 2016 on."""
    return build(database)


@pytest.fixture(scope="session")
def simulated(template: Database, server: Database) -> Iterator[Database]:
    """A simulated market of forty companies over 900 sessions with its monthly graph: a template, to be copied."""
    made = server.sibling(f"nexus_test_market_{uuid4().hex[:8]}")
    with server.autocommit() as connection:
        connection.execute(text(f"CREATE DATABASE {made.url.database} TEMPLATE {template.url.database}"))
    ingest_frames(made, tables(simulate(seed=1, sessions=900, listed=40)), "simulated-1")
    build_graphs(made, recipe("monthly", "SIM500"), choose_days(made))
    made.dispose()
    close_to_connections(server, made)
    yield made
    admin.drop(made)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty folder for checkpoints."""
    return tmp_path / "models-home"
