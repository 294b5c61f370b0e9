"""SEC EDGAR: filings as events, XBRL facts as fundamentals with every vintage.

Fair access as the SEC asks for it: a declared User-Agent, at most 10 requests a second, silence when told so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

import httpx
import pandas as pd

from nexus.errors import SettingError
from nexus.ingest.sources import edgar_json
from nexus.ingest.sources.base import Batch, UnusableReply, rejected
from nexus.ingest.sources.politeness import Backoff, Courier, RateLimiter
from nexus.ingest.sources.web import Web, documented

FAIR_ACCESS_PER_SECOND = 10.0
REFUSAL = "the SEC refuses this NEXUS_USER_AGENT or this address: declare a name and e-mail address, wait ten minutes"


class Edgar:
    """Source of `events` and `fundamentals`; companies are named by CIK, or by a ticker of today.

    user_agent : name and e-mail address of whoever runs this, `NEXUS_USER_AGENT`; the SEC refuses clients without
    per_second : requests a second, at most 10
    timeout : seconds
    data_url, www_url : hosts of the JSON interface and of the list of tickers
    """

    name = "edgar"

    def __init__(
        self,
        user_agent: str | None,
        *,
        per_second: float = 8.0,
        backoff: Backoff | None = None,
        timeout: float = 30.0,
        data_url: str = "https://data.sec.gov",
        www_url: str = "https://www.sec.gov",
    ) -> None:
        if not 0 < per_second <= FAIR_ACCESS_PER_SECOND:
            raise SettingError(f"EDGAR: {per_second} requests a second; fair access allows more than 0 and up to 10")
        self._headers = {"User-Agent": declared(user_agent)}
        self._courier = Courier(RateLimiter(per_second), backoff or Backoff(), (httpx.TransportError,))
        self._timeout = timeout
        self._data_url, self._www_url = data_url.rstrip("/"), www_url.rstrip("/")

    def fetch(self, identifiers: Sequence[str], start: date, end: date) -> Iterator[Batch]:
        """Per company `events`, then `fundamentals` if it has XBRL, filed from `start` to `end`, both included."""
        first, last = pd.Timestamp(start), pd.Timestamp(end)
        with httpx.Client(headers=self._headers, timeout=self._timeout, follow_redirects=True) as client:
            web = Web(client, self._courier, REFUSAL)
            tickers = None if all(map(str.isdecimal, identifiers)) else self._tickers(web)
            for identifier in identifiers:
                try:
                    yield from self._company(web, cik_of(identifier, tickers), first, last)
                except UnusableReply as error:
                    yield rejected(identifier, error)

    def _company(self, web: Web, cik: int, first: pd.Timestamp, last: pd.Timestamp) -> Iterator[Batch]:
        filings = self._filings(web, cik, first, last)
        yield "events", edgar_json.events(filings[filings["filed"].between(first, last)], cik)
        url = f"{self._data_url}/api/xbrl/companyfacts/CIK{cik:010d}.json"
        document = web.find(url)
        if document is None:  # a filer without XBRL
            return
        with documented(url):
            facts = edgar_json.fundamentals(document["facts"], cik, filings.set_index("accession")["known_at"])
        yield "fundamentals", facts[facts["filed"].between(first, last)].drop(columns="filed")

    def _filings(self, web: Web, cik: int, first: pd.Timestamp, last: pd.Timestamp) -> pd.DataFrame:
        """Filings of the recent page and of every older file that overlaps the range."""
        url = f"{self._data_url}/submissions/CIK{cik:010d}.json"
        document = web.get(url)
        with documented(url):
            pages = [document["filings"]["recent"]]
            for older in document["filings"]["files"]:
                if pd.Timestamp(older["filingTo"]) >= first and pd.Timestamp(older["filingFrom"]) <= last:
                    pages.append(web.get(f"{self._data_url}/submissions/{older['name']}"))
            return edgar_json.filings(pages)

    def _tickers(self, web: Web) -> dict[str, int]:
        url = f"{self._www_url}/files/company_tickers.json"
        document: dict[str, dict[str, Any]] = web.get(url)
        with documented(url):
            return {row["ticker"].upper(): int(row["cik_str"]) for row in document.values()}


def declared(user_agent: str | None) -> str:
    """The User-Agent, if it names somebody to write to; SettingError otherwise."""
    if not user_agent or "@" not in user_agent:
        raise SettingError(
            f"EDGAR: NEXUS_USER_AGENT is {user_agent!r}; the SEC serves only clients that declare a name and an e-mail "
            'address: set it, for example NEXUS_USER_AGENT="Jane Doe jane.doe@example.org"'
        )
    return user_agent


def cik_of(identifier: str, tickers: dict[str, int] | None) -> int:
    """CIK of a company named by CIK or ticker; UnusableReply where nobody has that ticker."""
    if identifier.isdecimal():
        return int(identifier)
    symbol = identifier.upper().replace(".", "-")
    if tickers is None or symbol not in tickers:
        raise UnusableReply(f"{identifier}: not among the tickers that the SEC lists; use the company's CIK")
    return tickers[symbol]
