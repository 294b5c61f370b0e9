"""From the database to the ground of a sweep: one panel, opened once, its labels and its regimes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta

import numpy as np

from nexus.db.engine import Database
from nexus.db.extent import price_extent
from nexus.db.panel import Ahead, Panel
from nexus.db.sessions import ensure_sessions
from nexus.errors import InputError
from nexus.maths import returns
from nexus.maths.types import Bools, Dates, Floats
from nexus.settings import settings
from nexus.signals.ground import Choice, Ground
from nexus.signals.labels import Labels, labels
from nexus.signals.rebalance import rebalance_dates
from nexus.signals.scores import PRICED, WARM_UP_DAYS, members

LABEL_INPUTS = ("prices.close",)
FEAR = "VIX"
QUARTILE = 0.75
YEAR = 252
MONTH_DAYS = 31


def open_panel(database: Database, inputs: Iterable[str], choice: Choice) -> Panel:
    """A panel over all prices, with the series that regimes need where they are there.

    Raises
    ------
    InputError
        When there are no prices.
    """
    calendar = settings().calendar
    first, last, series = price_extent(database, choice.load_id)
    until = last + timedelta(MONTH_DAYS)  # a month is complete once the calendar goes on
    ensure_sessions(database, calendar, until)
    start = first if choice.start is None else max(first, choice.start - timedelta(WARM_UP_DAYS))
    regimes = [f"benchmarks.{name}" for name in (settings().market, FEAR) if name in series]
    return Panel.open(
        database,
        start=start,
        end=until,
        inputs=tuple(sorted({*inputs, *LABEL_INPUTS, *regimes})),
        sources=choice.sources,
        load_id=choice.load_id,
        as_of=choice.as_of,
        calendar=calendar,
    )


def ground(panel: Panel, universe: str, horizons: Sequence[int], rebalance: str, choice: Choice) -> Ground:
    """Labels on the rebalance dates of a panel."""
    ahead = panel.ahead
    sessions = panel.sessions
    last = ahead.market_last
    dates = rebalance_days(panel, rebalance)
    dates = dates[dates < sessions[last]]  # on the last session nothing can be entered any more
    if len(dates) < 2:
        raise InputError(
            f"universe {universe}: {len(dates)} {rebalance} dates between {sessions[0]} and {sessions[last]}; "
            "ingest a longer history of prices"
        )
    inside = members(panel, dates.tolist(), universe)
    if not inside.any():
        raise InputError(f"universe {universe}: nobody is in it on any of {len(dates)} dates; ingest its membership")
    made = labels_on(panel, ahead, dates, inside, universe, horizons, regimes(panel, dates))
    return Ground(
        universe, rebalance, made, panel.load_id, panel.as_of, panel.fingerprint, panel.sources,
        _window(dates, choice), choice, panel.inputs.names,
    )  # fmt: skip


def labels_on(
    panel: Panel,
    ahead: Ahead,
    dates: Dates,
    inside: Bools,
    universe: str,
    horizons: Sequence[int],
    known: Mapping[str, Floats] | None = None,
) -> Labels:
    """Labels of dates by what came after them, as far as `ahead` tells.

    dates : (n_dates,), at least 2, all before the market's last session
    inside : (n_dates, n_companies), the members
    known : regimes
    """
    upto = slice(ahead.market_last + 1)
    return labels(
        returns.wealth(ahead.total_return[upto], ahead.has_bar[upto]),
        panel.sessions[upto],
        np.searchsorted(panel.sessions, dates),
        panel.companies,
        inside,
        horizons,
        delisting=ahead.delisting,
        known_universe=universe != PRICED,
        regimes=known,
    )


def rebalance_days(panel: Panel, rebalance: str) -> Dates:
    """Dates of a panel on which a portfolio would have been formed, up to the market's last session."""
    return rebalance_dates(panel.sessions, panel.sessions[panel.ahead.market_last], rebalance)


def regimes(panel: Panel, dates: Dates) -> dict[str, Floats]:
    """Regimes as known at each date: 1 inside, 0 outside, NaN unknown, each (n_dates,)."""
    views = [panel.at(day) for day in dates]
    found = {}
    if f"benchmarks.{settings().market}" in panel.inputs.names:
        levels = [view.benchmark(settings().market, YEAR + 1) for view in views]
        found["market up over a year"] = _above([(level[-1], level[0]) for level in levels])
    if f"benchmarks.{FEAR}" in panel.inputs.names:
        fears = [view.benchmark(FEAR) for view in views]
        found["VIX in its upper quartile so far"] = _above([(fear[-1], _quantile(fear)) for fear in fears])
    return found


def _above(pairs: list[tuple[float, float]]) -> Floats:
    value, threshold = np.array(pairs).T
    return np.where(np.isfinite(value) & np.isfinite(threshold), value > threshold, np.nan)


def _quantile(series: Floats) -> float:
    known = series[np.isfinite(series)]
    return float(np.quantile(known, QUARTILE)) if len(known) >= YEAR else float("nan")


def _window(dates: Dates, choice: Choice) -> Bools | None:
    if choice.start is None and choice.end is None:
        return None
    inside = np.ones(len(dates), bool)
    if choice.start is not None:
        inside &= dates >= np.datetime64(choice.start)
    if choice.end is not None:
        inside &= dates <= np.datetime64(choice.end)
    return inside
