"""Dated events: results, and the changes that a firm must report within days."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nexus.ingest.simulate.columns import DAY, days, instants, office_hours, repeated, tickers
from nexus.ingest.simulate.filings import quarter_ends, reporting
from nexus.ingest.simulate.market import Market
from nexus.ingest.simulate.streams import stream
from nexus.maths.types import Dates, Ints

RESULTS = "earnings"
RESULTS_LAG = (15, 26)
"""Days from a quarter's end to its results: before any filing."""
CURRENT_REPORTS = {"8-K:1.01": 1.0, "8-K:5.02": 1.2, "8-K:7.01": 2.0, "8-K:8.01": 1.5}
"""Event type -> how many a year a firm reports: agreements, directors and officers, disclosures, other."""
REPORT_LAG = (0, 5)
"""Days from what happened to its report."""


def events(market: Market) -> pd.DataFrame:
    """Return ticker, cik, event_type, event_date, known_at, title, payload: a row per event, by type and company."""
    frames = [_results(market), *(_reports(market, kind, rate) for kind, rate in CURRENT_REPORTS.items())]
    joined = pd.concat(frames, ignore_index=True)
    for column in ("ticker", "event_type"):
        joined[column] = joined[column].astype("category")
    return joined


def _results(market: Market) -> pd.DataFrame:
    random = stream(market.economy.seed, "results")
    ends = quarter_ends(market)
    company, quarter = np.nonzero((reporting(market, ends) & (ends >= market.economy.time.dates[0])[:, None]).T)
    known = office_hours(random, ends[quarter] + random.integers(*RESULTS_LAG, size=len(quarter)) * DAY)
    labels = [f"{end.year}Q{(end.month + 2) // 3}" for end in ends.tolist()]
    titles = repeated([f"Results of {label}" for label in labels], quarter)
    payloads = repeated([f'{{"period": "{label}"}}' for label in labels], quarter)
    return _rows(market, RESULTS, company, known.astype("datetime64[D]"), known, titles, payloads)


def _reports(market: Market, kind: str, rate: float) -> pd.DataFrame:
    random = stream(market.economy.seed, kind)
    time, lives = market.economy.time, market.economy.lives
    happens = lives.listed(np.arange(len(time))) & (random.random((len(time), len(lives))) < rate / 252)
    company, session = np.nonzero(happens.T)
    known = office_hours(random, time.dates[session] + random.integers(*REPORT_LAG, size=len(session)) * DAY)
    known = np.maximum(known, time.closes[session])
    item = kind.removeprefix("8-K:")
    same = np.zeros_like(company)
    titles, payloads = repeated([f"Item {item}"], same), repeated([f'{{"item": "{item}"}}'], same)
    return _rows(market, kind, company, time.dates[session], known, titles, payloads)


def _rows(
    market: Market, kind: str, company: Ints, dates: Dates, known: Dates, title: pd.Categorical, payload: pd.Categorical
) -> pd.DataFrame:
    """Return the rows of one type; what becomes known after the market's last close is left out."""
    time, names = market.economy.time, market.names
    session = np.searchsorted(time.dates, dates, side="right") - 1
    rows = pd.DataFrame(
        {
            "ticker": tickers(names, company, session),
            "cik": names.cik[company],
            "event_type": repeated([kind], np.zeros_like(company)),
            "event_date": days(dates),
            "known_at": instants(known),
            "title": title,
            "payload": payload,
        }
    )
    in_time: pd.DataFrame = rows.loc[known <= time.closes[-1]]
    return in_time
