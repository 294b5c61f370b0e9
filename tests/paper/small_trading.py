"""A simulated market whose last months arrive day by day, two signals that stand, and runs that trade them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from pathlib import Path

import pandas as pd
from sqlalchemy import text

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
SIGNALS = ("P1", "P4")
CAPITAL = 1e6
DAILY = ("prices", "benchmarks")


@dataclass(frozen=True)
class World:
    """A market whose last `LIVE` sessions have not arrived yet; backtests by the signals they trade."""

    frames: dict[str, pd.DataFrame]
    sessions: list[date]
    eventful: tuple[str, ...]
    factors: dict[str, Factor]
    backtests: dict[str, int]

    @property
    def live(self) -> list[date]:
        """Sessions that arrive day by day."""
        return self.sessions[-LIVE:]

    @property
    def decided(self) -> date:
        """The second month-end among them."""
        return month_ends(self.live)[1]

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

    def happened(self, database: Database) -> set[int]:
        """Companies to which something happens after the second month-end."""
        with database.read() as connection:
            found = connection.execute(
                text("SELECT DISTINCT company_id FROM symbols WHERE ticker = ANY(:tickers)"),
                {"tickers": list(self.eventful)},
            )
            return set(found.scalars())


def draw() -> tuple[dict[str, pd.DataFrame], list[date], tuple[str, ...]]:
    """Frames of the market, its sessions, and tickers to which something happens.

    Of those whom P1 likes best at the second month-end of the live part one does not trade on the day after, one splits
    and one is delisted; each between that month-end and the next.
    """
    frames = tables(simulate(seed=5, sessions=SESSIONS, listed=LISTED))
    sessions = sorted(pd.to_datetime(frames["benchmarks"]["date"]).dt.date.unique())
    decided = month_ends(sessions[-LIVE:])[1]
    facts = frames["fundamentals"]
    scores = facts[(facts["field"] == "planted_p1") & (pd.to_datetime(facts["period_end"]).dt.date == decided)]
    halted, split, gone = scores.sort_values("value")["ticker"].iloc[-3:]
    day = [pd.Timestamp(sessions[sessions.index(decided) + later]) for later in (1, 6, 9)]
    prices = frames["prices"]
    after = (prices["ticker"] == split) & (prices["date"] >= day[1])
    prices.loc[after, ["open", "high", "low", "close"]] /= 2
    prices.loc[after, "volume"] *= 2
    missing = (prices["ticker"] == halted) & (prices["date"] == day[0])
    missing |= (prices["ticker"] == gone) & (prices["date"] >= day[2])
    told = pd.DataFrame(
        {"ticker": [split, gone], "ex_date": day[1:], "kind": ["split", "delisting"], "value": [2, -0.3]}
    )
    told["known_at"] = told["ex_date"].dt.tz_localize("UTC")
    return (
        frames | {"prices": prices[~missing], "actions": pd.concat([frames["actions"], told])},
        sessions,
        (
            halted,
            split,
            gone,
        ),
    )


def build(database: Database) -> World:
    """Everything up to the live part, P1 and P4 registered, and a backtest of them over two years before."""
    frames, sessions, eventful = draw()
    begin = pd.Timestamp(sessions[-LIVE])
    early = {kind: frame[frame["date"] < begin] if kind in DAILY else frame for kind, frame in frames.items()}
    loaded = ingest_frames(database, early, SOURCE)
    assert not any(one.rejected for one in loaded), loaded
    factors = from_file(PLANTED)
    registered = register(database, [factors[name] for name in SIGNALS])
    assert [one.signal.status for one in registered] == ["approved"] * len(SIGNALS)
    return World(
        frames, sessions, eventful, factors, {name: traded(database, sessions, name) for name in (*SIGNALS, "P1+P4")}
    )


def traded(database: Database, sessions: list[date], names: str) -> int:
    """A backtest of signals, named with a plus between them."""
    spec = Spec.of(
        {
            "signals": [{"name": name} for name in names.split("+")],
            "universe": "SIM500",
            "start": sessions[-LIVE - 504],
            "end": sessions[-LIVE - 1],
            "portfolio": {"quantiles": 5, "neutral": ["beta"], "max_volume_share": 0.1},
            "capital": CAPITAL,
        }
    )
    return run(database, spec, mode="fixed").backtest_id


def month_ends(sessions: list[date]) -> list[date]:
    """Last sessions of the months that end among them."""
    return [one for one, two in pairwise(sessions) if one.month != two.month]
