"""The schema: made by the migrations, the same as the tables say, up, down and up again."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from alembic import command
from made_rows import SUPPLY, edges, graph
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from nexus.db import admin, capabilities, views
from nexus.db.engine import Database
from nexus.db.graph_store import Snapshots, write_graphs
from nexus.db.tables import FACTS, metadata
from nexus.errors import DatabaseError

_OUT_OF_LINE = text(
    "SELECT attname FROM pg_attribute "
    "WHERE attrelid = 'graph_edge_arrays'::regclass AND attstorage = 'e' AND NOT attisdropped"
)


def test_upgrading_twice_is_a_no_op(database: Database) -> None:
    before = admin.status(database)
    admin.upgrade(database)
    assert admin.status(database) == before
    assert before.revision == before.head


def test_a_database_of_a_newer_nexus_is_told_as_such(database: Database) -> None:
    with database.owner() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(DatabaseError, match=r"the database is at revision 9999, and this nexus knows up to .*newer"):
        admin.ready(database)
    with database.owner() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :head"), {"head": admin.head()})


def test_alembic_check_is_clean(database: Database) -> None:
    with database.owner() as connection:
        command.check(admin._config(connection))


def test_downgrade_to_nothing_and_up_again(database: Database) -> None:
    admin.downgrade(database, "base")
    with database.owner() as connection:
        left = connection.scalars(
            text("SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'")
        ).all()
    assert not left
    admin.upgrade(database)
    with database.read() as connection:
        made = set(connection.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")))
        assert set(metadata.tables) <= made
        for kind, name in views.names():
            if kind == "VIEW":
                connection.execute(text(f"SELECT * FROM {name} LIMIT 0"))


def test_edges_keep_what_they_say_in_either_form(database: Database) -> None:
    """0011 names each source once, and back."""
    day = date(2020, 1, 31)
    pairs = [(1, 2), (1, 3), (2, 9), (7, 1), (7, 2), (7, 8)]
    kinds = {SUPPLY: edges(pairs, 0.5), ("company", "competes", "company"): edges([])}
    made = graph(day, range(1, 10), kinds)
    with database.write() as connection:
        closes = {day: datetime(2020, 1, 31, 21, tzinfo=UTC)}
        write_graphs(connection, [made], builder="a builder", load_id=0, closes=closes)
    arrays = text("SELECT * FROM graph_edge_arrays ORDER BY relation")
    with database.read() as connection:
        once = connection.execute(arrays).mappings().all()
    admin.downgrade(database, "0010")
    with database.read() as connection:
        none, each = connection.execute(arrays).mappings().all()
    assert (none["src_ids"], none["dst_ids"]) == ([], [])
    assert list(zip(each["src_ids"], each["dst_ids"], each["weights"], strict=True)) == [(*pair, 0.5) for pair in pairs]
    admin.upgrade(database)
    with database.read() as connection:
        assert connection.execute(arrays).mappings().all() == once
        assert set(connection.scalars(_OUT_OF_LINE)) == {"src_ids", "src_counts", "dst_ids", "weights"}
    assert Snapshots.open(database, "g").at(day).content_hash == made.content_hash
    with pytest.raises(DBAPIError, match="insert-only"), database.owner() as connection:
        connection.execute(text("UPDATE graph_edge_arrays SET relation = 'x'"))


def test_tier_is_said(database: Database) -> None:
    with database.read() as connection:
        found = capabilities.detect(connection)
        hypertables = (
            connection.scalars(text("SELECT hypertable_name FROM timescaledb_information.hypertables")).all()
            if found.timescaledb
            else []
        )
    assert found.tier in str(found)
    assert set(hypertables) == ({"prices", "factor_values"} if found.timescaledb else set())


@pytest.mark.parametrize("table", sorted(FACTS))
def test_truncate_of_facts_is_refused_even_for_the_owner(database: Database, table: str) -> None:
    with pytest.raises(DBAPIError, match="insert-only"), database.owner() as connection:
        connection.execute(text(f"TRUNCATE {table}"))
