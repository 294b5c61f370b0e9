"""What the ablation says: each part's worth in rank IC, date by date, against what chance would do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from nexus.db.engine import Database
from nexus.db.extent import price_extent
from nexus.db.panel import Panel
from nexus.errors import InputError
from nexus.graph.gnn.node_inputs import INPUTS
from nexus.maths import hlz
from nexus.maths.calendar import overlap
from nexus.maths.ic import calendar_time_ic, rank_ic
from nexus.maths.inference import p_value, plain_t
from nexus.maths.returns import forward_return, one_period_return, wealth
from nexus.maths.types import Dates, Floats, Ints
from nexus.settings import settings
from research.role_aware.arms import FULL

LEAST_NAMES = 20
LEVEL = 0.05


@dataclass(frozen=True)
class Outcomes:
    """What came after each test day.

    days : (n,) ascending; companies : (m,)
    forward : (n, m) over the horizon; one_period : (n, m) to the entry after the next day
    overlap : on how many days a window is open
    """

    days: Dates
    companies: Ints
    forward: Floats
    one_period: Floats
    overlap: int


@dataclass(frozen=True)
class Row:
    """An arm beside the full model.

    ic : mean over dates of the mean over seeds; sd_seeds : of the seeds' means, description only; None of one seed
    gain : of the full model over the arm, paired by date; t, p : of the gain over dates, t None where
        it never varies; holm : p adjusted
    reading : "helps", "hurts" or "noise", by `holm`
    """

    arm: str
    ic: float
    sd_seeds: float | None
    gain: float | None = None
    t: float | None = None
    p: float | None = None
    holm: float | None = None
    reading: str = ""


@dataclass(frozen=True)
class Verdict:
    """All rows, the full model first; `dates` counted, `dropped` for want of names, labels or an arm's scores."""

    rows: tuple[Row, ...]
    dates: int
    dropped: int
    seeds: int
    overlap: int
    first: date
    last: date

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        found = asdict(self)
        return {**found, "first": str(self.first), "last": str(self.last), "rows": [asdict(row) for row in self.rows]}


def outcomes(database: Database, days: Sequence[date], horizon: int) -> Outcomes:
    """By the newest knowledge, of everybody."""
    wanted = sorted(set(days))
    last = price_extent(database).last
    panel = Panel.open(database, start=wanted[0], end=last, inputs=INPUTS, calendar=settings().calendar)
    ahead, seen = panel.ahead, panel.blind()
    upto = slice(ahead.market_last + 1)
    grown = wealth(ahead.total_return[upto], ahead.has_bar[upto])
    rows = np.array([seen.row(day) for day in wanted], np.int64)
    gap = float(np.median(np.diff(rows))) if len(rows) > 1 else float(horizon)
    return Outcomes(
        days=np.array(wanted, dtype="datetime64[D]"),
        companies=panel.companies,
        forward=forward_return(grown, rows, horizon, ahead.delisting).returns,
        one_period=one_period_return(grown, rows, ahead.delisting).returns,
        overlap=overlap(horizon, gap),
    )


def metric(scores: pd.DataFrame, came: Outcomes) -> dict[str, Floats]:
    """Arm -> rank IC of each seed and date (n_seeds, n_dates); NaN where a date does not count for that arm.

    In calendar time where windows overlap. A seed that says the same of everyone knows nothing: its IC is 0.
    """
    shape = len(came.days), len(came.companies)
    found: dict[str, Floats] = {}
    for arm, of_arm in scores.groupby("arm", sort=False):
        series = []
        for _, rows in of_arm.groupby("seed"):
            said = np.full(shape, np.nan)
            at = np.searchsorted(came.days, rows["as_of"].to_numpy().astype("datetime64[D]"))
            said[at, np.searchsorted(came.companies, rows["company_id"].to_numpy())] = rows["score"]
            series.append(_ic(said, came))
        found[str(arm)] = np.array(series)
    return found


def verdict(ics: dict[str, Floats], days: Dates, overlapping: int = 1) -> Verdict:
    """Paired differences to the full model on the dates that all arms and seeds have, Holm over the arms.

    ics : as of `metric`, FULL among them, all with the same seeds
    """
    seeds = {len(series) for series in ics.values()}
    if len(seeds) != 1:
        raise InputError(f"arms have {sorted(seeds)} seeds; the same in every arm, or nothing is paired")
    counted = np.all([np.isfinite(series).all(axis=0) for series in ics.values()], axis=0)
    if counted.sum() < 2:
        raise InputError(f"{counted.sum()} of {len(days)} dates have {LEAST_NAMES} names in every arm; take more days")
    by_date = {arm: series[:, counted].mean(axis=0) for arm, series in ics.items()}
    sds = {arm: _sd(series[:, counted]) for arm, series in ics.items()}
    rows = [Row(FULL, float(by_date[FULL].mean()), sds[FULL])]
    gains = {arm: by_date[FULL] - series for arm, series in by_date.items() if arm != FULL}
    tests = {arm: _test(gain) for arm, gain in gains.items()}
    holm = hlz.adjusted(np.array([p for _, p in tests.values()]), "holm").tolist()
    for (arm, gain), adjusted in zip(gains.items(), holm, strict=True):
        mean, ic = float(gain.mean()), float(by_date[arm].mean())
        rows.append(Row(arm, ic, sds[arm], mean, *tests[arm], adjusted, _reading(adjusted, mean)))
    inside = days[counted].astype(object)
    return Verdict(
        tuple(rows), int(counted.sum()), int((~counted).sum()), seeds.pop(), overlapping, inside[0], inside[-1]
    )


def _ic(said: Floats, came: Outcomes) -> Floats:
    alone = came.overlap == 1
    returns = came.forward if alone else came.one_period
    ic = rank_ic(said, returns) if alone else calendar_time_ic(said, returns, came.overlap)
    names = (np.isfinite(said) & np.isfinite(returns)).sum(axis=1)
    names[: came.overlap - 1] = 0  # until all tranches are there
    return np.where(names >= LEAST_NAMES, np.nan_to_num(ic), np.nan)


def _test(gain: Floats) -> tuple[float | None, float]:
    """The t over dates and its p; a gain that never varies is no evidence."""
    t = plain_t(gain)
    return (None, 1.0) if np.isnan(t) else (t, p_value(t, len(gain) - 1))


def _sd(series: Floats) -> float | None:
    return float(series.mean(axis=1).std(ddof=1)) if len(series) > 1 else None


def _reading(holm: float, gain: float) -> str:
    if holm > LEVEL:
        return "noise"
    return "helps" if gain > 0 else "hurts"
