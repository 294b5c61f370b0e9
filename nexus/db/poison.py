"""Poison for a canary: in a throw-away clone, everything that became known after t is made wrong.

Rows vanish, change and multiply; facts known at t are restated a moment later, and facts that never were are reported.
An honest reader at t notices nothing.
"""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import Connection, Double, text

from nexus.db import poison_made
from nexus.db.engine import Database
from nexus.db.shape import Shape, shape_of
from nexus.db.tables import FACTS
from nexus.errors import InputError

GUARDS = ("check_facts", "refuse_change", "refuse_truncate")
RECENT_DAYS = 400
"""Of tables with a row per session only so much of the past is restated: what reaches further back reaches this too."""

_PER_SESSION = ("prices", "benchmarks")
# whose rows vanish together, so that a reader who looks whether a company lives on is told something else
_OWNER = {"relations": "src_id", "benchmarks": "session"}
# key -> the key of a fact that never was; two months on, it is newer than what there is
_INVENTED = {
    "corporate_actions": {"ex_date": "ex_date + 61"},
    "fundamentals": {"period_start": "period_start + 61", "period_end": "period_end + 61"},
    "events": {"event_id": "event_id || '+'"},
    "relations": {"valid_from": "valid_from + 61"},
    "symbols": {"valid_from": "valid_from + 61"},
    "classifications": {"valid_from": "valid_from + 61"},
    "universe_members": {"valid_from": "valid_from + 61"},
}
_VALUES = {
    "valid_to": "CASE WHEN valid_to IS NULL THEN valid_from + 40 END",
    "event_date": "event_date + 17",
    "code": "'sector ' || ({hash} & 3)",
    "title": "title || '!'",
    "payload": "jsonb_build_object('poisoned', {hash})",
}


def disarm(database: Database) -> None:
    """Drop the guards of the facts and of the graphs, in a clone that is about to be poisoned."""
    with database.owner() as connection:
        for table in (*FACTS, *poison_made.GUARDED):
            for guard in GUARDS:
                connection.execute(text(f"DROP TRIGGER IF EXISTS {guard} ON {table}"))


def poison(database: Database, calendar: str, day: date, until: date | None = None) -> None:
    """Make wrong what became known after the close of `day`, up to the close of `until` where that is poisoned already.

    Raises
    ------
    InputError
        When one of the days is no session of the calendar.
    """
    with database.owner() as connection:
        close, last = _close(connection, calendar, day), _close(connection, calendar, until) if until else None
        for table in FACTS:
            for statement in _statements(shape_of(table)):
                connection.execute(text(statement), {"close": close, "last": last or datetime.max, "day": day})
        connection.execute(text(_INVENT_SPLITS), {"close": close, "day": day})
        for statement in poison_made.statements():
            connection.execute(text(statement), {"close": close, "last": last or datetime.max, "day": day})


_AFTER = "known_at > :close AND known_at <= :last"
_MOMENT_LATER = "CAST(:close AS timestamptz) + interval '1 microsecond'"
_INVENT_SPLITS = f"""
INSERT INTO corporate_actions (company_id, ex_date, kind, source, known_at, value, load_id)
SELECT company_id, max(session), 'split', source, {_MOMENT_LATER}, 7, min(load_id)
FROM prices WHERE session BETWEEN CAST(:day AS date) - 40 AND CAST(:day AS date) - 10
GROUP BY company_id, source ON CONFLICT DO NOTHING
"""


def _statements(shape: Shape) -> list[str]:
    """Rows vanish, change, are restated and are invented, in this order."""
    changed = _changed(shape)
    recent = f"session > CAST(:day AS date) - {RECENT_DAYS}" if shape.name in _PER_SESSION else "true"
    statements = [
        f"DELETE FROM {shape.name} WHERE {_AFTER} AND {_vanishes(shape.name)}",
        f"UPDATE {shape.name} SET {', '.join(f'{name} = {value}' for name, value in changed.items())} WHERE {_AFTER}",
        _insert(shape, changed, recent),
    ]
    invented = _INVENTED.get(shape.name)
    return [*statements, _insert(shape, {**changed, **invented}, "true")] if invented else statements


def _vanishes(table: str) -> str:
    """Of a quarter of the owners nothing is heard any more."""
    return f"hash_record_extended(ROW({_OWNER.get(table, 'company_id')}), 0) & 3 = 0"


def _insert(shape: Shape, replaced: dict[str, str], which: str) -> str:
    """Copies of the newest known vintages, known a moment after the close."""
    columns = list(shape.table.columns.keys())
    values = [_MOMENT_LATER if name == "known_at" else replaced.get(name, name) for name in columns]
    key = ", ".join((*shape.key, "source"))
    which = f"known_at <= :close AND NOT {_vanishes(shape.name)} AND {which}"
    newest = f"SELECT DISTINCT ON ({key}) * FROM {shape.name} WHERE {which}"
    return (
        f"INSERT INTO {shape.name} ({', '.join(columns)}) SELECT {', '.join(values)} "
        f"FROM ({newest} ORDER BY {key}, known_at DESC) newest ON CONFLICT DO NOTHING"
    )


def _changed(shape: Shape) -> dict[str, str]:
    """Column -> what it becomes; by a number of the row's own, since an order must not survive."""
    key = ", ".join(shape.key)
    changed = {}
    for seed, name in enumerate(shape.values):
        drawn = f"hash_record_extended(ROW({key}), {seed})"
        if isinstance(shape.table.columns[name].type, Double):
            changed[name] = f"{name} * (1.37 + ({drawn} & 1023) / 1024.0) + 1"
        elif name in _VALUES:
            changed[name] = _VALUES[name].format(hash=drawn)
    return changed


def _close(connection: Connection, calendar: str, day: date) -> datetime:
    statement = text("SELECT closes_at FROM sessions WHERE calendar = :calendar AND session = :day")
    close = connection.scalar(statement, {"calendar": calendar, "day": day})
    if not isinstance(close, datetime):
        raise InputError(f"{day} is no session of {calendar}; choose a trading day")
    return close
