"""The drawings of a run: from its account and its figures, what is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from nexus.db.curve import COSTS, Curve
from nexus.maths import performance
from nexus.maths.calendar import YEAR
from nexus.maths.track import monthly, returns_of, rolling_sharpe
from nexus.maths.types import Dates, Floats
from nexus.report.chart import Bars, Chart, Curves, Heat, Series

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
WIDE = 4.0
"""Largest over smallest value from which an axis is logarithmic."""


def through_time(curve: Curve) -> list[Chart]:
    """What the account did, session by session and month by month."""
    returns = returns_of(curve.equity)
    drawn: list[Chart] = [
        _equity(curve),
        Curves(
            "drawdown", "Drawdown", curve.sessions[1:],
            [Series("drawdown", performance.drawdown(returns).depth)], percent=True, filled=True,
        ),
    ]  # fmt: skip
    if len(returns) >= YEAR:
        drawn.append(
            Curves(
                "rolling-sharpe", f"Sharpe ratio of the last {YEAR} sessions", curve.sessions[1:],
                [Series("Sharpe ratio", rolling_sharpe(returns, YEAR, YEAR))],
                caption="A year, net of costs, nothing charged for cash.",
            )
        )  # fmt: skip
    return [*drawn, _months(curve.sessions[1:], returns), _exposure(curve), _turnover(curve), _costs(curve)]


def by_capital(figures: Mapping[str, Any]) -> list[Chart]:
    """Net Sharpe ratio by capital, where something was held."""
    told = figures["capacity_curve"]
    if not told:
        return []
    capital, sharpe = np.array(told, np.float64).T
    return [
        Curves(
            "capacity", "Net Sharpe ratio by capital", capital, [Series("net Sharpe ratio", sharpe)],
            x_title="capital", caption="The same decisions with more money: impact grows, nothing else changes.",
        )
    ]  # fmt: skip


def by_signal(figures: Mapping[str, Any]) -> list[Chart]:
    """Each signal alone and left out, where there are several."""
    told = figures["by_signal"]
    if len(told) < 2:
        return []
    names = list(told)
    return [
        Bars(
            "signals", "Contribution by signal: net Sharpe ratio", names,
            [Series(book, _numbers([(told[name][book] or {}).get("sharpe") for name in names]))
             for book in ("alone", "without")],
            caption="Of the book on the signal alone, and of the book without it; Sharpe ratios do not add up.",
        )
    ]  # fmt: skip


def by_sector(figures: Mapping[str, Any], sectors: Mapping[int, str], capital: float) -> list[Chart]:
    """Profit of the companies traded, by sector.

    sectors : by company; one without is unclassified
    capital : at the start
    """
    profit: dict[str, float] = {}
    for company, (earned, paid) in figures["by_company"].items():
        sector = sectors.get(int(company), "unclassified")
        profit[sector] = profit.get(sector, 0.0) + (earned - paid) / capital
    names = sorted(profit, key=lambda name: -profit[name])
    if not names:
        return []
    return [
        Bars(
            "sectors", "Contribution by sector", names,
            [Series("profit over initial capital", _numbers([profit[name] for name in names]))],
            caption="Net of trading costs, before borrow fees; sectors as companies are classified today.",
            percent=True,
        )
    ]  # fmt: skip


def _equity(curve: Curve) -> Chart:
    before = _over(curve.pnl[1:], curve.equity[:-1])
    lines = [
        Series("net of costs", curve.equity / curve.equity[0]),
        Series("before costs", np.concatenate([[1.0], np.cumprod(1 + before)])),
    ]
    known = curve.benchmark[np.isfinite(curve.benchmark)]
    if len(known):
        lines.append(Series("benchmark", curve.benchmark / known[0]))
    values = np.concatenate([line.values for line in lines])
    low, high = np.nanmin(values), np.nanmax(values)
    return Curves("equity", "Growth of 1", curve.sessions, lines, log=bool(0 < low < high / WIDE))


def _months(sessions: Dates, returns: Floats) -> Chart:
    years = monthly(sessions, returns)
    months = np.array([_numbers(values) for values in years.values()])
    table = np.column_stack([months, np.prod(1 + np.nan_to_num(months), axis=1) - 1])
    reach = np.nanmax(np.abs(months), initial=1e-9) * np.array(
        [1.0] * 12 + [12**0.5]
    )  # a year moves as sqrt(12) months
    return Heat(
        "months", "Monthly returns, net, in per cent", [str(year) for year in years], [*MONTHS, "Year"],
        [["" if np.isnan(cell) else f"{cell + 0.0:.1f}" for cell in row] for row in (100 * table).round(1)],
        np.clip(table / reach, -1, 1),
    )  # fmt: skip


def _exposure(curve: Curve) -> Chart:
    sides = {"long": curve.long, "short": -curve.short, "net": curve.long - curve.short}
    return Curves(
        "exposure", "Exposure over equity", curve.sessions,
        [Series(name, _over(values, curve.equity)) for name, values in sides.items()], percent=True,
    )  # fmt: skip


def _turnover(curve: Curve) -> Chart:
    months = curve.sessions[1:].astype("datetime64[M]")
    unique, place = np.unique(months, return_inverse=True)
    traded = np.zeros(len(unique))
    np.add.at(traded, place, _over(curve.traded[1:], curve.equity[:-1]) / 2)
    return Curves(
        "turnover", "Turnover a month, one way", unique.astype("datetime64[D]"), [Series("turnover", traded)],
        caption="Half of what was bought and sold, over the equity of the close before.", percent=True, steps=True,
    )  # fmt: skip


def _costs(curve: Curve) -> Chart:
    paid = np.cumsum(_over(curve.costs[1:], curve.equity[:-1, None]), axis=0)
    return Curves(
        "costs", "Costs paid so far, over equity", curve.sessions[1:],
        [Series(kind, paid[:, k]) for k, kind in enumerate(COSTS)], percent=True,
        caption="Summed, each session's over the equity of the close before.",
    )  # fmt: skip


def _over(values: Floats, equity: Floats) -> Floats:
    """Of an account without equity, 0."""
    return np.divide(values, equity, out=np.zeros(values.shape), where=np.broadcast_to(equity > 0, values.shape))


def _numbers(values: list[float | None]) -> Floats:
    """None becomes NaN."""
    return np.array(values, np.float64)
