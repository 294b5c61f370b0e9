"""A small simulated market with its monthly graph in a real database, for the tests of the node task."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pytest
import torch

from nexus.db.engine import Database
from nexus.db.panel import Panel
from nexus.graph.gnn.node_inputs import INPUTS
from nexus.graph.recipes import recipe
from nexus.graph.snapshots import build, choose_days
from nexus.ingest.run import ingest_frames
from nexus.ingest.simulate import simulate, tables
from nexus.settings import settings

UNIVERSE = "SIM500"
QUICK = {
    "hidden": 16,
    "heads": 2,
    "layers": 2,
    "epochs": 2,
    "pearl_hidden": 4,
    "pearl_samples": 8,
    "pearl_dim": 6,
    "explain_edges": 0,
}


@dataclass(frozen=True)
class NodeMarket:
    """The database, and the month-ends that have a snapshot."""

    database: Database
    days: list[date]

    def panel(self, last: date | None = None) -> Panel:
        """Everything up to a day, default to the end."""
        end = last or self.days[-1] + timedelta(60)
        return Panel.open(self.database, start=self.days[0] - timedelta(40), end=end, inputs=INPUTS)


def build_market(database: Database, listed: int = 36, sessions: int = 900, label: str = "planted") -> NodeMarket:
    ingest_frames(database, tables(simulate(seed=1, sessions=sessions, listed=listed, label=label)), "simulated-1")
    days = choose_days(database)
    build(database, recipe("monthly", UNIVERSE), days)
    return NodeMarket(database, days)


@contextmanager
def own_settings(database: Database, home: Path) -> Iterator[None]:
    """The settings of a user of that database, for longer than one test, and one thread."""
    threads = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEXUS_DATABASE_URL", database.dsn)
        patch.setenv("NEXUS_HOME", str(home))
        patch.setenv("NEXUS_UNIVERSE", UNIVERSE)
        patch.setenv("NEXUS_THREADS", "1")
        settings.cache_clear()
        torch.set_num_threads(1)
        yield
    torch.set_num_threads(threads)
    settings.cache_clear()
