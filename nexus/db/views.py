"""The text under sql/: functions and views are dropped before an upgrade and created after it, whole."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from sqlalchemy import Connection, text

from nexus.db.engine import driver

SQL = Path(__file__).resolve().parents[2] / "sql"
CREATES = re.compile(r"^CREATE (VIEW|FUNCTION) (\w+)\s*(\([^)]*\))?", re.MULTILINE)
COMMENT = re.compile(r"--[^\n]*")


@cache
def _files() -> list[Path]:
    return [*sorted((SQL / "functions").glob("*.sql")), *sorted((SQL / "views").glob("*.sql"))]


def names() -> list[tuple[str, str]]:
    """(kind, name) of every function and view, in order of creation."""
    return [(kind, name) for path in _files() for kind, name, _ in CREATES.findall(path.read_text())]


def drop(connection: Connection) -> None:
    """Drop them all, newest first, never by CASCADE: what a user built on top makes this fail and say so."""
    for kind, name in reversed(names()):
        if kind == "VIEW":
            connection.execute(text(f"DROP VIEW IF EXISTS {name}"))
        else:
            for signature in connection.scalars(_SIGNATURES, {"name": name}).all():
                connection.execute(text(f"DROP FUNCTION {signature}"))


def create(connection: Connection) -> None:
    """Create them all and let the roles read them."""
    raw = driver(connection)
    for path in _files():
        raw.execute(path.read_bytes())
    for kind, name in names():
        if kind == "VIEW":
            connection.execute(text(f"GRANT SELECT ON {name} TO nexus_app, nexus_reader"))


def query(name: str) -> str:
    """The text of the question `name` under sql/queries/."""
    path = SQL / "queries" / f"{name}.sql"
    if not path.exists():
        from nexus.errors import InputError

        raise InputError(f"query {name}: unknown; there are {', '.join(queries())}")
    return path.read_text()


def queries() -> list[str]:
    """Names of the questions under sql/queries/."""
    return sorted(path.stem for path in (SQL / "queries").glob("*.sql"))


_SIGNATURES = text(
    "SELECT p.oid::regprocedure::text FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace "
    "WHERE n.nspname = 'public' AND p.proname = :name"
)
