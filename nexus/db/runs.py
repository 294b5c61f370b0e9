"""Runs of modules and factors: what was executed, on which facts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

import nexus
from nexus.db.engine import Writing


@dataclass(frozen=True)
class Run:
    """One execution of `module` on the facts up to `load_id`.

    code_hash : of the module's code
    fingerprint : of the data that were read
    """

    module: str
    model_version: str
    code_hash: str
    params: Mapping[str, Any]
    load_id: int
    fingerprint: str


def record_run(connection: Writing, run: Run, metrics: Mapping[str, Any]) -> UUID:
    """Insert a run that is done."""
    run_id = connection.scalar(
        _RECORD,
        {
            "module": run.module, "model_version": run.model_version, "code_version": nexus.__version__,
            "code_hash": run.code_hash, "params": json.dumps(dict(run.params), sort_keys=True, default=str),
            "load_id": run.load_id, "fingerprint": run.fingerprint, "metrics": json.dumps(dict(metrics)),
        },
    )  # fmt: skip
    assert isinstance(run_id, UUID)
    return run_id


def read_run(connection: Connection, run_id: UUID) -> Run:
    """The run with this id."""
    row = connection.execute(_READ, {"run_id": run_id}).one()
    return Run(*row)


_RECORD = text(
    "INSERT INTO model_runs "
    "(module, model_version, code_version, code_hash, params, load_id, fingerprint, metrics, finished_at, status) "
    "VALUES (:module, :model_version, :code_version, :code_hash, CAST(:params AS jsonb), :load_id, :fingerprint, "
    "CAST(:metrics AS jsonb), clock_timestamp(), 'done') RETURNING run_id"
)
_READ = text(
    "SELECT module, model_version, code_hash, params, load_id, fingerprint FROM model_runs WHERE run_id = :run_id"
)
