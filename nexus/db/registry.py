"""The registry: one row a signal, as the ledger concludes; the database keeps its history and refuses forgeries."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from nexus.db.engine import Writing
from nexus.db.standing import Verdict, verdicts


@dataclass(frozen=True)
class Signal:
    """A row of `signal_registry`, without its time."""

    name: str
    factor: str
    version: str
    type: str
    tier: str
    status: str
    verdict: str
    reason: str
    declaration_no: int
    judgement_id: UUID
    evaluation_id: int
    t_stat: float | None
    hlz_passes: bool
    m: int
    detectable_ic: float | None
    coverage: float | None
    retest_after_n: int | None
    regime_profile: Mapping[str, Any]

    @classmethod
    def of(cls, verdict: Verdict, type: str, regime_profile: Mapping[str, Any], name: str | None = None) -> Signal:
        """The row that a verdict leads to."""
        return cls(
            name=name or verdict.signal, type=type, regime_profile=regime_profile,
            **{column: getattr(verdict, column) for column in _FROM_VERDICT},
        )  # fmt: skip


@dataclass(frozen=True)
class Change:
    """A status that was written; `before` is None for a new signal."""

    name: str
    before: str | None
    after: str
    reason: str


def upsert(connection: Writing, signals: Sequence[Signal]) -> list[str]:
    """Insert or update; returns the names of those that differed from what was there."""
    written = []
    for signal in signals:
        row = asdict(signal) | {"regime_profile": json.dumps(signal.regime_profile, sort_keys=True, default=str)}
        if connection.scalar(_UPSERT, row) is not None:
            written.append(signal.name)
    return written


def refresh(connection: Writing) -> list[Change]:
    """Judge every signal at today's M and write those whose status is another one."""
    there = {signal.declaration_no: signal for signal in signals(connection)}
    changes = []
    for verdict in verdicts(connection, there):
        signal = there[verdict.declaration_no]
        if verdict.status != signal.status:
            profile = evidence(connection, [signal.declaration_no])[signal.declaration_no]
            upsert(connection, [Signal.of(verdict, signal.type, profile, signal.name)])
            changes.append(Change(signal.name, signal.status, verdict.status, verdict.reason))
    return changes


def signals(connection: Connection, name: str | None = None) -> list[Signal]:
    """The registry, approved first, or the one signal of this name."""
    return [Signal(*row) for row in connection.execute(_SIGNALS, {"name": name})]


def history(connection: Connection, name: str) -> list[tuple[datetime, str | None, str]]:
    """(when, status before, status) of a signal, oldest first; only where the status changed."""
    return [tuple(row) for row in connection.execute(_HISTORY, {"name": name})]


def evidence(connection: Connection, declarations: Sequence[int]) -> dict[int, dict[str, Any]]:
    """What is kept in `regime_profile`: by declaration, the latest look at each horizon."""
    found: dict[int, dict[str, Any]] = {number: {"horizons": {}} for number in declarations}
    for row in connection.execute(_EVIDENCE, {"declarations": list(declarations)}):
        found[row.declaration_no]["horizons"][str(row.horizon)] = row.evidence
    return found


_FROM_VERDICT = (
    "factor", "version", "tier", "status", "verdict", "reason", "declaration_no", "judgement_id", "evaluation_id",
    "t_stat", "hlz_passes", "m", "detectable_ic", "coverage", "retest_after_n",
)  # fmt: skip
_COLUMNS = [field.name for field in fields(Signal)]
_VALUES = ", ".join(f"CAST(:{name} AS jsonb)" if name == "regime_profile" else f":{name}" for name in _COLUMNS)
_UPSERT = text(
    f"INSERT INTO signal_registry AS r ({', '.join(_COLUMNS)}) VALUES ({_VALUES}) ON CONFLICT (name) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS[1:])
    + f" WHERE ({', '.join(f'r.{name}' for name in _COLUMNS)}) IS DISTINCT FROM "
    + f"({', '.join(f'excluded.{name}' for name in _COLUMNS)}) RETURNING r.name"
)
_SIGNALS = text(
    f"SELECT {', '.join(_COLUMNS)} FROM signal_registry WHERE CAST(:name AS text) IS NULL OR name = :name "
    "ORDER BY array_position(ARRAY['approved', 'candidate', 'retired', 'rejected'], status), "
    "abs(t_stat) DESC NULLS LAST, name"
)
_HISTORY = text(
    "SELECT changed_at, status_before, status FROM signal_registry_history "
    "WHERE name = :name AND status_before IS DISTINCT FROM status ORDER BY history_id"
)
_EVIDENCE = text(
    """
    SELECT h.declaration_no, h.horizon, jsonb_build_object(
        'evaluation_id', e.evaluation_id, 'look_no', e.look_no, 'first_date', e.first_date, 'last_date', e.last_date,
        'n', e.n, 'ic_mean', s.side * e.ic_mean, 'ic_sd', e.ic_sd, 'hit_rate', e.hit_rate,
        'ic_mean_delisted_30', s.side * e.ic_mean_delisted_30, 't_plain', s.side * e.t_plain,
        't_newey_west', s.side * e.t_newey_west, 't_ewc', s.side * e.t_ewc, 'ewc_dof', e.ewc_dof,
        't_non_overlapping', s.side * e.t_non_overlapping, 'gate_n', e.gate_n, 'gate_mean', s.side * e.gate_mean,
        'gate_sd', e.gate_sd, 'gate_t', s.side * e.gate_t, 'gate_p', e.gate_p,
        'interval_90', CASE WHEN s.side = 1 THEN jsonb_build_array(e.null_low, e.null_high)
                            ELSE jsonb_build_array(-e.null_high, -e.null_low) END,
        'm_at', e.m_at, 'detectable_ic', e.detectable_ic, 'months_02', e.months_02, 'months_03', e.months_03,
        'months_05', e.months_05, 'coverage', e.coverage_mean, 'names', e.names_mean, 'ties', e.ties_mean,
        'leavers', e.leavers, 'no_entry', e.no_entry, 'dropped_dates', e.dropped_dates, 'stable', e.stable,
        'declining', e.declining, 'suspect', e.suspect, 'contaminated', e.contaminated,
        'near_duplicates', e.near_duplicates, 'details', e.details) AS evidence
    FROM hypotheses h
    JOIN LATERAL (
        SELECT * FROM factor_evaluations e WHERE e.root_no = h.root_no AND e.look_no IS NOT NULL
        ORDER BY e.look_no DESC LIMIT 1) e ON true
    JOIN hypotheses own ON own.hypothesis_no = e.hypothesis_no
    CROSS JOIN LATERAL (SELECT h.sign * own.sign AS side) s
    WHERE h.declaration_no = ANY(:declarations)
    ORDER BY h.declaration_no, h.horizon
    """
)
