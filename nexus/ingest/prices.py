"""Daily bars, and the dividends that their adjusted close implies."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nexus.db.load import Reject
from nexus.ingest.arrival import Arrival, Desk, table
from nexus.ingest.identity import Ids
from nexus.ingest.sieve import Sieve

QUOTES = ("open", "high", "low", "close")
NOISE = 1e-5
"""Yield under which a step of adj_close / close is rounding: two single-precision ratios differ by under 3e-6,
and the smallest dividend in twenty years of the S&P 500 is over 1e-5."""


def arrivals(frame: pd.DataFrame, sieve: Sieve, desk: Desk) -> Iterator[Arrival]:
    """Bars, known at the close of their session; dividends, known at 00:00 UTC of their ex-date."""
    _check(frame, sieve)
    closes, held = desk.closes(frame["date"])
    sieve.refuse(frame["date"] > desk.now.tz_localize(None), "future date", "date {date} has not come; correct it")
    sieve.refuse(~held, "no session", "date {date} is no session of the exchange; leave the row out")
    sieve.refuse(frame["known_at"] < closes, "known before its period ends", "known_at {known_at} is before the close")
    desk.not_ahead(sieve, frame["known_at"], closes, "date")
    company = desk.companies(frame, sieve, "date")
    order = _in_order(company, frame["date"], sieve.good)
    bars, company = frame.iloc[order], company[order]
    columns = {name: bars[name] for name in (*QUOTES, "volume", "known_at")}
    rows = table(
        {"company_id": company, "session": _days(bars["date"]), **columns, "default_known_at": closes.iloc[order]}
    )
    yield Arrival("prices", rows, sieve.raw.numbers[order])
    yield _dividends(bars, company, sieve.raw.numbers[order])


def _check(frame: pd.DataFrame, sieve: Sieve) -> None:
    for name in QUOTES:
        sieve.refuse(frame[name] < 0, "negative price", f"{name} is {{{name}}}; a price is positive")
        sieve.refuse(frame[name] == 0, "zero price", f"{name} is {{{name}}}; leave it empty where there was no trade")
    sieve.refuse(frame["volume"] < 0, "negative volume", "volume is {volume}; it counts shares")
    sieve.refuse(frame["high"] < frame["low"], "high below low", "high {high} is below low {low}; correct the bar")
    for name in ("open", "close"):
        outside = (frame[name] > frame["high"]) | (frame[name] < frame["low"])
        sieve.refuse(
            outside, "price outside its range", f"{name} {{{name}}} is not between low {{low}} and high {{high}}"
        )


def _in_order(company: Ids, day: pd.Series, good: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Places of the good rows, by company and day."""
    places = np.flatnonzero(good)
    key = (company * (1 << 20) + _days(day).astype(np.int64))[places]
    return places if np.all(key[1:] > key[:-1]) else places[np.argsort(key, kind="stable")]


def _dividends(bars: pd.DataFrame, company: Ids, numbers: NDArray[np.int64]) -> Arrival:
    """Cash per share in the basis of the bars: what must be added to the close for the adjusted return.

    Of bars that are there more than once the first counts where they agree, and none where they contradict one another.
    """
    once = _once(bars, company)
    bars, company, numbers = bars[once], company[once], numbers[once]
    close, adjusted = bars["close"].to_numpy(), bars["adj_close"].to_numpy()
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = adjusted / close
        paid = np.r_[np.nan, 1 - factor[:-1] / factor[1:]]
        noise = NOISE + 2 * _unit(adjusted) / adjusted
    paid[np.r_[True, company[1:] != company[:-1]]] = np.nan
    value, ex = np.r_[np.nan, close[:-1]] * paid, bars["date"]
    at, wrong = np.flatnonzero(paid > noise), np.flatnonzero(paid < -noise)
    rejects = tuple(
        Reject(
            int(numbers[row]),
            "negative dividend",
            f"adj_close implies a dividend of {value[row]:.6g} on {ex.iloc[row].date()}; it is not adjusted backwards",
        )
        for row in wrong
    )
    rows = {
        "company_id": company[at],
        "ex_date": _days(ex.iloc[at]),
        "kind": np.full(len(at), "dividend"),
        "value": value[at],
        "default_known_at": ex.iloc[at].dt.tz_localize("UTC"),
    }
    return Arrival("corporate_actions", table(rows), numbers[at], rejects)


def _once(bars: pd.DataFrame, company: Ids) -> NDArray[np.bool_]:
    day = bars["date"].to_numpy()
    if not np.any((company[1:] == company[:-1]) & (day[1:] == day[:-1])):
        return np.ones(len(bars), bool)
    told = bars[["date", "close", "adj_close"]].assign(company=company)
    again = told.duplicated()
    contradicting = told[~again].duplicated(["company", "date"], keep=False)
    once: NDArray[np.bool_] = (~again & ~contradicting.reindex(told.index, fill_value=False)).to_numpy()
    return once


def _unit(prices: NDArray[np.float64]) -> float:
    """The last place to which prices were rounded (0.01), 0 where they were not."""
    there = prices[np.isfinite(prices)]
    for places in (2, 3, 4):
        scaled = there * 10**places
        if np.all(np.abs(scaled - np.round(scaled)) < 1e-6):
            return float(10.0**-places)
    return 0.0


def _days(day: pd.Series) -> NDArray[np.datetime64]:
    days: NDArray[np.datetime64] = day.to_numpy().astype("datetime64[D]")
    return days
