"""Runs on a small simulated market, recorded in a real database."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
from trading_rows import judged, spec

from nexus.backtest.run import run
from nexus.backtest.spec import Spec
from nexus.db import backtests
from nexus.db.engine import Database
from nexus.ingest.run import ingest_frames
from nexus.ingest.simulate import simulate, tables
from nexus.signals.registry import register
from nexus.signals.user import from_file

PLANTED = Path(__file__).parents[2] / "research" / "planted_factors.py"
HOSTILE = '</script><script>alert(1)</script><img src="http://a.example/x" onerror=alert(2)> & $\\frac{1}$ {{ 1 }}'


@dataclass(frozen=True)
class Numbers:
    """Of runs: on a signal that stands; on that and a fallen one; as approved before anything was; and one whose every
    name is an attack, with its approval in the middle of the curve."""

    stands: int
    exploratory: int
    nothing: int
    hostile: int


def record(database: Database) -> Numbers:
    """Simulate, judge P1 and P2 of the planted factors, and run."""
    frames = tables(simulate(seed=5, sessions=2520, listed=120))
    ingest_frames(database, frames, "simulated-5")
    days = sorted(pd.to_datetime(frames["benchmarks"]["date"]).dt.date.unique())
    factors = from_file(PLANTED)
    strong, weak = register(database, [factors["P1"], factors["P2"]])
    assert (strong.signal.status, weak.signal.status) == ("approved", "candidate")

    def of(first: int, last: int, *names: str) -> Spec:
        return Spec.of(
            {
                "signals": [{"name": name} for name in names],
                "universe": "SIM500",
                "start": days[first],
                "end": days[last],
                "portfolio": {"quantiles": 5},
                "capital": 1e6,
            }
        )

    stands = run(database, of(1900, 2500, "P1"), mode="fixed").backtest_id
    return Numbers(
        stands=stands,
        exploratory=run(database, of(300, 1200, "P1", "P2"), exploratory_reason="to see P2, which fell").backtest_id,
        nothing=run(database, of(300, 560, "P1"), mode="as_approved").backtest_id,
        hostile=_hostile(database, stands),
    )


def _hostile(database: Database, number: int) -> int:
    """The run of that number once more, exploratory, under other names."""
    signal = judged(database, HOSTILE)
    with database.read() as connection:
        told = backtests.read(connection, number).backtest
        curve, trades = backtests.curve(connection, number), backtests.trades(connection, number)
    book = {"alone": {"cagr": 0.1, "sharpe": 1.0}, "without": None}
    figures = dict(told.figures) | {
        "signals": {HOSTILE: told.figures["signals"]["P1"]},
        "by_signal": {HOSTILE: book, "other": book},
        "out_of_sample": told.figures["in_sample"],
        "notes": [HOSTILE],
        "sources": [HOSTILE],
    }
    changed = replace(
        told,
        name=HOSTILE,
        spec=spec(HOSTILE),
        universe=HOSTILE,
        reason=HOSTILE,
        selection_cut=curve.sessions[len(curve.sessions) // 2].item(),
        figures=figures,
    )
    with database.write() as connection:
        return backtests.record(connection, changed, [signal], curve, trades)
