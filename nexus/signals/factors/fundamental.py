"""Factors of quarterly statements as they were known. A score is higher for what the cited paper expects to earn more.

A flow is one quarter's; the newest statement may be half a year old, a year's change compares quarters a year apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import numpy as np
from numpy import timedelta64

from nexus.db.panel import Observations, View
from nexus.maths.types import Bools, Dates, Floats
from nexus.signals.factor import Compute, Factor

Params = Mapping[str, Any]
QUARTERS = 12
"""Newest periods among which one is looked for: sources may date the ends of the same quarter differently."""
YEAR, QUARTER = timedelta64(365, "D"), timedelta64(91, "D")
FRESH, ANNUAL = timedelta64(200, "D"), timedelta64(400, "D")


def _fresh(ends: Dates, day: date, days: timedelta64 = FRESH) -> Bools:
    """Which periods ended at most so many days before `day`; not those without an end."""
    return np.asarray(np.datetime64(day, "D") - ends <= days)


def _apart(newer: Dates, older: Dates, days: timedelta64) -> Bools:
    """Which period ends lie `days` apart, give or take a fiscal calendar."""
    return np.asarray(np.abs(newer - older - days) <= timedelta64(20, "D"))


def _ratio(above: Floats, below: Floats) -> Floats:
    """Quotient where the denominator is positive, else NaN."""
    return above / np.where(below > 0, below, np.nan)


def _at(view: View, field: str, ends: Dates) -> Floats:
    """The field's value of the quarter that ends on each company's `ends`, among its last QUARTERS; NaN without one."""
    return _pick(view.quarters(field, QUARTERS), view.period_ends(field, QUARTERS) == ends)


def _before(view: View, field: str, ends: Dates, days: timedelta64) -> Floats:
    """The same of the quarter that ended about so many days before; the fourth one of a year is often missing."""
    return _pick(view.quarters(field, QUARTERS), _apart(ends, view.period_ends(field, QUARTERS), days))


def _pick(values: Floats, chosen: Bools) -> Floats:
    """The first chosen value of each column; NaN without one."""
    picked = np.take_along_axis(values, chosen.argmax(axis=0)[None], axis=0)[0]
    return np.where(chosen.any(axis=0), picked, np.nan)


def _margin_compression(data: Observations, day: date, params: Params) -> Floats:
    """Change of net margin over four quarters; a falling margin scores low. Soliman (2008).

    Revenue is known from 2020 on in the real pack.
    """
    view = data.at(day)
    end = view.period_ends("revenue", 1)[0]
    now = _ratio(_at(view, "net_income", end), view.quarters("revenue", 1)[0])
    then = _ratio(_before(view, "net_income", end, YEAR), _before(view, "revenue", end, YEAR))
    return np.where(_fresh(end, day), now - then, np.nan)


def _asset_growth(data: Observations, day: date, params: Params) -> Floats:
    """Minus the growth of total assets over four quarters; who grows earns less. Cooper, Gulen & Schill (2008)."""
    view = data.at(day)
    end, assets = view.period_ends("total_assets", 1)[0], view.quarters("total_assets", 1)[0]
    return np.where(_fresh(end, day), 1 - _ratio(assets, _before(view, "total_assets", end, YEAR)), np.nan)


def _return_on_equity(data: Observations, day: date, params: Params) -> Floats:
    """Net income over the equity of the quarter before; the profitable earn more. Hou, Xue & Zhang (2015)."""
    view = data.at(day)
    end, income = view.period_ends("net_income", 1)[0], view.quarters("net_income", 1)[0]
    return np.where(_fresh(end, day), _ratio(income, _before(view, "equity", end, QUARTER)), np.nan)


def _accruals(data: Observations, day: date, params: Params) -> Floats:
    """Cash flow from operations less net income, over assets; earnings made of accruals fade. Sloan (1996).

    Of the newest quarter that has both flows, at most 400 days old. Most filings give the cash flow of the year to
    date, which is a quarter's only in the first: annual in effect.
    """
    view = data.at(day)
    flows, ends = view.quarters("operating_cf", QUARTERS), view.period_ends("operating_cf", QUARTERS)
    scores = np.full(len(view.companies), np.nan)
    for flow, end in zip(flows[::-1], ends[::-1], strict=True):
        score = _ratio(flow - _at(view, "net_income", end), _at(view, "total_assets", end))
        scores = np.where(np.isfinite(score) & _fresh(end, day, ANNUAL), score, scores)
    return scores


def _filing_lateness(data: Observations, day: date, params: Params) -> Floats:
    """Minus the days from the newest period to its filing; bad news is late. Bartov & Konchitchki (2017)."""
    return -data.at(day).fundamental("lag_days", max_age_days=200)


def _factor(name: str, compute: Compute, *fields: str) -> Factor:
    return Factor(name, "1", tuple(f"fundamentals.{field}" for field in fields), "none", compute, type="fundamental")


MARGIN_COMPRESSION = _factor("fundamental_margin_compression", _margin_compression, "net_income", "revenue")
ASSET_GROWTH = _factor("asset_growth", _asset_growth, "total_assets")
RETURN_ON_EQUITY = _factor("return_on_equity", _return_on_equity, "net_income", "equity")
ACCRUALS = _factor("accruals", _accruals, "net_income", "operating_cf", "total_assets")
FILING_LATENESS = _factor("filing_lateness", _filing_lateness, "lag_days")
