"""Scores that registered factors publish: insert-only, since other values are another version."""

from __future__ import annotations

from uuid import UUID

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sqlalchemy import text

from nexus.db.copy import copy
from nexus.db.engine import Writing
from nexus.db.shape import INSTANT
from nexus.errors import RefusedError

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
    connection.execute(_COMPUTED)
    copy(connection, "computed_values", rows)
    moved = connection.execute(_MOVED).first()
    if moved is not None:
        raise RefusedError(
            f"factor {factor} version {version}: company {moved.company_id} on {moved.as_of} was published as "
            f"{moved.stored:.10g} and is {moved.score:.10g} now ({moved.many} values differ); give it a new version"
        )
    return connection.execute(_PUBLISH, {"run_id": run_id}).rowcount


_COMPUTED = text(
    "CREATE TEMPORARY TABLE computed_values (factor text, version text, company_id integer, as_of date, "
    "score double precision, known_at timestamptz) ON COMMIT DROP"
)
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
