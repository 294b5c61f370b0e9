"""A simulated market in a real database, with signals that stand, that do not, and one under two names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from nexus.backtest.spec import Spec
from nexus.db.engine import Database
from nexus.ingest.run import ingest_frames
from nexus.ingest.simulate import simulate, tables
from nexus.settings import settings
from nexus.signals.registry import register
from nexus.signals.user import from_file

PLANTED = Path(__file__).parents[2] / "research" / "planted_factors.py"
SETTINGS = {"NEXUS_UNIVERSE": "SIM500", "NEXUS_MARKET": "SIMX", "NEXUS_SECTORS": "SIM"}
STANDING, REJECTED, TWIN, CONDITIONAL, NEUTRAL = "P1", "N0", "P5_minus", "R_declared", "B"
SIGNALS = (STANDING, "P2", REJECTED, TWIN, CONDITIONAL, NEUTRAL)
SESSIONS, LISTED = 2520, 120
TABLES = ("backtests", "backtest_signals", "backtest_equity", "backtest_trades")


@contextmanager
def simulated(database: Database, home: Path) -> Iterator[Database]:
    """The database filled, under settings that name its universe."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEXUS_HOME", str(home))
        for name, value in SETTINGS.items():
            patch.setenv(name, value)
        settings.cache_clear()
        ingest_frames(database, tables(simulate(seed=5, sessions=SESSIONS, listed=LISTED)), "simulated-5")
        factors = from_file(PLANTED)
        done = {one.signal.name: one.signal.status for one in register(database, [factors[name] for name in SIGNALS])}
        assert (done[STANDING], done[REJECTED]) == ("approved", "rejected")
        yield database
    settings.cache_clear()


def spec(*names: str, **changes: Any) -> Spec:
    """A spec on the simulated market, of P1 where no signal is named."""
    values: dict[str, Any] = {
        "signals": [{"name": name} for name in names or (STANDING,)],
        "universe": "SIM500",
        "start": "2005-03-01",
        "end": "2010-11-30",
        "portfolio": {"quantiles": 5},
    }
    return Spec.of(values | changes)


def written(database: Database) -> list[int]:
    """Rows of every table that a run writes."""
    with database.read() as connection:
        return [int(connection.scalar(text(f"SELECT count(*) FROM {table}")) or 0) for table in TABLES]
