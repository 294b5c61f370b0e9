"""The audit of facts finds a row that is missing, added or without its load."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from loading import Feed, companies, fact
from sqlalchemy import text

from nexus.db import admin
from nexus.db.engine import Database
from nexus.db.facts_audit import Mismatch, audit_facts


@pytest.fixture(scope="module")
def loaded(database: Database) -> Database:
    """Two loads, of three rows and of one."""
    feed, ids = Feed(database), companies(database, 3)
    feed.load("fundamentals", [fact(company, 1.0, 1) for company in ids])
    feed.load("fundamentals", [fact(ids[0], 2.0, 2)])
    return database


@pytest.fixture
def tampered(loaded: Database) -> Iterator[Database]:
    """A clone in which the owner has switched the guard off."""
    clone = admin.clone(loaded, f"{loaded.url.database}_clone")
    with clone.owner() as connection:
        connection.execute(text("ALTER TABLE fundamentals DISABLE TRIGGER ALL"))
        connection.execute(text("ALTER TABLE loads DISABLE TRIGGER ALL"))
    yield clone
    admin.drop(clone)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("SELECT 1", []),
        ("UPDATE loads SET rows_inserted = 2 WHERE rows_inserted = 3", [(2, 3)]),
        ("DELETE FROM fundamentals WHERE value = 2", [(1, 0)]),
        ("UPDATE fundamentals SET load_id = 0 WHERE value = 2", [(None, 1), (1, 0)]),
        ("DELETE FROM loads WHERE rows_inserted = 3", [(None, 3)]),
    ],
)
def test_what_was_done_behind_the_guard_is_found(
    tampered: Database, change: str, found: list[tuple[int | None, int]]
) -> None:
    with tampered.owner() as connection:
        connection.execute(text(change))
    mismatches = audit_facts(tampered)
    assert [(one.recorded, one.found) for one in mismatches] == found
    assert all(isinstance(one, Mismatch) and one.table == "fundamentals" for one in mismatches)
