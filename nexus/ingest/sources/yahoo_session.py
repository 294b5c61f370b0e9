"""The HTTP session that yfinance is given: limited, retried, and pointed wherever a test or a mirror needs it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from curl_cffi import requests
from curl_cffi.requests.exceptions import RequestException

from nexus.ingest.sources.politeness import Backoff, Courier, RateLimiter


class YahooSession(requests.Session[requests.Response]):
    """A browser-like session whose every request to Yahoo is rate-limited.

    base_url : scheme and host that stand in for all of Yahoo's; None: Yahoo's own

    Only bars are asked for again after a passing fault: yfinance does without cookie and crumb where it gets none.
    """

    def __init__(self, limiter: RateLimiter, backoff: Backoff, base_url: str | None = None) -> None:
        super().__init__(impersonate="chrome")
        self._stand_in = base_url.rstrip("/") if base_url else None
        self._courier = Courier(limiter, backoff, (RequestException,))
        self._limiter = limiter

    def request(self, method: Any, url: str, *args: Any, **options: Any) -> Any:
        """Send within the limit."""
        target = url
        if self._stand_in:
            parts = urlsplit(url)
            target = f"{self._stand_in}{parts.path}" + (f"?{parts.query}" if parts.query else "")
        if "/finance/chart/" in url:
            return self._courier.send(
                target, lambda: super(YahooSession, self).request(method, target, *args, **options)
            )
        self._limiter.wait()
        return super().request(method, target, *args, **options)
