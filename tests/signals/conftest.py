"""The small market, once per test module."""

from __future__ import annotations

import pytest
from small_market import Market, build

from nexus.db.engine import Database


@pytest.fixture(scope="module")
def market(database: Database) -> Market:
    return build(database)
