"""The registry as one self-contained page: no network, no other file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, select_autoescape
from plotly.offline import get_plotlyjs

from nexus import __version__
from nexus.db import admin
from nexus.db.engine import Database
from nexus.db.evidence import Evidence, evidence, ledger
from nexus.maths import hlz
from nexus.report import plots
from nexus.report.words import number, summary, verdict_sentence


def write(database: Database, path: Path, *, data: str, notes: Sequence[str] = ()) -> Path:
    """Write the page of every registered signal to `path` and return it.

    data : what the database holds, in words
    notes : sentences printed above the table
    """
    with database.read() as connection:
        signals, chain = evidence(connection), ledger(connection)
    environment = Environment(loader=PackageLoader("nexus.report"), autoescape=select_autoescape())
    environment.globals["number"] = number
    page = environment.get_template("registry.html").render(
        data=data,
        notes=[summary(signals, chain.m), *notes],
        ledger=chain,
        server=str(admin.status(database).capabilities),
        made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        version=__version__,
        signals=[_section(place, signal) for place, signal in enumerate(signals)],
        plotly=get_plotlyjs(),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(page, encoding="utf-8")
    partial.replace(path)
    return path


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
