"""Setting a database up, upgrading it, and saying how it stands."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from nexus.db import capabilities
from nexus.db.engine import APP_ROLE, READER_ROLE, Database
from nexus.errors import DatabaseError

log = logging.getLogger(__name__)
ROOT = Path(__file__).resolve().parents[2]
_END_BACKGROUND_SESSIONS = text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name AND backend_type <> 'client backend'"
)


@dataclass(frozen=True)
class Status:
    """How a database stands."""

    url: str
    capabilities: capabilities.Capabilities
    revision: str | None
    head: str
    loads: int
    evaluations: int


def upgrade(database: Database, revision: str = "head") -> None:
    """Bring the schema to `revision`; upgrading twice is a no-op.

    Raises
    ------
    DatabaseError
        When the login lacks a right: with the SQL an administrator can run.
    """
    with database.owner() as connection:
        _extension(connection)
        _roles_possible(connection)
        _known(connection)
        command.upgrade(_config(connection), revision)


def downgrade(database: Database, revision: str) -> None:
    """Take the schema down to `revision`; functions and views stay dropped until the next upgrade to head."""
    with database.owner() as connection:
        try:
            command.downgrade(_config(connection), revision)
        except DBAPIError as error:
            raise DatabaseError(f"downgrade to {revision}: {str(error.orig).strip()}") from error


def ready(database: Database) -> Database:
    """The database, created and brought to head where it is not: what every command that writes begins with."""
    create_if_missing(database)
    with database.owner() as connection:
        before = MigrationContext.configure(connection).get_current_revision()
    if before != head():
        upgrade(database)
        if before is not None:
            log.warning("database brought from revision %s to %s", before, head())
    return database


def _known(connection: Connection) -> None:
    current = MigrationContext.configure(connection).get_current_revision()
    if current not in {None, *(each.revision for each in ScriptDirectory.from_config(_config(None)).walk_revisions())}:
        raise DatabaseError(
            f"the database is at revision {current}, and this nexus knows up to {head()}; install the newer nexus"
        )


def head() -> str:
    """The newest revision."""
    return str(ScriptDirectory.from_config(_config(None)).get_current_head())


def status(database: Database) -> Status:
    """Ask the server for its tier, revision and size."""
    with database.owner() as connection:
        revision = MigrationContext.configure(connection).get_current_revision()
        current = revision == head()
        return Status(
            str(database),
            capabilities.detect(connection),
            revision,
            head(),
            int(connection.scalar(text("SELECT count(*) FROM loads")) or 0) if current else 0,
            int(connection.scalar(text("SELECT count(*) FROM factor_evaluations")) or 0) if current else 0,
        )


def sources(database: Database) -> list[str]:
    """Names of the sources that this database holds facts of."""
    with database.owner() as connection:
        return list(connection.scalars(text("SELECT source FROM sources ORDER BY source")))


def create_if_missing(database: Database) -> None:
    """Create the database itself where the server has none of that name."""
    try:
        with database.owner():
            return
    except DatabaseError as error:
        if "does not exist" not in str(error):
            raise
    name = database.url.database or "nexus"
    with database.sibling("postgres").autocommit() as connection:
        if not connection.scalar(text("SELECT EXISTS (SELECT FROM pg_database WHERE datname = :name)"), {"name": name}):
            connection.execute(text(f'CREATE DATABASE "{name}"'))


def drop(database: Database) -> None:
    """Drop the database, closing what is connected to it."""
    database.dispose()
    with database.sibling("postgres").autocommit() as connection:
        connection.execute(text(f'DROP DATABASE IF EXISTS "{database.url.database}" WITH (FORCE)'))


def clone(database: Database, name: str) -> Database:
    """Copy the whole database under `name`; needs that nobody else is connected to it.

    Raises
    ------
    DatabaseError
        When another session is connected: which one; close it and try again.
    """
    database.dispose()
    tended = _scheduler(database, "stop")
    try:
        with _without_background_sessions(database) if tended else nullcontext():
            _copy(database, name)
    finally:
        _scheduler(database, "start")
    return database.sibling(name)


def _copy(database: Database, name: str) -> None:
    with database.sibling("postgres").autocommit() as connection:
        try:
            connection.execute(text(f'CREATE DATABASE "{name}" TEMPLATE "{database.url.database}"'))
        except DBAPIError as error:
            raise DatabaseError(
                f"clone of {database.url.database}: {str(error.orig).strip()} ({_others(connection, database)}); "
                "close other sessions and try again"
            ) from error


def _others(connection: Connection, database: Database) -> str:
    """Who is connected, in words."""
    found = connection.execute(
        text("SELECT pid, backend_type, application_name, state FROM pg_stat_activity WHERE datname = :name"),
        {"name": database.url.database},
    )
    return "; ".join(" ".join(str(part) for part in row if part) for row in found) or "it has just left"


@contextmanager
def _without_background_sessions(database: Database) -> Iterator[None]:
    """End what no client opened, again and again: a scheduler that was just being started when it was told to stop.

    The server keeps others out while it copies, and waits five seconds for those who are in to leave.
    """
    done = Event()

    def tend() -> None:
        with database.sibling("postgres").autocommit() as connection:
            while not done.wait(0.2):
                connection.execute(_END_BACKGROUND_SESSIONS, {"name": database.url.database})

    tending = Thread(target=tend)
    tending.start()
    try:
        yield
    finally:
        done.set()
        tending.join()


def _scheduler(database: Database, verb: str) -> bool:
    """Stop or start TimescaleDB's scheduler: it sits in each database with the extension and would hold up a clone.

    Returns whether there is one that we may stop and start.
    """
    with database.autocommit() as connection:
        superuser = connection.scalar(text("SELECT rolsuper FROM pg_roles WHERE rolname = current_user"))
        there = bool(superuser and capabilities.detect(connection).timescaledb)
        if there:
            connection.execute(text(f"SELECT _timescaledb_functions.{verb}_background_workers()"))
    return there


def _config(connection: Connection | None) -> Config:
    config = Config(ROOT / "alembic.ini")
    config.attributes["connection"] = connection
    return config


def _extension(connection: Connection) -> None:
    if capabilities.usable_timescaledb(connection):
        connection.execute(text("CREATE EXTENSION IF NOT EXISTS timescaledb"))


def _roles_possible(connection: Connection) -> None:
    may_create = connection.scalar(text("SELECT rolcreaterole OR rolsuper FROM pg_roles WHERE rolname = current_user"))
    here = set(connection.scalars(text("SELECT rolname FROM pg_roles WHERE pg_has_role(oid, 'MEMBER')")))
    missing = [role for role in (APP_ROLE, READER_ROLE) if role not in here]
    if missing and not may_create:
        user = connection.scalar(text("SELECT current_user"))
        sql = " ".join(f"CREATE ROLE {role} NOLOGIN; GRANT {role} TO {user};" for role in missing)
        raise DatabaseError(f"role {', '.join(missing)}: {user} may not create it; have an administrator run: {sql}")
