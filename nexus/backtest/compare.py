"""Recorded backtests side by side: figures, what their specs do not share, and how their returns go together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nexus.db import backtests
from nexus.db.backtests import Recorded
from nexus.db.engine import Database
from nexus.errors import InputError
from nexus.maths.track import returns_of
from nexus.maths.types import Floats

FIGURES = (
    "cagr", "volatility", "sharpe", "gross_sharpe", "sortino", "max_drawdown", "turnover", "deflated_sharpe",
    "capacity",
)  # fmt: skip
NOTHING = "(none)"


@dataclass(frozen=True)
class Comparison:
    """Runs in the order asked for.

    differences : dotted key of the spec, or mode -> one value for each run, where they are not the same
    correlation : (n, n), of the net returns on the sessions that all have; NaN where a run never moved
    sessions : how many those are
    """

    runs: Sequence[Recorded]
    differences: Mapping[str, list[Any]]
    correlation: Floats
    sessions: int


def compare(database: Database, ids: Sequence[int]) -> Comparison:
    """Compare two runs or more."""
    if len(ids) < 2 or len(set(ids)) < len(ids):
        raise InputError(f"compare: {', '.join(map(str, ids)) or 'nothing'}; name two different backtests or more")
    with database.read() as connection:
        runs = [backtests.read(connection, number) for number in ids]
        curves = [backtests.curve(connection, number) for number in ids]
    common = curves[0].sessions
    for curve in curves[1:]:
        common = np.intersect1d(common, curve.sessions)
    correlation = np.full((len(ids), len(ids)), np.nan)
    if len(common) > 2:
        returns = np.array([returns_of(curve.equity[np.isin(curve.sessions, common)]) for curve in curves])
        moved = np.flatnonzero(np.ptp(returns, axis=1) > 0)
        correlation[np.ix_(moved, moved)] = np.atleast_2d(np.corrcoef(returns[moved])) if len(moved) else np.nan
    return Comparison(runs, differences(runs), correlation, max(len(common) - 1, 0))


def differences(runs: Sequence[Recorded]) -> dict[str, list[Any]]:
    """Keys of the specs, and the mode, in which the runs are not the same."""
    flat = [{**_flat(run.backtest.spec), "mode": run.backtest.mode} for run in runs]
    keys = sorted(set().union(*flat))
    told = {key: [one.get(key, NOTHING) for one in flat] for key in keys}
    return {key: values for key, values in told.items() if any(value != values[0] for value in values)}


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            out |= _flat(value, f"{prefix}{key}.")
        elif key == "signals":
            out["signals"] = ", ".join(f"{one['name']} x {one['weight']:g}" for one in value)
        else:
            out[prefix + key] = value
    return out
