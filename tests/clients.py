"""Clients of the database that know nothing of nexus, and clients that wait for one another."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg
from psycopg import sql
from sqlalchemy import text

from nexus.db.engine import Database, Writing

T = TypeVar("T")


@contextmanager
def client(database: Database, role: str = "nexus_app") -> Iterator[psycopg.Connection[Any]]:
    """A connection in `role` (owner: the login's); commits when its block ends."""
    with psycopg.connect(database.dsn) as connection:
        if role != "owner":
            connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))
            connection.commit()
        yield connection
        connection.commit()  # not on leaving: what a commit refuses would leave the connection open


def waiting(database: Database, work: Callable[[Writing], T]) -> Future[T]:
    """Begin `work` in a transaction and a thread of its own."""

    def whole() -> T:
        with database.write() as connection:
            return work(connection)

    with_one = ThreadPoolExecutor(1)
    begun = with_one.submit(whole)
    with_one.shutdown(wait=False)
    return begun


def wait_for_lock(database: Database) -> None:
    """Until a client of this database waits for another one."""
    for _ in range(500):
        with database.autocommit() as connection:
            if connection.scalar(
                text("SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() "
                     "AND wait_event_type = 'Lock')")
            ):  # fmt: skip
                return
        time.sleep(0.01)
    raise AssertionError("nobody waits")
