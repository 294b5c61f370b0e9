"""Rows for the ledger, made without a judge."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import numpy as np
from scipy import stats

from nexus.db import ledger, runs
from nexus.db.engine import Database, Writing
from nexus.db.ledger import Appended, Declaration, Hypothesis
from nexus.db.runs import Run

N = 60


def declaration(name: str, horizon: int = 21, **changes: Any) -> Declaration:
    given = {
        "signal": name, "factor": name, "version": "1", "code_hash": f"code of {name}", "params_hash": "none",
        "params": {}, "neutralise": "none", "horizon": horizon, "universe": "TEST", "rebalance": "monthly",
        "entry_lag": 1, "condition": None,
    }  # fmt: skip
    return Declaration(**(given | changes))


def months(n: int = N, first: str = "2010-01") -> np.ndarray:
    return (np.datetime64(first, "M") + np.arange(n)).astype("datetime64[D]") + 27


def row(hypothesis_no: int, m: int, run_id: UUID, **changes: Any) -> dict[str, Any]:
    """A look that passes by far unless `changes` says otherwise; `gate_t` sets the p-value too."""
    dates = changes.pop("dates", months())
    t = changes.get("gate_t", 6.0)
    given = dict.fromkeys(ledger.COLUMNS) | {
        "judgement_id": uuid4(), "hypothesis_no": hypothesis_no, "kind": "judgement", "run_id": run_id, "load_id": 1,
        "as_of": datetime(2026, 1, 1, tzinfo=UTC), "m_at": m, "tier": "A", "n": len(dates), "gate_n": len(dates),
        "dates": dates, "gate_dates": dates, "ic": np.full(len(dates), 0.05), "gate_ic": np.full(len(dates), 0.05),
        "gate_t": t, "gate_p": None if t is None else float(2 * stats.t.sf(abs(t), len(dates) - 1)),
        "null_low": 0.01, "null_high": 0.09, "names_mean": 400.0, "coverage_mean": 0.99, "leavers": 0, "no_entry": 0,
        "dropped_dates": 0, "sign_agrees": True, "stable": True, "declining": False, "wrong_since_approval": False,
        "contaminated": False, "suspect": False, "months_03": 120.0, "portfolio_n": 0, "values_hash": b"values",
        "near_duplicates": [], "details": {},
    }  # fmt: skip
    return given | changes


def run(connection: Writing) -> UUID:
    return runs.record_run(connection, Run("test", "1", "code", {}, 1, "none"), {})


def declare(database: Database, *new: Declaration) -> list[Hypothesis]:
    with database.write() as connection:
        return ledger.declare(connection, [(one, None, 1) for one in new])


def look(database: Database, hypothesis: Hypothesis, **changes: Any) -> Appended:
    """Append one row under the M that it leads to."""
    with database.write() as connection:
        ledger.lock(connection)
        dates = changes.get("dates", months())
        last = ledger.last_looks(connection, [hypothesis.root_no]).get(hypothesis.root_no)
        new = last is None or (dates > last.last_gate_date).sum() >= ledger.NEW_PERIODS
        m = ledger.burden(ledger.looks(connection) + new * (changes.get("kind") != "description"))
        return ledger.append(connection, [row(hypothesis.hypothesis_no, m, run(connection), **changes)])[0]


def looks(database: Database, hypothesis: Hypothesis, many: Sequence[dict[str, Any]]) -> list[Appended]:
    """Looks a year apart."""
    return [look(database, hypothesis, dates=months(N + 12 * i), **changes) for i, changes in enumerate(many)]
