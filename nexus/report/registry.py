"""The registry as one self-contained page: no network, no other file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nexus.db import admin
from nexus.db.engine import Database
from nexus.db.evidence import Evidence, evidence, ledger
from nexus.maths import hlz
from nexus.report import plots
from nexus.report.page import write_page
from nexus.report.words import summary, verdict_sentence


def write(database: Database, path: Path, *, data: str, notes: Sequence[str] = ()) -> Path:
    """Write the page of every registered signal to `path` and return it.

    data : what the database holds, in words
    notes : sentences printed above the table
    """
    with database.read() as connection:
        signals, chain = evidence(connection), ledger(connection)
    return write_page(
        "registry.html",
        path,
        data=data,
        notes=[summary(signals, chain.m), *notes],
        ledger=chain,
        server=str(admin.status(database).capabilities),
        signals=[_section(place, signal) for place, signal in enumerate(signals)],
    )


def _section(place: int, found: Evidence) -> Mapping[str, Any]:
    signal = found.signal
    decisive = next((k for k in found.looks if k["evaluation_id"] == signal["evaluation_id"]), found.looks[0])
    return {
        "id": f"signal-{place}",
        "row": signal,
        "sentence": verdict_sentence(signal, decisive),
        "looks": [{**look, "threshold": _threshold(look, signal["m"])} for look in found.looks],
        "near": decisive["near_duplicates"],
        "sub_periods": decisive["details"].get("sub_periods", []),
        "regimes": decisive["details"].get("regimes", {}),
        "figures": plots.figures(found.looks, decisive),
    }


def _threshold(look: Mapping[str, Any], m: int) -> float | None:
    return hlz.threshold(look["gate_n"], m) if look["gate_n"] > 1 else None
