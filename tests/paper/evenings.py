"""What the database holds of an account, and processes that die or collide while they write it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from datetime import date
from multiprocessing.synchronize import Barrier
from typing import Any

import psycopg
from small_trading import World
from sqlalchemy import text

from nexus.db import paper
from nexus.db.engine import Database
from nexus.errors import NexusError
from nexus.paper.trader import run

TABLES = ("paper_sessions", "paper_orders", "paper_fills", "paper_positions", "paper_equity")
OWN = "ARRAY['account_id', 'processed_at', 'xid', 'load_id']"
"""Columns that two accounts with the same history may differ in."""


def rows(database: Database, name: str, until: date | None = None) -> dict[str, list[str]]:
    """Everything that is stored of an account, by table, but for what is its own; of sessions up to a day."""
    found = {}
    with database.read() as connection:
        for table in TABLES:
            day = "decided" if table == "paper_orders" else "session"
            found[table] = list(
                connection.scalars(
                    text(
                        f"SELECT (to_jsonb(t) - {OWN})::text FROM {table} t JOIN paper_accounts a USING (account_id) "
                        f"WHERE a.name = :name AND (CAST(:until AS date) IS NULL OR {day} <= :until) ORDER BY 1"
                    ),
                    {"name": name, "until": until},
                )
            )
    return found


def in_a_child(work: Callable[[], int]) -> int:
    """Do something in a process of its own and return its exit status, negative the signal that killed it."""
    return finished(begun(work))


def begun(work: Callable[[], int]) -> int:
    """Begin something in a process of its own."""
    child = os.fork()
    if child == 0:
        status = 99
        try:
            status = work()
        finally:
            os._exit(status)
    return child


def finished(child: int) -> int:
    """The exit status of a process once it has one."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def trading(database: Database, world: World, name: str, today: date) -> int:
    """What a child does: run the account on connections of its own; its exit status."""
    try:
        run(Database.at(database.dsn), name, world.factors, today)
    except NexusError as error:
        return error.exit_status
    return 0


def taken_at_once(barrier: Barrier) -> None:
    """Make this process go on only when all the others, too, have tried to take the account."""
    try_lock = paper.try_lock

    def tried(*arguments: Any) -> bool:
        taken = try_lock(*arguments)
        barrier.wait(60)
        return taken

    paper.try_lock = tried


def killed_at(step: int) -> None:
    """Make this process kill itself, without a word, right before the n-th thing it does to the database to write."""
    seen = 0

    def count(statement: Any) -> None:
        nonlocal seen
        words = str(statement.as_string(None) if hasattr(statement, "as_string") else statement).split()
        if words and words[0].upper() in ("INSERT", "UPDATE", "CREATE", "COPY", "COMMIT"):
            seen += 1
            if seen == step:
                os.kill(os.getpid(), signal.SIGKILL)

    execute, copy, commit = psycopg.Cursor.execute, psycopg.Cursor.copy, psycopg.Connection.commit

    def counted_execute(self: Any, query: Any, *arguments: Any, **options: Any) -> Any:
        count(query if not isinstance(query, bytes) else query.decode())
        return execute(self, query, *arguments, **options)

    def counted_copy(self: Any, *arguments: Any, **options: Any) -> Any:
        count("COPY")
        return copy(self, *arguments, **options)

    def counted_commit(self: Any) -> None:
        count("COMMIT")
        commit(self)

    psycopg.Cursor.execute = counted_execute  # type: ignore[method-assign]
    psycopg.Cursor.copy = counted_copy  # type: ignore[method-assign]
    psycopg.Connection.commit = counted_commit  # type: ignore[method-assign]
