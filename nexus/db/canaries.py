"""Canaries: on which days to run one, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy import insert, text

from nexus.db import tables
from nexus.db.engine import Database
from nexus.errors import InputError

_PRICED_SESSIONS = text(
    "SELECT session FROM sessions WHERE calendar = :calendar AND session BETWEEN (SELECT min(session) FROM prices) "
    "AND (SELECT max(session) FROM prices) ORDER BY session"
)


def spread_days(database: Database, calendar: str, shares: Sequence[float]) -> list[date]:
    """Sessions at these shares of the way from the first price to the last, ascending.

    Raises
    ------
    InputError
        When there are no prices.
    """
    with database.read() as connection:
        sessions = list(connection.scalars(_PRICED_SESSIONS, {"calendar": calendar}))
    if not sessions:
        raise InputError(f"no prices on sessions of {calendar}; run `nexus ingest` first")
    return sorted({sessions[int(share * (len(sessions) - 1))] for share in shares})


def record_canary(database: Database, row: Mapping[str, Any]) -> None:
    """Append the outcome of a canary."""
    with database.write() as connection:
        connection.execute(insert(tables.canaries).values(**row))
