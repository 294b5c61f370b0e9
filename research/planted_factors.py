"""The planted truths of the simulated market as a user's own file of factors.

    nexus ingest simulate    # it says what to export
    nexus signals evaluate --from research/planted_factors.py

The market files each score as a fundamental, known at the close of the month-end it is of. `P5_*` are transformations
of P1 that keep or turn its order, `P6_*` near-duplicates of it, `N*` scores of no company in particular.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

import numpy as np

from nexus.db.panel import Observations
from nexus.maths.stats import ranks
from nexus.maths.types import Floats
from nexus.signals.factor import Factor

Params = Mapping[str, Any]
MONTH_DAYS = 27
"""Older is last month's score, of a company that has left since."""
NOISE_LEFT = 0.01
NEAR_DUPLICATES = (2 * np.sin(np.pi * np.linspace(0.92, 0.99, 20) / 6)).round(4).tolist()
"""Correlations of normal scores whose ranks correlate at .92 to .99."""
TRANSFORMATIONS: dict[str, Callable[[Floats], Floats]] = {
    "minus": lambda x: -x,
    "log": lambda x: np.log(x + 20),
    "rank": lambda x: ranks(x[None, :])[0],
    "affine": lambda x: 2 * x + 3,
}


def _planted(data: Observations, day: date, params: Params) -> Floats:
    """The planted score of the month."""
    return data.at(day).fundamental(params["field"], max_age_days=MONTH_DAYS)


def _transformed(data: Observations, day: date, params: Params) -> Floats:
    """P1 by another name."""
    return TRANSFORMATIONS[params["how"]](data.at(day).fundamental("planted_p1", max_age_days=MONTH_DAYS))


def _near(data: Observations, day: date, params: Params) -> Floats:
    """P1 and a little noise: correlation `rho` with it on every date."""
    score = data.at(day).fundamental("planted_p1", max_age_days=MONTH_DAYS)
    noise = _drawn(data, params["seed"], day.year * 12 + day.month)
    return params["rho"] * score + np.sqrt(1 - params["rho"] ** 2) * noise


def _noise(data: Observations, day: date, params: Params) -> Floats:
    """A sum of monthly draws, each weighing `persistence` of the one after it; with 1 one draw for ever."""
    seed, keep = params["seed"], params["persistence"]
    month = day.year * 12 + day.month
    if keep == 1:
        return _drawn(data, seed, 0)
    months = 1 if keep == 0 else int(np.ceil(np.log(NOISE_LEFT) / np.log(keep)))
    return np.sum([keep**lag * _drawn(data, seed, month - lag) for lag in range(months)], axis=0)


def _drawn(data: Observations, seed: int, month: int) -> Floats:
    """A standard normal number per company, the same whoever else is in the panel."""
    drawn: Floats = np.random.default_rng([seed, month]).standard_normal(int(data.companies.max()) + 1)
    return drawn[data.companies]


def stress(data: Observations, day: date) -> bool:
    """Whether the VIX closed above the upper quartile of its history, of at least a year."""
    vix = data.at(day).benchmark("VIX")
    known = vix[np.isfinite(vix)]
    return bool(len(known) >= 252 and vix[-1] > np.quantile(known, 0.75))


def _of_field(name: str, neutralise: str = "none") -> Factor:
    field = f"planted_{name.lower()}"
    return Factor(name, "1", (f"fundamentals.{field}",), neutralise, _planted, {"field": field}, type="fundamental")


PLANTED = [_of_field(name) for name in ("P1", "P2", "P3", "P4", "D", "R", "S")]
B = _of_field("B", "beta+volatility")
B_RAW = Factor("B_raw", "1", B.inputs, "none", _planted, B.params, type="fundamental")
R_DECLARED = Factor(
    "R_declared",
    "1",
    ("fundamentals.planted_r", "benchmarks.VIX"),
    "none",
    _planted,
    {"field": "planted_r"},
    stress,
    type="fundamental",
)
P5 = [
    Factor(f"P5_{how}", "1", ("fundamentals.planted_p1",), "none", _transformed, {"how": how}, type="fundamental")
    for how in TRANSFORMATIONS
]
P6 = [
    Factor(
        f"P6_{seed}", "1", ("fundamentals.planted_p1",), "none", _near, {"rho": rho, "seed": seed}, type="fundamental"
    )
    for seed, rho in enumerate(NEAR_DUPLICATES)
]
N = [
    Factor(f"N{seed}", "1", ("prices.close",), "none", _noise, {"seed": seed, "persistence": persistence})
    for seed, persistence in enumerate((0.0, 0.9, 0.98, 1.0))
]
