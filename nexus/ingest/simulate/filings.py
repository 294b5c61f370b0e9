"""Quarterly filings, some restated later, and the planted scores: each fact with the moment it became known."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nexus.ingest.simulate.columns import DAY, days, instants, office_hours, repeated, tickers
from nexus.ingest.simulate.market import Market
from nexus.ingest.simulate.planted import TRUTHS, persistent
from nexus.ingest.simulate.streams import stream
from nexus.maths.types import Bools, Dates, Floats, Ints

FLOWS, INSTANTS = ("revenue", "net_income", "operating_cf"), ("total_assets", "equity", "lag_days")
LAG = (27, 61)
"""Days from a quarter's end to its filing, before a week-end brings it forward by up to two."""
RESTATED, AFTER, BY = 0.08, (90, 366), 0.08
"""Share of filings restated; days later; sd of the logarithm of what all amounts are multiplied by."""
HISTORY = 6
"""Quarters reported before the listing."""
UNITS = {"lag_days": "days"} | {f"planted_{name.lower()}": "score" for name in TRUTHS}


def fundamentals(market: Market) -> pd.DataFrame:
    """Return ticker, cik, field, unit, period_start, period_end, value, known_at: a row per vintage of a fact.

    Fields are those of FLOWS and INSTANTS, and planted_p1 and so on: known at the close of the month-end they are of.
    """
    frames = [_statements(market), *(_planted(market, name, score) for name, score in market.truths.scores.items())]
    joined = pd.concat(frames, ignore_index=True)
    for column in ("ticker", "field", "unit"):
        joined[column] = joined[column].astype("category")
    return joined


def quarter_ends(market: Market) -> Dates:
    """Return the last days of the calendar quarters that filings are about, (n_quarters,)."""
    dates = market.economy.time.dates
    first = dates[0].astype("datetime64[Y]").astype("datetime64[M]") - 3 * HISTORY
    starts = np.arange(first, dates[-1].astype("datetime64[M]") + 1, 3)
    ends = (starts + 3).astype("datetime64[D]") - DAY
    past: Dates = ends[ends <= dates[-1]]
    return past


def reporting(market: Market, ends: Dates) -> Bools:
    """Return who reports on which quarter, (n_quarters, n_companies): from HISTORY before the listing to its end."""
    dates, lives = market.economy.time.dates, market.economy.lives
    since = dates[lives.first].astype("datetime64[M]") - 3 * HISTORY
    reports: Bools = (since <= ends[:, None].astype("datetime64[M]")) & (ends[:, None] <= dates[lives.last])
    return reports


def _statements(market: Market) -> pd.DataFrame:
    random = stream(market.economy.seed, "filings")
    ends = quarter_ends(market)
    quarter, company = np.nonzero(reporting(market, ends))
    filed = office_hours(random, ends[quarter] + random.integers(*LAG, size=len(quarter)) * DAY)
    lag = (filed.astype("datetime64[D]") - ends[quarter]).astype(np.float64)
    amounts = _amounts(random, len(ends), len(market.economy.lives))
    facts = {field: values[quarter, company] for field, values in amounts.items()} | {"lag_days": lag}
    again = np.flatnonzero(random.random(len(quarter)) < RESTATED)
    refiled = office_hours(random, filed[again] + random.integers(*AFTER, size=len(again)) * DAY)
    change = np.exp(BY * random.standard_normal(len(again)))
    parts = []
    for field, values in facts.items():
        parts.append((field, company, ends[quarter], filed, values))
        if field != "lag_days":
            parts.append((field, company[again], ends[quarter[again]], refiled, values[again] * change))
    return pd.concat([_facts(market, *part) for part in parts], ignore_index=True)


def _amounts(random: np.random.Generator, quarters: int, companies: int) -> dict[str, Floats]:
    """Return dollars of each field, (n_quarters, n_companies), of firms that grow, earn and borrow differently."""
    shape = quarters, companies
    size = np.log(5e8) + random.standard_normal(companies) + 0.01 * np.arange(quarters)[:, None]
    revenue = np.exp(size + 0.15 * persistent(random, shape, 0.95))
    margin = 0.08 + 0.06 * persistent(random, shape, 0.9)
    assets = revenue * np.exp(np.log(6.0) + 0.5 * random.standard_normal(companies))
    assets *= np.exp(0.1 * persistent(random, shape, 0.95))
    income = revenue * margin
    return {
        "revenue": revenue,
        "net_income": income,
        "operating_cf": income + assets * (0.01 + 0.006 * random.standard_normal(shape)),
        "total_assets": assets,
        "equity": assets * (0.45 + 0.1 * np.tanh(persistent(random, shape, 0.97))),
    }


def _facts(market: Market, field: str, company: Ints, ends: Dates, known: Dates, values: Floats) -> pd.DataFrame:
    """Return the rows of one field; what becomes known after the market's last close is left out."""
    time, names = market.economy.time, market.names
    flow = field in FLOWS
    kept = known <= time.closes[-1]
    company, ends, known = company[kept], ends[kept], known[kept]
    session = np.searchsorted(time.dates, known.astype("datetime64[D]"), side="right") - 1
    starts = (ends.astype("datetime64[M]") - 2).astype("datetime64[D]") if flow else ends
    return pd.DataFrame(
        {
            "ticker": tickers(names, company, session),
            "cik": names.cik[company],
            "field": repeated([field], np.zeros_like(company)),
            "unit": repeated([UNITS.get(field, "USD")], np.zeros_like(company)),
            "period_start": days(starts),
            "period_end": days(ends),
            "value": values[kept],
            "known_at": instants(known),
        }
    )


def _planted(market: Market, name: str, scores: Floats) -> pd.DataFrame:
    time = market.economy.time
    month, company = np.nonzero(np.isfinite(scores))
    session = time.months[month]
    field = f"planted_{name.lower()}"
    return _facts(market, field, company, time.dates[session], time.closes[session], scores[month, company])
