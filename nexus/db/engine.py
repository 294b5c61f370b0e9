"""Connections: reading and writing are different types, and each works in its own role."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NewType

import psycopg
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import OperationalError, ProgrammingError
from sqlalchemy.pool import NullPool

from nexus.db import embedded
from nexus.errors import DatabaseError
from nexus.settings import settings

Reading = NewType("Reading", Connection)
"""One REPEATABLE READ, READ ONLY transaction: everything it sees is of one moment."""
Writing = NewType("Writing", Connection)
"""One READ COMMITTED transaction in role nexus_app: committed when its block ends, rolled back when it raises."""

APP_ROLE = "nexus_app"
READER_ROLE = "nexus_reader"


@dataclass(frozen=True)
class Database:
    """A nexus database, by URL. Cheap to make; connects when asked."""

    url: URL
    engines: dict[str, Engine] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def configured(cls) -> Database:
        """The database of the settings: `NEXUS_DATABASE_URL`, else the embedded server, started if need be."""
        chosen = settings()
        if chosen.database_url:
            return cls.at(chosen.database_url)
        return cls.at(embedded.start(chosen.cluster_dir)).sibling(chosen.database)

    @classmethod
    def at(cls, url: str | URL) -> Database:
        """The database at `url` (postgresql://...).

        Raises
        ------
        DatabaseError
            When the URL is of another kind of database.
        """
        parsed = make_url(url)
        if parsed.get_backend_name() != "postgresql":
            raise DatabaseError(f"database URL {parsed.render_as_string()}: not PostgreSQL; use postgresql://...")
        return cls(parsed.set(drivername="postgresql+psycopg"))

    @cached_property
    def dsn(self) -> str:
        """The URL as libpq, psql and ADBC take it."""
        return self.url.set(drivername="postgresql").render_as_string(hide_password=False)

    def __str__(self) -> str:
        """The URL without its password."""
        return self.url.set(drivername="postgresql").render_as_string()

    @contextmanager
    def read(self) -> Iterator[Reading]:
        """One snapshot, read-only."""
        with self._connect(READER_ROLE) as connection:
            connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            with connection.begin():
                yield Reading(connection)

    @contextmanager
    def write(self) -> Iterator[Writing]:
        """One transaction as nexus_app."""
        with self._connect(APP_ROLE) as connection, connection.begin():
            yield Writing(connection)

    @contextmanager
    def owner(self) -> Iterator[Connection]:
        """One transaction as the login role: migrations and the canary's clone only."""
        with self._connect(None) as connection, connection.begin():
            yield connection

    @contextmanager
    def autocommit(self) -> Iterator[Connection]:
        """The login role without a transaction: CREATE DATABASE, DROP DATABASE."""
        with self._connect(None) as connection:
            yield connection.execution_options(isolation_level="AUTOCOMMIT")

    def sibling(self, name: str) -> Database:
        """Another database of the same server."""
        return Database(self.url.set(database=name))

    def dispose(self) -> None:
        """Close pooled connections, so that this database can be cloned or dropped."""
        for engine in self.engines.values():
            engine.dispose()

    @contextmanager
    def _connect(self, role: str | None) -> Iterator[Connection]:
        try:
            connection = self._engine(role).connect()
        except (OperationalError, ProgrammingError) as error:
            raise DatabaseError(f"database {self}: {_cause(error)}") from error
        try:
            yield connection
        finally:
            connection.close()

    def _engine(self, role: str | None) -> Engine:
        key = role or "owner"
        if key not in self.engines:
            # the owner's sessions must not linger: a database with one cannot be cloned or dropped
            options: dict[str, Any] = {"poolclass": NullPool} if role is None else {"pool_size": 2}
            engine = create_engine(self.url, **options)
            if role is not None:
                event.listen(engine, "connect", lambda raw, _record: _become(raw, role))
            self.engines[key] = engine
        return self.engines[key]


def driver(connection: Connection) -> psycopg.Connection[Any]:
    """The psycopg connection under a SQLAlchemy one: the door to COPY."""
    raw = connection.connection.driver_connection
    assert isinstance(raw, psycopg.Connection)
    return raw


def _become(raw: psycopg.Connection[Any], role: str) -> None:
    raw.autocommit = True
    try:
        raw.execute(f"SET ROLE {role}")
    except psycopg.Error as error:
        raise DatabaseError(
            f"role {role}: {str(error).strip()}; run `nexus db up`, or have an administrator GRANT {role} TO the login"
        ) from error
    finally:
        raw.autocommit = False


def _cause(error: Exception) -> str:
    cause = str(error.__cause__ or error).strip().splitlines()
    return cause[0] + ("; run `nexus db up`" if "does not exist" in cause[0] else "")
