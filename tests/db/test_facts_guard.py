"""Facts and loads refuse change in the database itself, for any client; the program's role cannot lift the guard."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest
from loading import Feed, companies, fact, moment, price, sha, spell
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from nexus.db import capabilities
from nexus.db.engine import Database
from nexus.db.facts_audit import Mismatch, audit_facts
from nexus.db.tables import FACTS

GUARDED = sorted([*FACTS, "loads"])


@pytest.fixture(scope="module")
def filled(database: Database) -> Database:
    """One row in every facts table."""
    feed, [one, other] = Feed(database), companies(database, 2)
    day = date(2020, 1, 1)
    began = {"valid_from": day, "default_known_at": moment(1)}
    feed.load("prices", [price(one, 0, 10.0), price(one, 4000, 10.0), price(other, 0, 10.0)])
    feed.load("fundamentals", [fact(one, 1.0)])
    feed.load("universe_members", spell(one, 0))
    feed.load("symbols", [{"company_id": one, "ticker": "ONE", **began}])
    feed.load("classifications", [{"company_id": one, "scheme": "GICS", "code": "45", **began}])
    feed.load("relations", [{"src_id": one, "relation": "supplies", "dst_id": other, **began}])
    dated = {"company_id": one, "value": 2.0, "default_known_at": moment(1)}
    feed.load("corporate_actions", [{**dated, "ex_date": day, "kind": "split"}])
    feed.load("benchmarks", [{"series": "SP500", "session": day, "value": 3.0, "default_known_at": moment(1)}])
    event = {"event_id": sha("event"), "company_id": one, "event_type": "8-K", "event_date": day}
    feed.load("events", [{**event, "default_known_at": moment(1)}])
    return database


@pytest.fixture(params=["nexus_app", "owner"])
def anyone(request: pytest.FixtureRequest, filled: Database) -> Iterator[Connection]:
    with filled.write() if request.param == "nexus_app" else filled.owner() as connection:
        yield connection
        connection.rollback()


@pytest.mark.parametrize("table", GUARDED)
@pytest.mark.parametrize("change", ["UPDATE {table} SET load_id = load_id", "DELETE FROM {table}", "TRUNCATE {table}"])
def test_no_row_is_changed_or_removed_by_anyone(anyone: Connection, table: str, change: str) -> None:
    assert anyone.scalar(text(f"SELECT count(*) FROM {table}"))
    with pytest.raises(DBAPIError, match=r"insert-only|permission denied"):
        anyone.execute(text(change.format(table=table)))


@pytest.mark.parametrize("table", sorted(FACTS))
@pytest.mark.parametrize(
    "lifting",
    [
        "ALTER TABLE {table} DISABLE TRIGGER refuse_change",
        "ALTER TABLE {table} DISABLE TRIGGER ALL",
        "DROP TRIGGER refuse_change ON {table}",
        "DROP TABLE {table}",
        "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "SET session_replication_role = replica",
    ],
)
def test_the_programs_role_cannot_lift_the_guard(filled: Database, table: str, lifting: str) -> None:
    with pytest.raises(DBAPIError, match=r"must be owner|permission denied"), filled.write() as connection:
        connection.execute(text(lifting.format(table=table)))


@pytest.mark.parametrize("table", sorted(FACTS))
def test_a_load_never_grows_after_its_commit(anyone: Connection, table: str) -> None:
    columns = [column.name for column in FACTS[table].columns]
    values = ", ".join("known_at + interval '1 day'" if name == "known_at" else name for name in columns)
    again = f"INSERT INTO {table} ({', '.join(columns)}) SELECT {values} FROM {table}"
    with pytest.raises(DBAPIError, match="was not opened for this table by this transaction"):
        anyone.execute(text(again))


def test_a_load_of_one_table_takes_no_rows_of_another(anyone: Connection) -> None:
    load_id = anyone.scalar(
        text(
            "INSERT INTO loads (ingest_run_id, table_name, source, rows_read, rows_inserted) "
            "SELECT ingest_run_id, 'prices', source, 1, 1 FROM loads LIMIT 1 RETURNING load_id"
        )
    )
    row = "'SP500', date '2021-01-04', 'test', now(), 1.0, :load_id"
    with pytest.raises(DBAPIError, match="was not opened for this table"):
        anyone.execute(text(f"INSERT INTO benchmarks VALUES ({row})"), {"load_id": load_id})


@pytest.mark.parametrize("touching", ["TRUNCATE {chunk}", "DROP TABLE {chunk}", "DELETE FROM {chunk}"])
def test_a_chunk_is_guarded_as_its_table(filled: Database, touching: str) -> None:
    chunk = some_chunk(filled)
    with pytest.raises(DBAPIError, match=r"must be owner|permission denied|insert-only"), filled.write() as connection:
        connection.execute(text(touching.format(chunk=chunk)))


def test_chunks_are_dropped_by_the_owner_only_and_the_audit_notices(filled: Database) -> None:
    some_chunk(filled)
    drop = text("SELECT drop_chunks('prices', older_than => date '2027-01-01')")
    with pytest.raises(DBAPIError, match=r"must be owner|permission denied"), filled.write() as connection:
        connection.execute(drop)
    assert audit_facts(filled) == []
    with filled.owner() as connection:
        connection.execute(drop)
        recorded, load_id = 3, connection.scalar(text("SELECT load_id FROM loads WHERE table_name = 'prices'"))
    assert audit_facts(filled) == [Mismatch("prices", load_id, recorded, 1)]


def some_chunk(database: Database) -> str:
    with database.read() as connection:
        if not capabilities.detect(connection).timescaledb:
            pytest.skip("plain PostgreSQL has no chunks")
        found = connection.scalar(text("SELECT show_chunks('prices')::text LIMIT 1"))
    assert isinstance(found, str)
    return found


def test_a_fact_needs_a_load_that_its_own_transaction_opened(filled: Database) -> None:
    with pytest.raises(DBAPIError, match="load_id 1 was not opened for this table"), filled.write() as connection:
        connection.execute(text("INSERT INTO benchmarks VALUES ('S', '2020-01-01', 's', now(), 1, 1)"))


def test_a_load_needs_read_committed(filled: Database) -> None:
    with pytest.raises(DBAPIError, match="a load needs READ COMMITTED"), filled.write() as connection:
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        connection.execute(
            text(
                "INSERT INTO loads (ingest_run_id, table_name, source, rows_read, rows_inserted) "
                "SELECT ingest_run_id, table_name, source, 0, 0 FROM loads LIMIT 1"
            )
        )
