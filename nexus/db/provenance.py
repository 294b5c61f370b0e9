"""Where facts come from: sources, and the ingest runs that loads belong to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import text

import nexus
from nexus.db.engine import Database
from nexus.errors import InputError


@dataclass(frozen=True)
class SourceInfo:
    """Where rows come from.

    known_at_basis : reported, assumed or backdated
    basis : the day up to which prices and dividends are split-adjusted; None: as traded
    preference : the lower is read first
    """

    source: str
    known_at_basis: str
    basis: date | None = None
    preference: int = 100
    licence: str | None = None
    description: str = ""


def ensure_source(database: Database, info: SourceInfo) -> None:
    """Add the source if it is new.

    Raises
    ------
    InputError
        When it is known with another basis or known_at_basis: such rows are of another source.
    """
    with database.write() as connection:
        connection.execute(_ADD_SOURCE, asdict(info))
        basis, known_at_basis = connection.execute(_SOURCE, {"source": info.source}).one()
    for name, there, given in (("basis", basis, info.basis), ("known_at_basis", known_at_basis, info.known_at_basis)):
        if there != given:
            raise InputError(f"source {info.source}: {name} is {there}, not {given}; load the rows as another source")


def begin_run(database: Database, command: str) -> UUID:
    """Open an ingest run."""
    with database.write() as connection:
        run_id = connection.scalar(_BEGIN, {"command": command, "code_version": nexus.__version__})
    assert isinstance(run_id, UUID)
    return run_id


def has_finished(database: Database, command: str) -> bool:
    """Whether a run of `command` came to its end here."""
    with database.read() as connection:
        return bool(connection.scalar(_FINISHED, {"command": command}))


def finish_run(database: Database, run_id: UUID, summary: Mapping[str, Any]) -> None:
    """Close an ingest run with its `summary`; a run without an end was interrupted."""
    with database.write() as connection:
        connection.execute(_FINISH, {"run_id": run_id, "summary": json.dumps(dict(summary), default=str)})


_ADD_SOURCE = text(
    "INSERT INTO sources (source, known_at_basis, basis, preference, licence, description) "
    "VALUES (:source, :known_at_basis, :basis, :preference, :licence, :description) ON CONFLICT (source) DO NOTHING"
)
_SOURCE = text("SELECT basis, known_at_basis FROM sources WHERE source = :source")
_BEGIN = text(
    "INSERT INTO ingest_runs (command, code_version) VALUES (:command, :code_version) RETURNING ingest_run_id"
)
_FINISH = text(
    "UPDATE ingest_runs SET finished_at = clock_timestamp(), summary = CAST(:summary AS jsonb) "
    "WHERE ingest_run_id = :run_id"
)
_FINISHED = text("SELECT EXISTS (SELECT FROM ingest_runs WHERE command = :command AND finished_at IS NOT NULL)")
