"""Factors of dated events, from the moment they were known."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import numpy as np

from nexus.db.panel import Observations, View
from nexus.maths.types import Dates, Floats
from nexus.signals import exposures
from nexus.signals.exposures import market_returns
from nexus.signals.factor import Factor

Params = Mapping[str, Any]
QUARTER = 63


def _newest(view: View, event_type: str) -> Dates:
    """Date of each company's newest event that has happened and is known; NaT without one. (n_companies,)."""
    events = view.events(event_type)
    past = events[events["event_date"] <= view.day]
    newest = np.full(len(view.companies), np.datetime64("1000-01-01"), "datetime64[D]")
    np.maximum.at(newest, past["company_index"], past["event_date"])
    newest[newest == np.datetime64("1000-01-01")] = np.datetime64("NaT")
    return newest


def _earnings_drift(data: Observations, day: date, params: Params) -> Floats:
    """Return less the market's over the three sessions around the newest earnings date; surprises drift on.

    From the session before the date to the one after; NaN until that one has closed, and after a quarter.
    Bernard & Thomas (1989); by the announcement return, Chan, Jegadeesh & Lakonishok (1996).
    """
    view = data.at(day)
    newest = _newest(view, "earnings")
    sessions = view.sessions[-QUARTER:]
    after = np.searchsorted(sessions, newest, side="right")
    excess = view.returns(len(sessions)) - market_returns(view, len(sessions))[:, None]
    known = ~np.isnat(newest) & (after >= 2) & (after < len(sessions))
    rows = np.clip(after, 2, len(sessions) - 1) + np.arange(-2, 1)[:, None]
    return np.where(known, excess[rows, np.arange(len(newest))].sum(axis=0), np.nan)


def _days_since_8k(data: Observations, day: date, params: Params) -> Floats:
    """Days since the newest 8-K with the item `item`; a demonstration, without a claim.

    The real pack has the filings of 24 members of the index: too few for any verdict.
    """
    view = data.at(day)
    newest = _newest(view, f"8-K:{params['item']}")
    return np.where(np.isnat(newest), np.nan, (view.day - newest).astype(np.float64))


EARNINGS_DRIFT = Factor(
    "earnings_drift", "1", (*exposures.INPUTS, "events.earnings"), "none", _earnings_drift, type="event"
)
DAYS_SINCE_8K = Factor(
    "days_since_8k", "1", ("events.8-K:5.02",), "none", _days_since_8k, {"item": "5.02"}, type="event"
)
