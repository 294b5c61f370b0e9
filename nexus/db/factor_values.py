"""Scores that registered factors publish: insert-only, since other values are another version; and reading them."""

from __future__ import annotations

from datetime import date
from uuid import UUID

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sqlalchemy import Connection, text

from nexus.db.copy import copy
from nexus.db.engine import Writing, driver
from nexus.db.shape import INSTANT
from nexus.errors import InputError, RefusedError

Floats = NDArray[np.float64]


def publish(
    connection: Writing,
    run_id: UUID,
    factor: str,
    version: str,
    days: NDArray[np.datetime64],
    closes_at: NDArray[np.datetime64],
    companies: NDArray[np.int64],
    scores: Floats,
) -> int:
    """Insert the scores that are not there yet, and return how many.

    days, closes_at : (n_days,), and when a reader could first have known the scores
    scores : (n_days, n_companies), NaN none

    Raises
    ------
    RefusedError
        When a stored score is another one: facts that arrived late changed the past, or the code did.
    """
    row, column = np.nonzero(np.isfinite(scores))
    rows = pa.table(
        {
            "factor": pa.array([factor] * len(row), pa.string()),
            "version": pa.array([version] * len(row), pa.string()),
            "company_id": pa.array(companies[column].astype(np.int32)),
            "as_of": pa.array(days.astype("datetime64[D]")[row]),
            "score": pa.array(scores[row, column]),
            "known_at": pa.array(closes_at.astype("datetime64[us]")[row]).cast(INSTANT),
        }
    )
    if not connection.scalar(_ANY, {"factor": factor, "version": version}):
        stamped = rows.append_column("run_id", pa.array([run_id.bytes] * len(row), pa.binary(16)))
        copy(connection, "factor_values", stamped)
        return len(row)
    connection.execute(_COMPUTED)
    copy(connection, "computed_values", rows)
    connection.execute(_ANALYSED)
    moved = connection.execute(_MOVED).first()
    if moved is not None:
        raise RefusedError(
            f"factor {factor} version {version}: company {moved.company_id} on {moved.as_of} was published as "
            f"{moved.stored:.10g} and is {moved.score:.10g} now ({moved.many} values differ); give it a new version"
        )
    return connection.execute(_PUBLISH, {"run_id": run_id}).rowcount


def read_scores(
    connection: Connection,
    factor: str,
    version: str,
    days: NDArray[np.datetime64],
    closes_at: NDArray[np.datetime64],
    companies: NDArray[np.int64],
    load_id: int,
) -> Floats:
    """Published scores as known at the close of each day, (n_days, n_companies), NaN none.

    days, closes_at : (n_days,), days ascending
    companies : (n_companies,), ids ascending
    load_id : scores made of later loads are not seen

    Raises
    ------
    InputError
        When the factor has published nothing at all, or a score is no number.
    """
    found = driver(connection).execute(_PUBLISHED, [factor, version, load_id], binary=True).fetchall()
    if not found:
        raise InputError(f"factor {factor} version {version}: no published scores; run `nexus signals register`")
    company, day, known_at, score = (np.array(column) for column in zip(*found, strict=True))
    as_of = day.astype("datetime64[D]")
    row = np.minimum(np.searchsorted(days, as_of), len(days) - 1)
    column = np.minimum(np.searchsorted(companies, company), len(companies) - 1)
    wanted = (days[row] == as_of) & (companies[column] == company)
    wanted &= known_at <= closes_at.astype("datetime64[us]").astype(np.int64)[row]
    if not np.isfinite(score[wanted]).all():
        place = int(np.flatnonzero(wanted & ~np.isfinite(score))[0])
        raise InputError(
            f"factor {factor} version {version}: company {company[place]} has score {score[place]} on {as_of[place]}; "
            "publish numbers only, as another version"
        )
    out = np.full((len(days), len(companies)), np.nan)
    out[row[wanted], column[wanted]] = score[wanted]
    return out


def published(connection: Connection, factor: str, version: str, least: int = 1) -> tuple[date, date] | None:
    """First and last day with a score of so many companies at least; None without any."""
    asked = {"factor": factor, "version": version, "least": least}
    first, last = connection.execute(_EXTENT, asked).one()
    return None if first is None else (first, last)


_PUBLISHED = b"""
SELECT v.company_id, v.as_of - date '1970-01-01', (extract(epoch FROM v.known_at) * 1000000)::bigint, v.score
FROM factor_values v JOIN model_runs r USING (run_id)
WHERE v.factor = %s AND v.version = %s AND r.load_id <= %s
"""
_ANY = text("SELECT EXISTS (SELECT FROM factor_values WHERE factor = :factor AND version = :version)")
_EXTENT = text(
    "SELECT min(as_of), max(as_of) FROM (SELECT as_of FROM factor_values "
    "WHERE factor = :factor AND version = :version GROUP BY as_of HAVING count(*) >= :least) days"
)
_COMPUTED = text(
    "CREATE TEMPORARY TABLE computed_values (factor text, version text, company_id integer, as_of date, "
    "score double precision, known_at timestamptz) ON COMMIT DROP"
)
_ANALYSED = text("ANALYZE computed_values")
_MOVED = text(
    "SELECT c.company_id, c.as_of, c.score, v.score AS stored, count(*) OVER () AS many FROM computed_values c "
    "JOIN factor_values v USING (factor, version, company_id, as_of) WHERE c.score <> v.score "
    "ORDER BY c.as_of, c.company_id LIMIT 1"
)
_PUBLISH = text(
    "INSERT INTO factor_values (factor, version, company_id, as_of, score, known_at, run_id) "
    "SELECT factor, version, company_id, as_of, score, known_at, :run_id FROM computed_values c "
    "WHERE NOT EXISTS (SELECT FROM factor_values v "
    "WHERE (v.factor, v.version, v.company_id, v.as_of) = (c.factor, c.version, c.company_id, c.as_of))"
)
