"""The role-aware transformer on markets where one thing pays: customers' returns, or the number of suppliers."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from nexus.contract.splits import Plan
from nexus.db.engine import Database
from nexus.graph.gnn.node_inputs import FEATURES
from nexus.graph.recipes import recipe
from nexus.graph.snapshots import build, choose_days
from nexus.ingest.run import ingest_frames
from nexus.ingest.simulate import simulate, tables
from nexus.ingest.simulate.frames import INDEX, SCHEME, UNIVERSE
from nexus.ingest.simulate.neighbours import Label
from nexus.settings import settings
from research.ablation import ablate
from research.role_aware.figures import Verdict
from research.role_aware.fits import Asked
from research.truths.rows import Figures, Outcome, Row, share

GRAPH, SUPPLIES, PEARL = "monthly", "without_supplies", "no_pearl"
OTHERS = ("without_board", "without_correlation", "without_fund_similarity", "without_holds", "without_sector")
COMMON: Mapping[str, Any] = {
    "hidden": 32, "heads": 2, "layers": 1, "dropout": 0.0, "lr": 5e-3, "epochs": 30, "patience": 30, "report_every": 30,
    "warmup_epochs": 1, "pearl_dim": 8, "pearl_hidden": 8, "pearl_samples": 16,
}  # fmt: skip
UNPRICED: Mapping[str, Any] = {"without_features": list(FEATURES), "pearl_samples": 64}
"""Where the number of suppliers pays: attention sees a degree through its neighbours' prices, whose mean shrinks."""
PLAN = Plan(first_train_months=36, validation_months=6, test_months=48)


@dataclass(frozen=True)
class Size:
    """Of the market and of the comparison."""

    sessions: int = 1500
    listed: int = 60
    seeds: int = 5
    plan: Plan = PLAN
    common: Mapping[str, Any] = field(default_factory=lambda: dict(COMMON))


def ablated(database: Database, seed: int, label: Label, size: Size) -> Verdict:
    """Make the market in an empty database, build its graph, leave out one part after the other.

    Of the "degree" market PEARL alone is left out, and nobody is told of prices.
    """
    market = simulate(seed, size.sessions, size.listed, label=label)
    ingest_frames(database, tables(market), f"simulated-{seed}")
    with _user_of(database), TemporaryDirectory(prefix="nexus-roles-") as folder:
        chosen = recipe(GRAPH, UNIVERSE)
        build(database, chosen, choose_days(database, lead=chosen.lead))
        only, special = ([PEARL], UNPRICED) if label == "degree" else ([PEARL, SUPPLIES, *OTHERS], {})
        return ablate(database, Asked(size.plan, size.seeds, {**size.common, **special}, Path(folder), only, "cpu"))


def measure(label: Label, seed: int, database: Database, size: Size) -> Figures:
    """Whether each part is found to help, and by how much in rank IC."""
    rows = {row.arm: row for row in ablated(database, seed, label, size).rows}
    others = [rows[arm].reading == "helps" for arm in OTHERS if arm in rows]
    found = {"ic": rows["full"].ic, "pearl": rows[PEARL].reading == "helps", "pearl gain": rows[PEARL].gain or 0.0}
    if SUPPLIES in rows:
        found |= {"supply": rows[SUPPLIES].reading == "helps", "supply gain": rows[SUPPLIES].gain or 0.0}
    return {**found, "others": float(sum(others)), "arms": float(len(others))}


def _supply(found: pd.DataFrame) -> Outcome:
    hurts, pearl = share(found["supply"].astype(bool)), share(found["pearl"].astype(bool))
    of_others = f"{found['others'].sum():.0f} of {found['arms'].sum():.0f} other edge types"
    text = (
        f"rank IC {found['ic'].mean():.3f}; without supply {found['supply gain'].mean():.3f} less, missed in {hurts}; "
        f"{of_others} missed, PEARL missed in {pearl}"
    )
    any_other = share((found["others"] > 0) | found["pearl"].astype(bool))
    return Outcome(text, hurts.at_least(0.9) and any_other.at_most(0.05))


def _degree(found: pd.DataFrame) -> Outcome:
    pearl = share(found["pearl"].astype(bool))
    text = f"rank IC {found['ic'].mean():.3f}; without PEARL {found['pearl gain'].mean():.3f} less, missed in {pearl}"
    return Outcome(text, pearl.at_least(0.9))


ROWS: Mapping[str, Row] = {
    "supply": Row(
        "miss supply, no other edge type and not PEARL, where customers pay", partial(measure, "supply"), _supply
    ),
    "degree": Row(
        "miss PEARL where the number of suppliers pays and nobody has prices", partial(measure, "degree"), _degree
    ),
}


@contextmanager
def _user_of(database: Database) -> Iterator[None]:
    """The settings of a user of that database, whose market is the simulated one."""
    wanted = {
        "NEXUS_DATABASE_URL": database.dsn,
        "NEXUS_UNIVERSE": UNIVERSE,
        "NEXUS_MARKET": INDEX,
        "NEXUS_SECTORS": SCHEME,
        "NEXUS_THREADS": "1",  # graphs this small are slower on two
    }
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    settings.cache_clear()
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
        settings.cache_clear()
