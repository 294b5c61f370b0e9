"""A small market on arrays, for judgements without prices in a database."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np

from nexus.maths.types import Floats
from nexus.signals.ground import Ground
from nexus.signals.labels import Labels, labels
from nexus.signals.sweep import Scored

HORIZONS = (21, 63)


def market(
    seed: int = 0, months: int = 120, companies: int = 80, horizons: tuple[int, ...] = HORIZONS
) -> tuple[Labels, Floats]:
    """Labels of random walks, and each month's own return from the entry on (n_dates, n_companies)."""
    random = np.random.default_rng(seed)
    n = 21 * (months + 1) + 2
    wealth = np.cumprod(1 + 0.02 * random.standard_normal((n, companies)), axis=0)
    sessions = np.datetime64("2005-01-03") + np.arange(n) * 10 // 7
    rows = np.arange(20, n - 2, 21)[:months]
    made = labels(wealth, sessions, rows, np.arange(1, companies + 1), np.ones((len(rows), companies), bool), horizons)
    return made, np.nan_to_num(made.one_period.returns)


def on(made: Labels, universe: str = "TEST", **changes: Any) -> Ground:
    """A ground with these labels."""
    given = {"load_id": 1, "as_of": datetime(2026, 1, 1, tzinfo=UTC), "fingerprint": "arrays"}
    return Ground(universe, "monthly", made, **(given | changes))


def named(name: str, scores: Floats, **changes: Any) -> Scored:
    """Scores of a factor called `name`."""
    given = {
        "signal": name, "factor": name, "version": "1", "code_hash": f"code of {name}", "params_hash": "none",
        "neutralise": "none", "tier": "A",
    }  # fmt: skip
    return Scored(scores=scores, **(given | changes))


def signal(future: Floats, ic: float, seed: int = 1) -> Floats:
    """Scores whose monthly rank IC is about `ic`."""
    random = np.random.default_rng(seed)
    ranked = (future - future.mean(axis=1, keepdims=True)) / np.maximum(future.std(axis=1, keepdims=True), 1e-12)
    return ic * ranked + np.sqrt(1 - ic**2) * random.standard_normal(future.shape)
