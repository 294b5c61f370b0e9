"""Inputs of a small market of business days, with two signals, sectors and betas that mean nothing."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from nexus.backtest.inputs import Inputs, decision_rows
from nexus.backtest.market import Events, Market
from nexus.backtest.spec import Spec
from nexus.db.actions import DIVIDEND, SPLIT

SPEC: dict[str, Any] = {
    "signals": [{"name": "a"}, {"name": "b", "weight": -0.5}],
    "universe": "U",
    "start": date(2018, 3, 1),
    "end": date(2019, 12, 31),
    "portfolio": {"quantiles": 5},
}


def spec(**changes: Any) -> Spec:
    return Spec.of({**SPEC, **changes})


def inputs(n_companies: int = 40, n_sessions: int = 560, seed: int = 1) -> Inputs:
    random = np.random.default_rng(seed)
    sessions = pd.bdate_range("2018-01-01", periods=n_sessions).to_numpy().astype("datetime64[D]")
    shape = n_sessions, n_companies
    close = 20 * np.exp(np.cumsum(0.02 * random.standard_normal(shape), axis=0))
    open = close * np.exp(0.005 * random.standard_normal(shape))
    close[100:, 0] /= 2
    open[100:, 0] /= 2
    events = Events.of(
        np.array([100, 120, 300]), np.array([0, 1, 2]), np.array([SPLIT, DIVIDEND, DIVIDEND]), np.array([2, 0.3, 0.4])
    )
    rows = decision_rows(sessions, "monthly", date(2018, 1, 1), date(2020, 12, 31))
    wide = len(rows), n_companies
    scores = {name: random.standard_normal(wide) for name in "ab"}
    scores["b"][:, :5] = np.nan
    members = random.random(wide) < 0.9
    return Inputs(
        sessions=sessions,
        companies=np.arange(n_companies) + 1000,
        market=Market(open, close, np.full(shape, 1e5), events),
        rows=rows,
        scores=scores,
        members=members,
        sectors=np.broadcast_to(random.integers(-1, 4, n_companies), wide),
        betas=np.where(random.random(wide) < 0.9, 1 + 0.3 * random.standard_normal(wide), np.nan),
    )
