"""The daily bars of yfinance, un-adjusted and put in the columns of `prices` and `actions`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

OHLC = ["open", "high", "low", "close"]
NAMES = {
    "Open": "open",
    "High": "high",
    "Low": "low",
    "Close": "close",
    "Adj Close": "adj_close",
    "Volume": "volume",
    "Dividends": "dividend",
    "Stock Splits": "split",
}


def complete(sessions: pd.DatetimeIndex, metadata: Mapping[str, Any], now: pd.Timestamp) -> pd.Series:
    """Which sessions are over: today's only once Yahoo's own regular trading period has ended.

    sessions : midnights in the time zone of the exchange
    metadata : `currentTradingPeriod.regular.end` is read; without it today counts as not over
    """
    ends = metadata.get("currentTradingPeriod", {}).get("regular", {}).get("end")
    today = now.tz_convert(sessions.tz).normalize()
    over = ends is not None and ends.normalize() == today and now >= ends
    return pd.Series(sessions <= today if over else sessions < today)


def named(history: pd.DataFrame) -> pd.DataFrame:
    """The columns under our names, with `date` first; no time zone."""
    bars = history[list(NAMES)].rename(columns=NAMES)
    bars.insert(0, "date", pd.DatetimeIndex(history.index).tz_localize(None).normalize())
    return bars.reset_index(drop=True)


def unadjusted(bars: pd.DataFrame) -> pd.DataFrame:
    """Prices, volumes and dividends in the shares of their own day, from bars that later splits have restated.

    bars : `named` bars to the day of the fetch, so that no later split is missing; in order of date
    Yahoo keeps single precision: prices come back rounded to 4 decimals (2 from 1,000 on), so that the same bar fetched
    on another basis is the same number. `adj_close` goes: its dividends are in `dividend`.
    """
    ratio = bars["split"].where(bars["split"] > 0, 1.0)
    later = ratio[::-1].cumprod()[::-1].shift(-1, fill_value=1.0)
    traded = bars[OHLC].mul(later, axis=0)
    return bars.drop(columns="adj_close").assign(
        **traded.round(4).where(traded < 1000, traded.round(2)),
        volume=(bars["volume"] / later).round(),
        dividend=(bars["dividend"] * later).round(6),
    )


def actions(bars: pd.DataFrame, ticker: str) -> pd.DataFrame:
    """Rows `ticker, ex_date, kind, value`: a split is new shares per old one, a dividend cash per share."""
    table = bars.melt(id_vars="date", value_vars=["split", "dividend"], var_name="kind").query("value != 0")
    table = table.rename(columns={"date": "ex_date"}).sort_values(["ex_date", "kind"], ignore_index=True)
    table.insert(0, "ticker", ticker)
    return table


def prices(bars: pd.DataFrame, ticker: str) -> pd.DataFrame:
    """Rows `ticker, date, open, high, low, close, volume[, adj_close, basis]`; a row with an action only is none."""
    table = bars.drop(columns=["split", "dividend"])[bars["close"].notna()]
    table.insert(0, "ticker", ticker)
    return table.reset_index(drop=True)
