"""The small market of the node task, once for each test module that asks for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from graph.node_market import NodeMarket, build_market, own_settings

from nexus.db.engine import Database
from nexus.db.panel import Panel


@pytest.fixture(scope="module")
def market(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeMarket]:
    with own_settings(database, tmp_path_factory.mktemp("home")):
        yield build_market(database)


@pytest.fixture(scope="module")
def panel(market: NodeMarket) -> Panel:
    return market.panel()
