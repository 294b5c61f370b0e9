"""The ledger: who was tried, how often it was looked at, and one appended row per evaluation.

A writer takes `lock` first; what it then reads cannot change before it commits. Numbers, times, looks and approvals are
the database's: a client that gets M wrong is refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from typing import Any
from uuid import UUID

import numpy as np
import psycopg
from numpy.typing import NDArray
from sqlalchemy import Connection, RowMapping, text

from nexus.db.copy import DATE_EPOCH
from nexus.db.engine import Writing, driver
from nexus.db.packed import packed, unpacked
from nexus.db.tables import factor_evaluations
from nexus.errors import RefusedError

LEAST_M = 400
STAMPED = frozenset(
    (
        "evaluation_id", "root_no", "look_no", "approved", "factor", "version", "horizon", "last_gate_date",
        "evaluated_at",
    )
)  # fmt: skip
"""Columns that the database fills, whatever a client writes there."""
COLUMNS = tuple(column.name for column in factor_evaluations.columns if column.name not in STAMPED)
PLAIN = (type(None), bool, int, float, str, bytes, UUID)
NEW_PERIODS = 12
"""Gate dates after the last look from which an evaluation is a look again."""


@dataclass(frozen=True)
class Declaration:
    """A hypothesis as it is declared: never the window, never the data; `signal` and `params` are there to be read."""

    signal: str
    factor: str
    version: str
    code_hash: str
    params_hash: str
    params: Mapping[str, Any]
    neutralise: str
    horizon: int
    universe: str
    rebalance: str
    entry_lag: int
    condition: str | None

    @property
    def key(self) -> tuple[Any, ...]:
        """What makes two declarations one."""
        return (
            self.factor, self.version, self.code_hash, self.params_hash, self.neutralise, self.horizon, self.universe,
            self.rebalance, self.entry_lag, self.condition,
        )  # fmt: skip


@dataclass(frozen=True)
class Hypothesis:
    """A declared hypothesis with its numbers; `sketch_hash` is that of its latest evaluation."""

    hypothesis_no: int
    declaration_no: int
    root_no: int
    sign: int
    declaration: Declaration
    sketch_hash: bytes | None = None


@dataclass(frozen=True)
class LastLook:
    """The latest look at a root; `since` and `side` are of the first of the looks that approved it most recently."""

    look_no: int
    last_gate_date: np.datetime64 | None
    since: np.datetime64 | None
    side: int


@dataclass(frozen=True)
class Appended:
    """What the database made of a row."""

    evaluation_id: int
    hypothesis_no: int
    look_no: int | None
    approved: bool


@dataclass(frozen=True)
class StoredSketch:
    """A row of `sketches`: (n_dates,) datetime64[D], (n_companies,) int32, (n_dates, n_companies) int16."""

    hash: bytes
    dates: NDArray[np.datetime64]
    companies: NDArray[np.int32]
    ranks: NDArray[np.int16]


def digest(dates: NDArray[np.datetime64], companies: NDArray[np.integer], values: NDArray[np.integer]) -> bytes:
    """sha256 of a matrix of integers with its dates and companies, whatever the machine."""
    whole = hashlib.sha256()
    for array, form in ((dates.astype("datetime64[D]").astype(np.int64), "<i8"), (companies, "<i4"), (values, "<i4")):
        whole.update(np.array(array.shape, "<i8").tobytes())
        whole.update(np.ascontiguousarray(array, form).tobytes())
    return whole.digest()


def lock(connection: Writing) -> None:
    """Wait for the ledger and hold it until the transaction ends."""
    connection.execute(text("SELECT ledger_lock()"))


def looks(connection: Connection) -> int:
    """Looks so far."""
    return int(connection.scalar(text("SELECT ledger_looks()")) or 0)


def burden(n_looks: int) -> int:
    """M of the ledger with this many looks."""
    return max(LEAST_M, n_looks)


def hypotheses(connection: Connection, universe: str, horizons: Iterable[int], after: int = 0) -> list[Hypothesis]:
    """Hypotheses of a universe and horizons, numbered above `after`, in order."""
    rows = connection.execute(_HYPOTHESES, {"universe": universe, "horizons": list(horizons), "after": after})
    return [_hypothesis(row._mapping) for row in rows]


def sketches(connection: Connection, hashes: Iterable[bytes]) -> Iterator[StoredSketch]:
    """The sketches with these hashes, in no order, one at a time."""
    with driver(connection).cursor(binary=True) as cursor:
        for hash, days, companies, ranks in cursor.stream(_SKETCHES, [list(hashes)]):
            dates, ids = unpacked(days).astype("datetime64[D]") + DATE_EPOCH, unpacked(companies)
            shape = len(dates), len(ids)
            yield StoredSketch(bytes(hash), dates, ids, np.frombuffer(ranks, "<i2").astype(np.int16).reshape(shape))


def last_looks(connection: Connection, roots: Iterable[int]) -> dict[int, LastLook]:
    """The latest look at each root that has one."""
    rows = connection.execute(_LAST_LOOKS, {"roots": list(roots)})
    return {
        row.root_no: LastLook(row.look_no, _day(row.last_gate_date), _day(row.since), int(row.side or 1))
        for row in rows
    }


def store_sketches(connection: Writing, new: Iterable[StoredSketch]) -> None:
    """Store those that are not there yet."""
    by_hash = {sketch.hash: sketch for sketch in new}
    there = connection.scalars(
        text("SELECT sketch_hash FROM sketches WHERE sketch_hash = ANY(:hashes)"), {"hashes": list(by_hash)}
    )
    for known in there.all():
        del by_hash[bytes(known)]
    statement = "COPY sketches (sketch_hash, dates, company_ids, ranks) FROM STDIN (FORMAT binary)"
    with driver(connection).cursor() as cursor, cursor.copy(statement) as copy:
        copy.set_types(["bytea"] * 4)  # a binary COPY carries no types: the arrays come packed
        for sketch in by_hash.values():
            dates = packed(sketch.dates.astype("datetime64[D]").astype(np.int64) - DATE_EPOCH, "date")
            ranks = np.ascontiguousarray(sketch.ranks, "<i2").tobytes()
            copy.write_row((sketch.hash, dates, packed(sketch.companies, "integer"), ranks))


def declare(connection: Writing, new: Sequence[tuple[Declaration, int | None, int]]) -> list[Hypothesis]:
    """Declare hypotheses, in order, in one statement; they get the numbers after `highest`.

    new : (declaration, hypothesis_no of the earlier one it is the same as, sign against that one); the earlier one may
        be declared in the same call
    """
    if not new:
        return []
    before = highest(connection)
    names = [field.name for field in fields(Declaration)]
    _copy(
        connection,
        f"hypotheses ({', '.join(names)}, same_as, sign)",
        ([*map(_as_text, _values(declaration)), same_as, sign] for declaration, same_as, sign in new),
    )
    rows = connection.execute(_DECLARED, {"before": before})
    return [_hypothesis(row._mapping) for row in rows]


def highest(connection: Connection) -> int:
    """The highest hypothesis number so far."""
    return int(connection.scalar(text("SELECT coalesce(max(hypothesis_no), 0) FROM hypotheses")) or 0)


def append(connection: Writing, rows: Sequence[Mapping[str, Any]]) -> list[Appended]:
    """Append evaluations in one statement, hence one block; each row has COLUMNS.

    Arrays of days or floats become SQL arrays, dicts and lists JSON; no float may be NaN.

    Raises
    ------
    RefusedError
        When the ledger's rules refuse a row: another M than the one it leads to, a NaN p-value, a series cut short.
    """
    before = int(connection.scalar(text("SELECT coalesce(max(evaluation_id), 0) FROM factor_evaluations")) or 0)
    days: dict[bytes, str] = {}
    _copy(
        connection,
        f"factor_evaluations ({', '.join(COLUMNS)})",
        ([_as_text(row[column], days) for column in COLUMNS] for row in rows),
    )
    return [Appended(*row) for row in connection.execute(_APPENDED, {"before": before})]


def _copy(connection: Writing, target: str, rows: Iterable[Sequence[Any]]) -> None:
    try:
        with driver(connection).cursor() as cursor, cursor.copy(f"COPY {target} FROM STDIN".encode()) as stream:
            for row in rows:
                stream.write_row(row)
    except psycopg.IntegrityError as error:
        hint = f"; {error.diag.message_hint}" if error.diag.message_hint else ""
        raise RefusedError(f"ledger: {error.diag.message_primary}{hint}") from error


def _values(declaration: Declaration) -> tuple[Any, ...]:
    return tuple(getattr(declaration, field.name) for field in fields(declaration))


def _as_text(value: Any, days: dict[bytes, str] | None = None) -> Any:
    """A value as COPY takes it; many rows of a sweep have the same days, so their text is kept in `days`."""
    if isinstance(value, PLAIN):
        return value
    if isinstance(value, np.ndarray):
        if value.dtype.kind != "M":
            return f"{{{repr(value.tolist())[1:-1]}}}"
        kept = {} if days is None else days
        key = value.tobytes()
        if key not in kept:
            kept[key] = "{" + ",".join(np.datetime_as_string(value, "D")) + "}"
        return kept[key]
    if isinstance(value, dict | list | Mapping):
        return json.dumps(value, sort_keys=True, allow_nan=False, default=dict)
    if isinstance(value, np.datetime64):
        return str(value.astype("datetime64[D]"))
    return value.item() if isinstance(value, np.generic) else value


def _hypothesis(row: RowMapping) -> Hypothesis:
    declaration = Declaration(**{field.name: row[field.name] for field in fields(Declaration)})
    found = row["sketch_hash"]
    return Hypothesis(
        row["hypothesis_no"], row["declaration_no"], row["root_no"], row["sign"], declaration,
        None if found is None else bytes(found),
    )  # fmt: skip


def _day(value: date | None) -> np.datetime64 | None:
    return None if value is None else np.datetime64(value, "D")


_HYPOTHESES = text(
    "SELECT h.*, (SELECT e.sketch_hash FROM factor_evaluations e WHERE e.hypothesis_no = h.hypothesis_no "
    "AND e.sketch_hash IS NOT NULL ORDER BY e.evaluation_id DESC LIMIT 1) AS sketch_hash "
    "FROM hypotheses h WHERE universe = :universe AND horizon = ANY(:horizons) AND hypothesis_no > :after "
    "ORDER BY hypothesis_no"
)
_DECLARED = text(
    "SELECT h.*, NULL AS sketch_hash FROM hypotheses h WHERE hypothesis_no > :before ORDER BY hypothesis_no"
)
_SKETCHES = (
    b"SELECT sketch_hash, array_send(dates), array_send(company_ids), ranks FROM sketches WHERE sketch_hash = ANY(%s)"
)
# since: the last gate date of the look that began the most recent run of approvals
_LAST_LOOKS = text(
    """
    WITH l AS (
        SELECT e.root_no, e.look_no, e.last_gate_date, e.approved, sign(e.gate_t) * h.sign AS side,
               lag(e.approved, 1, false) OVER (PARTITION BY e.root_no ORDER BY e.look_no) AS before
        FROM factor_evaluations e JOIN hypotheses h USING (hypothesis_no)
        WHERE e.root_no = ANY(:roots) AND e.look_no IS NOT NULL
    )
    SELECT DISTINCT ON (l.root_no) l.root_no, l.look_no, l.last_gate_date, a.last_gate_date AS since, a.side
    FROM l LEFT JOIN LATERAL (
        SELECT * FROM l a WHERE a.root_no = l.root_no AND a.approved AND NOT a.before ORDER BY a.look_no DESC LIMIT 1
    ) a ON true
    ORDER BY l.root_no, l.look_no DESC
    """
)
_APPENDED = text(
    "SELECT evaluation_id, hypothesis_no, look_no, approved FROM factor_evaluations WHERE evaluation_id > :before "
    "ORDER BY evaluation_id"
)
