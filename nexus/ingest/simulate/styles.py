"""What the planted scores earn, session by session."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nexus.ingest.simulate.planted import CALM_SD, SURVIVORS_IC, TRUTHS
from nexus.ingest.simulate.risk import NAMELESS, NAMELESS_SD
from nexus.ingest.simulate.streams import stream
from nexus.ingest.simulate.timeline import Timeline
from nexus.ingest.simulate.units import MONTH, excess, unit_of_ic
from nexus.maths.types import Bools, Floats

DELAY, LASTS = 3, 3
"""P4 is silent in a score's first three months and acts in the three that follow."""
WIDENING = 1.06
"""How much wider 126-session returns spread than sqrt(6) months of 21, because premia persist: measured."""


@dataclass(frozen=True)
class Style:
    """A loading and what it earns in the month after each month-end, in units of IC.

    loading : (n_months, n_companies)
    mean, sd : (n_months,)
    """

    loading: Floats
    mean: Floats
    sd: Floats


def styles(scores: dict[str, Floats], listed: Bools, stays: Bools, stress: Bools) -> list[Style]:
    """Return the styles behind the planted scores; B has none.

    scores : each (n_months, n_companies)
    listed : (n_months, n_companies); stays : (n_companies,); stress : (n_months,)
    """
    months, names = len(listed), int(listed[0].sum())
    always, never = np.ones(months), np.zeros(months)
    first_half = np.where(np.arange(months) < (months - 1) // 2, always, never)
    in_stress, calm = np.where(stress, always, never), excess(CALM_SD, names) * always
    noise = {name: excess(truth.sd, names) for name, truth in TRUTHS.items()}
    return [
        *(Style(scores[name], TRUTHS[name].ic * always, noise[name] * always) for name in ("P1", "P2", "P3")),
        Style(scores["D"], TRUTHS["D"].ic * first_half, noise["D"] * first_half),
        Style(scores["R"], TRUTHS["R"].ic * in_stress, np.where(stress, noise["R"] * always, calm)),
        Style(_late(scores["P4"]), _late_ic() * always, never),
        Style(scores["S"] * _slope(listed, stays), always, never),
    ]


def _late(score: Floats) -> Floats:
    """Sum the scores that act now because they are three, four and five months old."""
    late = np.zeros_like(score)
    for age in range(DELAY, DELAY + LASTS):
        late[age:] += score[:-age]
    return late


def _late_ic() -> float:
    """Return the IC of one acting month that makes P4's over all six: their sum, against the noise of six."""
    return float(TRUTHS["P4"].ic * WIDENING * np.sqrt(DELAY + LASTS) / LASTS)


def _slope(listed: Bools, stays: Bools) -> Floats:
    """Return S's IC among leavers and among survivors, (n_companies,), so that the mean over all is its truth."""
    leavers = float(listed[:, ~stays].sum() / listed.sum())
    slope = (TRUTHS["S"].ic - (1 - leavers) * SURVIVORS_IC) / leavers if leavers else 0.0
    return np.where(stays, SURVIVORS_IC, slope)


def style_returns(seed: int, time: Timeline, planted: list[Style], nameless: Floats, names: int) -> Floats:
    """Return the log return that all styles add, (n_sessions, n_companies), the nameless ones included.

    nameless : (n_companies, NAMELESS) loadings
    names : listed at a time
    """
    random = stream(seed, "styles")
    shocks = random.standard_normal((len(time), len(planted))) / np.sqrt(MONTH)
    returns: Floats = random.standard_normal((len(time), NAMELESS)) @ (NAMELESS_SD / np.sqrt(MONTH) * nameless.T)
    add_earned(returns, time, planted, shocks)
    returns *= unit_of_ic(names)
    return returns


def add_earned(returns: Floats, time: Timeline, planted: list[Style], shocks: Floats, unit: float = 1.0) -> None:
    """Add what styles earn to log returns, (n_sessions, n_companies), in place.

    shocks : (n_sessions, n_styles)
    unit : log return of a month, per unit of IC
    """
    acting = time.acting()
    for month in range(len(time.months)):
        rows = slice(*np.searchsorted(acting, [month, month + 1]))
        earned = [style.mean[month] / MONTH + style.sd[month] * shocks[rows, k] for k, style in enumerate(planted)]
        returns[rows] += unit * np.transpose(earned) @ np.array([style.loading[month] for style in planted])
