"""Runs of modules and factors: what was executed, on which facts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from math import isfinite
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Connection, text

import nexus
from nexus.db.engine import Writing
from nexus.errors import RefusedError


@dataclass(frozen=True)
class Run:
    """One execution of `module` on the facts up to `load_id`.

    code_hash : of the module's code
    fingerprint : of the data that were read
    tier : the worst of what was read, which its outputs inherit; None where nobody said
    """

    module: str
    model_version: str
    code_hash: str
    params: Mapping[str, Any]
    load_id: int
    fingerprint: str
    tier: str | None = None


def record_run(connection: Writing, run: Run, metrics: Mapping[str, Any]) -> UUID:
    """Insert a run that is done."""
    run_id = begin_run(connection, run)
    finish_run(connection, run_id, metrics)
    return run_id


def begin_run(connection: Writing, run: Run, *, trained_to: date | None = None, device: str = "cpu") -> UUID:
    """Insert a run that is about to work; one that is killed stays `running` for good: see `unfinished`."""
    run_id = connection.scalar(
        _BEGIN,
        {
            "module": run.module, "model_version": run.model_version, "code_version": nexus.__version__,
            "code_hash": run.code_hash, "params": json.dumps(dict(run.params), sort_keys=True, default=str),
            "load_id": run.load_id, "fingerprint": run.fingerprint, "tier": run.tier, "trained_to": trained_to,
            "device": device,
        },
    )  # fmt: skip
    assert isinstance(run_id, UUID)
    return run_id


def finish_run(
    connection: Writing,
    run_id: UUID,
    metrics: Mapping[str, Any],
    *,
    trained_to: date | None = None,
    status: Literal["done", "failed"] = "done",
) -> None:
    """Say how a run ended.

    trained_to : last day of any data used to fit, tune or choose; None: as it was said at the beginning

    Raises
    ------
    RefusedError
        When it is not running: an end is said once.
    """
    ended = {"run_id": run_id, "metrics": _json(metrics), "trained_to": trained_to, "status": status}
    if connection.execute(_FINISH, ended).rowcount != 1:
        raise RefusedError(f"run {run_id}: not running, or unknown; a run ends once, begin another")


def unfinished(connection: Connection, module: str) -> list[tuple[UUID, datetime]]:
    """Runs of the module that neither ended nor failed, with their start, the newest first: at work or killed."""
    return [(row.run_id, row.started_at) for row in connection.execute(_UNFINISHED, {"module": module})]


def read_run(connection: Connection, run_id: UUID) -> Run:
    """The run with this id."""
    row = connection.execute(_READ, {"run_id": run_id}).one()
    return Run(*row)


def _json(metrics: Mapping[str, Any]) -> str:
    """A metric that is no finite number is null: JSON has no word for it."""
    plain = {k: None if isinstance(v, float) and not isfinite(v) else v for k, v in metrics.items()}
    return json.dumps(plain, allow_nan=False)


_BEGIN = text(
    "INSERT INTO model_runs (module, model_version, code_version, code_hash, params, load_id, fingerprint, tier, "
    "trained_to, device) VALUES (:module, :model_version, :code_version, :code_hash, CAST(:params AS jsonb), "
    ":load_id, :fingerprint, :tier, :trained_to, :device) RETURNING run_id"
)
_FINISH = text(
    "UPDATE model_runs SET status = :status, metrics = CAST(:metrics AS jsonb), finished_at = clock_timestamp(), "
    "trained_to = coalesce(CAST(:trained_to AS date), trained_to) WHERE run_id = :run_id AND status = 'running'"
)
_UNFINISHED = text(
    "SELECT run_id, started_at FROM model_runs WHERE module = :module AND status = 'running' ORDER BY started_at DESC"
)
_READ = text(
    "SELECT module, model_version, code_hash, params, load_id, fingerprint, tier FROM model_runs WHERE run_id = :run_id"
)
