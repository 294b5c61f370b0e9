"""What the registry rests on: of every signal its row, and of every horizon the latest look in full."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text

from nexus.db import ledger_audit
from nexus.db.engine import Reading

RowMap = Mapping[str, Any]

_SIGNALS = text("SELECT * FROM signal_registry ORDER BY status, abs(t_stat) DESC NULLS LAST, name")
_LOOKS = text("""
SELECT h.declaration_no, h.sign * own.sign AS side, h.neutralise, h.universe, e.*
FROM hypotheses h
JOIN LATERAL (
    SELECT * FROM factor_evaluations e WHERE e.root_no = h.root_no AND e.look_no IS NOT NULL
    ORDER BY e.look_no DESC LIMIT 1) e ON true
JOIN hypotheses own ON own.hypothesis_no = e.hypothesis_no
WHERE h.declaration_no = ANY(:declarations)
ORDER BY h.horizon
""")
_LEDGER = text("""
SELECT (SELECT count(*) FROM hypotheses) AS hypotheses, (SELECT count(*) FROM factor_evaluations) AS evaluations,
       ledger_looks() AS looks, ledger_m() AS m
""")


@dataclass(frozen=True)
class Evidence:
    """One signal: its row of `signal_registry`, and by horizon the rows of `factor_evaluations` behind it."""

    signal: RowMap
    looks: Sequence[RowMap]


@dataclass(frozen=True)
class Ledger:
    """How far the ledger has come; `head` is "N:HASH", which `nexus audit ledger --head` takes, or "empty"."""

    hypotheses: int
    evaluations: int
    looks: int
    m: int
    head: str


def evidence(connection: Reading) -> list[Evidence]:
    """Every registered signal, approved first."""
    signals = [dict(row._mapping) for row in connection.execute(_SIGNALS)]
    looks: defaultdict[int, list[RowMap]] = defaultdict(list)
    for row in connection.execute(_LOOKS, {"declarations": [s["declaration_no"] for s in signals]}):
        looks[row.declaration_no].append(dict(row._mapping))
    return [Evidence(signal, looks[signal["declaration_no"]]) for signal in signals]


def ledger(connection: Reading) -> Ledger:
    """Counts and head of the chain."""
    row = connection.execute(_LEDGER).one()
    return Ledger(row.hypotheses, row.evaluations, row.looks, row.m, ledger_audit.head(connection))
