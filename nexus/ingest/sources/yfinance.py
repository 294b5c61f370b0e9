"""Yahoo Finance through the library yfinance: daily bars, splits and dividends."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, timedelta

import pandas as pd
import yfinance as yf
from curl_cffi.requests.exceptions import RequestException
from yfinance.exceptions import YFException, YFRateLimitError

from nexus.ingest.sources import yahoo_bars
from nexus.ingest.sources.base import Batch, SourceError, UnusableReply, rejected
from nexus.ingest.sources.politeness import Backoff, RateLimiter
from nexus.ingest.sources.yahoo_session import YahooSession

UNREADABLE = (YFException, RequestException, AttributeError, LookupError, TypeError, ValueError)
"""What yfinance raises on a symbol that Yahoo does not know, or on a reply that it cannot read."""


class Yahoo:
    """Source of `actions` and `prices`.

    Yahoo restates every price, volume and dividend for each later split. A fetch therefore reaches to today, whatever
    its `end`, so that all later splits come with it, and prices leave here as they were traded.

    as_traded : False leaves the numbers as Yahoo gave them, with `adj_close` and the day of the fetch as their `basis`
    timeout : seconds
    base_url : scheme and host that stand in for all of Yahoo's
    """

    name = "yfinance"

    def __init__(
        self,
        *,
        per_second: float = 2.0,
        backoff: Backoff | None = None,
        timeout: float = 30.0,
        base_url: str | None = None,
        as_traded: bool = True,
    ) -> None:
        self._limiter = RateLimiter(per_second)
        self._backoff = backoff or Backoff()
        self._timeout = timeout
        self._base_url = base_url
        self._as_traded = as_traded

    def fetch(self, identifiers: Sequence[str], start: date, end: date) -> Iterator[Batch]:
        """Per company `actions`, then `prices`, of the complete sessions from `start` to `end`, both included."""
        with YahooSession(self._limiter, self._backoff, self._base_url) as session:
            for symbol in identifiers:
                try:
                    bars = self._bars(symbol, start, session)
                except UnusableReply as error:
                    yield rejected(symbol, error)
                    continue
                bars = bars[bars["date"] <= pd.Timestamp(end)]
                yield "actions", yahoo_bars.actions(bars, symbol)
                yield "prices", yahoo_bars.prices(bars, symbol)

    def _bars(self, symbol: str, start: date, session: YahooSession) -> pd.DataFrame:
        """Bars from `start` to the last complete session; splits and dividends in columns beside them."""
        now = pd.Timestamp.now("UTC")
        beyond = now.date() + timedelta(days=2)  # before the open, too, with a split of today
        ticker = yf.Ticker(yahoo_symbol(symbol), session=session)
        try:
            with _raising():
                span = {"start": start.isoformat(), "end": beyond.isoformat()}
                history = ticker.history(**span, auto_adjust=False, actions=True, timeout=self._timeout)
            over = yahoo_bars.complete(history.index, ticker.get_history_metadata(), now)
            bars = yahoo_bars.named(history)
        except YFRateLimitError as fault:
            raise SourceError(f"Yahoo Finance: {symbol}: {fault} Run it again later, or for fewer symbols") from fault
        except UNREADABLE as fault:
            raise UnusableReply(f"Yahoo Finance: {symbol}: {type(fault).__name__}: {fault}") from fault
        fetched = now.tz_convert(history.index.tz).tz_localize(None).normalize()
        bars = yahoo_bars.unadjusted(bars) if self._as_traded else bars.assign(basis=fetched)
        return bars[over]  # only now: a split of today has restated all bars before it


def yahoo_symbol(ticker: str) -> str:
    """Yahoo's spelling of a ticker: a class of share follows a hyphen (BRK.B is BRK-B there)."""
    return re.sub(r"\.([A-C])$", r"-\1", ticker.upper())


@contextmanager
def _raising() -> Iterator[None]:
    """Let yfinance raise, instead of logging and returning nothing."""
    before = yf.config.debug.hide_exceptions
    yf.config.debug.hide_exceptions = False
    try:
        yield
    finally:
        yf.config.debug.hide_exceptions = before
