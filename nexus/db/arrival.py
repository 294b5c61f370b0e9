"""What of a session has arrived: bars and published scores."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from sqlalchemy import Connection, text


def bars(connection: Connection, sessions: Sequence[date]) -> list[int]:
    """How many companies have a bar on each of the sessions, from any source."""
    rows = connection.execute(_BARS, {"sessions": list(sessions)})
    found = {row.session: int(row.many) for row in rows}
    return [found.get(session, 0) for session in sessions]


def scored(connection: Connection, factor: str, version: str, days: Sequence[date]) -> set[date]:
    """Those of the days on which the factor has published a score."""
    wanted = {"factor": factor, "version": version, "days": list(days)}
    return set(connection.scalars(_SCORED, wanted))


def judged_code(connection: Connection, declaration_no: int) -> str:
    """Hash of the code of the factor as it was declared."""
    return str(connection.scalar(_CODE, {"declaration_no": declaration_no}))


_BARS = text(
    "SELECT session, count(DISTINCT company_id) AS many FROM prices WHERE session = ANY(:sessions) GROUP BY session"
)
_SCORED = text(
    "SELECT day FROM unnest(CAST(:days AS date[])) day WHERE EXISTS "
    "(SELECT FROM factor_values WHERE (factor, version, as_of) = (:factor, :version, day))"
)
_CODE = text("SELECT DISTINCT code_hash FROM hypotheses WHERE declaration_no = :declaration_no")
