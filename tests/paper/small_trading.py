"""A simulated market whose last months arrive day by day, one signal that stands, and a run that trades it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from nexus.backtest.run import run
from nexus.backtest.spec import Spec
from nexus.db.engine import Database
from nexus.ingest.run import ingest_frames
from nexus.ingest.simulate import simulate, tables
from nexus.signals.factor import Factor
from nexus.signals.registry import register
from nexus.signals.user import from_file

PLANTED = Path(__file__).parents[2] / "research" / "planted_factors.py"
SOURCE = "simulated-5"
SESSIONS, LISTED, LIVE = 2520, 120, 70
DAILY = ("prices", "benchmarks")


@dataclass(frozen=True)
class World:
    """`sessions` of the whole market; the first `LIVE` before its end have not arrived yet."""

    frames: dict[str, pd.DataFrame]
    sessions: list[date]
    factors: dict[str, Factor]
    backtest_id: int

    @property
    def live(self) -> list[date]:
        """Sessions that arrive day by day."""
        return self.sessions[-LIVE:]

    @property
    def month_ends(self) -> list[date]:
        """Last sessions of the months that end among them."""
        return [one for one, two in zip(self.live, self.live[1:], strict=False) if one.month != two.month]

    def around(self, day: date, before: int, after: int) -> list[date]:
        """Sessions from so many before a day to so many after it."""
        place = self.sessions.index(day)
        return self.sessions[place - before : place + after + 1]

    def rows(self, kind: str, first: date, last: date) -> pd.DataFrame:
        """Rows of some days, first and last included."""
        frame = self.frames[kind]
        return frame[(frame["date"] >= pd.Timestamp(first)) & (frame["date"] <= pd.Timestamp(last))]

    def deliver(self, database: Database, first: date, last: date) -> None:
        """Ingest what arrives on these days."""
        ingest_frames(database, {kind: self.rows(kind, first, last) for kind in DAILY}, SOURCE)


def build(database: Database) -> World:
    """Everything up to the live part, P1 registered, and a backtest of it over two years before."""
    frames = tables(simulate(seed=5, sessions=SESSIONS, listed=LISTED))
    sessions = sorted(pd.to_datetime(frames["benchmarks"]["date"]).dt.date.unique())
    begin = pd.Timestamp(sessions[-LIVE])
    early = {kind: frame[frame["date"] < begin] if kind in DAILY else frame for kind, frame in frames.items()}
    ingest_frames(database, early, SOURCE)
    factors = from_file(PLANTED)
    (registered,) = register(database, [factors["P1"]])
    assert registered.signal.status == "approved", registered.signal.reason
    spec = Spec.of(
        {
            "signals": [{"name": "P1"}],
            "universe": "SIM500",
            "start": sessions[-LIVE - 504],
            "end": sessions[-LIVE - 1],
            "portfolio": {"quantiles": 5, "neutral": ["beta"], "max_volume_share": 0.1},
            "capital": 1e6,
        }
    )
    return World(frames, sessions, factors, run(database, spec, mode="fixed").backtest_id)


def random(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)
