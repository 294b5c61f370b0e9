"""A live source into the database: what it knows is stored, what it does not know is quarantined."""

from __future__ import annotations

from datetime import date

import pytest

from nexus.errors import InputError
from nexus.ingest.live import ingest_live
from nexus.ingest.run import exit_status
from nexus.ingest.sources.edgar import Edgar

GAMMA = 103
FILING = {
    "accessionNumber": "0000000103-24-000007",
    "form": "8-K",
    "filingDate": "2024-05-02",
    "reportDate": "2024-05-02",
    "acceptanceDateTime": "2024-05-02T20:30:29.000Z",
    "items": "2.02",
    "primaryDocument": "8-k.htm",
    "primaryDocDescription": "8-K",
}
ASSETS = {"end": "2024-03-30", "val": 5e9, "accn": FILING["accessionNumber"], "form": "10-Q", "filed": "2024-05-02"}


@pytest.fixture
def source(loopback, hasty) -> Edgar:
    listing = {column: [value] for column, value in FILING.items()}
    loopback.route(
        "/submissions/CIK0000000103.json",
        {"cik": "0000000103", "name": "Gamma", "filings": {"recent": listing, "files": []}},
    )
    loopback.route(
        "/api/xbrl/companyfacts/CIK0000000103.json",
        {"cik": GAMMA, "entityName": "Gamma", "facts": {"us-gaap": {"Assets": {"units": {"USD": [ASSETS]}}}}},
    )
    return Edgar("Jane Doe jane.doe@example.org", backoff=hasty, data_url=loopback.url, www_url=loopback.url)


def test_filings_and_facts_are_stored_and_the_unknown_is_quarantined(companies, ask, source) -> None:
    loaded = ingest_live(companies, source, ["103", "777"], date(2024, 1, 1), date(2024, 12, 31))
    assert exit_status(loaded) == 1
    assert ask("SELECT count(DISTINCT company_id), count(DISTINCT event_id), min(event_type) FROM events") == [
        (2, 2, "8-K:2.02")
    ], "an issuer's filing is an event of each of its lines"
    assert ask("SELECT DISTINCT field, value FROM fundamentals") == [("total_assets", 5e9)]
    ((reason, detail),) = ask("SELECT reason, detail FROM rejected_rows")
    assert reason == "not fetched" and "777" in detail and "404" in detail


def test_again_changes_nothing(companies, ask, source) -> None:
    again = ingest_live(companies, source, ["103"], date(2024, 1, 1), date(2024, 12, 31))
    assert exit_status(again) == 0 and sum(one.inserted for one in again) == 0
    assert sum(one.unchanged + one.duplicates for one in again) >= 4


def test_an_unknown_source_is_named_with_those_there_are(companies) -> None:
    with pytest.raises(InputError, match="bloomberg: unknown; there are yahoo, edgar"):
        ingest_live(companies, "bloomberg", ["AAPL"], date(2024, 1, 1), date(2024, 12, 31))
