from __future__ import annotations

import json
import time
from datetime import date
from typing import Any

import pandas as pd
import pytest

from nexus.errors import SettingError
from nexus.ingest.sources.base import SourceError
from nexus.ingest.sources.edgar import Edgar

AGENT = "Jane Doe jane.doe@example.org"
APPLE, PRIVATE, BROKEN = 320193, 1800, 4242
DECADE = date(2015, 1, 1), date(2026, 1, 1)

BLANK = {
    "accessionNumber": "",
    "filingDate": "",
    "reportDate": "",
    "acceptanceDateTime": "",
    "act": "34",
    "form": "",
    "fileNumber": "001-36743",
    "filmNumber": "",
    "items": "",
    "core_type": "",
    "size": 1,
    "isXBRL": 0,
    "isInlineXBRL": 0,
    "primaryDocument": "",
    "primaryDocDescription": "",
}


def page(*filings: dict[str, Any]) -> dict[str, list[Any]]:
    """Filings in the columns of data.sec.gov, one list per column."""
    return {column: [(BLANK | filing)[column] for filing in filings] for column in BLANK}


def filing(accession: str, form: str, filed: str, accepted: str, period: str = "", items: str = "") -> dict[str, Any]:
    return {
        "accessionNumber": accession,
        "form": form,
        "filingDate": filed,
        "acceptanceDateTime": accepted,
        "reportDate": period,
        "items": items,
        "primaryDocument": f"{form.lower()}.htm",
        "primaryDocDescription": form,
    }


def submissions(cik: int, recent: dict[str, list[Any]], files: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    return {
        "cik": f"{cik:010d}",
        "entityType": "operating",
        "sic": "3571",
        "name": "Apple Inc.",
        "tickers": ["AAPL"],
        "exchanges": ["Nasdaq"],
        "formerNames": [],
        "filings": {"recent": recent, "files": files or []},
    }


EARNINGS = filing("0000320193-24-000067", "8-K", "2024-05-02", "2024-05-02T20:30:29.000Z", "2024-05-02", "2.02,9.01")
QUARTER = filing("0000320193-24-000069", "10-Q", "2024-05-03", "2024-05-02T22:04:25.000Z", "2024-03-30")
INSIDER = filing("0000320193-24-000070", "4", "2024-05-06", "2024-05-07T00:31:00.000Z", "2024-05-02")
YEAR_BEFORE = filing("0000320193-23-000064", "10-Q", "2023-05-05", "2023-05-04T22:03:52.000Z", "2023-04-01")
AMENDED = filing("0000320193-16-000001", "8-K/A", "2016-01-04", "2016-01-04T22:30:00.000Z", "2016-01-09", "5.02")


def vintage(accession: str, filed: str, value: float, end: str, start: str | None = None, form: str = "10-Q") -> dict:
    fact = {"end": end, "val": value, "accn": accession, "fy": 2024, "fp": "Q2", "form": form, "filed": filed}
    return fact | ({"start": start} if start else {})


def tag(unit: str, *vintages: dict[str, Any]) -> dict[str, Any]:
    return {"label": "", "description": "", "units": {unit: list(vintages)}}


FACTS = {
    "cik": APPLE,
    "entityName": "Apple Inc.",
    "facts": {
        "dei": {
            "EntityCommonStockSharesOutstanding": tag(
                "shares", vintage("0000320193-24-000069", "2024-05-03", 15_334_082_000, "2024-04-19")
            )
        },
        "us-gaap": {
            "RevenueFromContractWithCustomerExcludingAssessedTax": tag(
                "USD",
                vintage("0000320193-23-000064", "2023-05-05", 94_836e6, "2023-04-01", "2023-01-01"),
                vintage("0000320193-24-000069", "2024-05-03", 94_800e6, "2023-04-01", "2023-01-01"),
                vintage("0000320193-24-000069", "2024-05-03", 90_753e6, "2024-03-30", "2023-12-31"),
            ),
            "Revenues": tag("USD", vintage("0000320193-24-000069", "2024-05-03", 90_755e6, "2024-03-30", "2023-12-31")),
            "Assets": tag("USD", vintage("9999999999-24-000001", "2024-05-03", 337_411e6, "2024-03-30", form="10-Q")),
            "UnusualTag": tag("pure", vintage("0000320193-24-000069", "2024-05-03", 0.5, "2024-03-30")),
        },
    },
}


def edgar(loopback, hasty, **options) -> Edgar:
    options = {"per_second": 10.0, "backoff": hasty, "data_url": loopback.url, "www_url": loopback.url} | options
    return Edgar(AGENT, **options)


@pytest.fixture
def apple(loopback):
    older = {"name": "CIK0000320193-submissions-001.json", "filingCount": 1}
    loopback.route(
        "/submissions/CIK0000320193.json",
        submissions(
            APPLE,
            page(INSIDER, QUARTER, EARNINGS, YEAR_BEFORE),
            [
                older | {"filingFrom": "2015-06-01", "filingTo": "2016-12-31"},
                {"name": "ancient.json", "filingCount": 9, "filingFrom": "1994-01-26", "filingTo": "2014-12-31"},
            ],
        ),
    )
    loopback.route(f"/submissions/{older['name']}", page(AMENDED))
    loopback.route("/api/xbrl/companyfacts/CIK0000320193.json", FACTS)
    return loopback


def frames(batches) -> dict[str, pd.DataFrame]:
    result: dict[str, list[pd.DataFrame]] = {}
    for kind, frame in batches:
        result.setdefault(kind, []).append(frame)
    return {kind: pd.concat(parts, ignore_index=True) for kind, parts in result.items()}


def test_filings_become_events_known_at_their_acceptance(apple, hasty):
    events = frames(edgar(apple, hasty).fetch(["320193"], *DECADE))["events"].set_index(["accession", "event_type"])
    assert events.index.tolist() == [
        ("0000320193-24-000070", "4"),
        ("0000320193-24-000069", "10-Q"),
        ("0000320193-24-000067", "8-K:2.02"),
        ("0000320193-24-000067", "8-K:9.01"),
        ("0000320193-23-000064", "10-Q"),
        ("0000320193-16-000001", "8-K/A:5.02"),
    ]
    results = events.loc[("0000320193-24-000067", "8-K:2.02")]
    assert results["known_at"] == pd.Timestamp("2024-05-02 20:30:29", tz="UTC")
    assert (results["cik"], results["form"], results["items"]) == (APPLE, "8-K", "2.02,9.01")
    assert json.loads(results["payload"]) == {
        "accession": "0000320193-24-000067",
        "document": "8-k.htm",
        "form": "8-K",
        "items": "2.02,9.01",
    }
    quarter = events.loc[("0000320193-24-000069", "10-Q")]
    assert quarter["event_date"] == pd.Timestamp("2024-05-03"), "a period that ended is not the event, its filing is"


def test_event_of_an_8k_may_lie_after_its_filing(apple, hasty):
    events = frames(edgar(apple, hasty).fetch(["320193"], *DECADE))["events"].set_index("event_type")
    assert events.loc["8-K/A:5.02", "event_date"] == pd.Timestamp("2016-01-09")
    assert events.loc["8-K/A:5.02", "known_at"] == pd.Timestamp("2016-01-04 22:30", tz="UTC")


def test_only_older_files_within_the_range_are_read(apple, hasty):
    source = edgar(apple, hasty)
    frames(source.fetch(["320193"], *DECADE))
    assert not apple.times("/submissions/ancient.json")
    assert len(apple.times("/submissions/CIK0000320193-submissions-001.json")) == 1
    recent = frames(source.fetch(["320193"], date(2024, 5, 3), date(2024, 5, 3)))
    assert len(apple.times("/submissions/CIK0000320193-submissions-001.json")) == 1
    assert recent["events"]["event_type"].tolist() == ["10-Q"]
    assert set(recent["fundamentals"]["accession"]) == {"0000320193-24-000069", "9999999999-24-000001"}


def test_every_vintage_of_a_fact_is_kept(apple, hasty):
    facts = frames(edgar(apple, hasty).fetch(["320193"], *DECADE))["fundamentals"]
    revenue = facts[(facts["field"] == "revenue") & (facts["period_end"] == "2023-04-01")]
    assert revenue["value"].tolist() == [94_836e6, 94_800e6]
    assert revenue["known_at"].tolist() == [
        pd.Timestamp("2023-05-04 22:03:52", tz="UTC"),
        pd.Timestamp("2024-05-02 22:04:25", tz="UTC"),
    ]
    assert (revenue["period_start"] == "2023-01-01").all()
    assert (revenue["unit"] == "USD").all()


def test_the_preferred_tag_is_the_field_and_the_other_keeps_its_name(apple, hasty):
    facts = frames(edgar(apple, hasty).fetch(["320193"], *DECADE))["fundamentals"]
    quarter = facts[facts["period_end"] == "2024-03-30"].set_index("field")["value"]
    assert quarter["revenue"] == 90_755e6
    assert quarter["us-gaap:RevenueFromContractWithCustomerExcludingAssessedTax"] == 90_753e6
    assert quarter["us-gaap:UnusualTag"] == 0.5


def test_an_instant_starts_on_the_day_it_ends(apple, hasty):
    facts = frames(edgar(apple, hasty).fetch(["320193"], *DECADE))["fundamentals"].set_index("field")
    assert facts.loc["total_assets", "period_start"] == facts.loc["total_assets", "period_end"]
    assert facts.loc["shares_outstanding", "value"] == 15_334_082_000


def test_a_fact_of_an_unlisted_filing_is_known_the_day_after_it_was_filed(apple, hasty):
    facts = frames(edgar(apple, hasty).fetch(["320193"], *DECADE))["fundamentals"].set_index("field")
    assert facts.loc["total_assets", "known_at"] == pd.Timestamp("2024-05-04", tz="UTC")


def test_tickers_are_looked_up_and_the_unknown_is_named_while_others_go_on(apple, hasty):
    apple.route("/files/company_tickers.json", {"0": {"cik_str": APPLE, "ticker": "AAPL", "title": "Apple Inc."}})
    apple.route("/submissions/CIK0000001800.json", submissions(PRIVATE, page(EARNINGS)))
    result = frames(edgar(apple, hasty).fetch(["NOPE", "777", "aapl", "1800"], *DECADE))
    assert result["rejected"]["identifier"].tolist() == ["NOPE", "777"]
    assert "use the company's CIK" in result["rejected"]["reason"][0]
    assert "CIK0000000777.json: HTTP 404" in result["rejected"]["reason"][1]
    assert set(result["events"]["cik"]) == {APPLE, PRIVATE}
    assert set(result["fundamentals"]["cik"]) == {APPLE}, "a filer without XBRL has events only"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ('{"filings": {"recent"', "not JSON"),
        ({"filings": {}}, "KeyError: 'recent'"),
        ({"filings": {"recent": page(EARNINGS) | {"form": []}, "files": []}}, "not in the documented format"),
        ({"filings": {"recent": page(EARNINGS | {"filingDate": "May 2"}), "files": []}}, "May 2"),
        ([], "TypeError"),
    ],
)
def test_nonsense_rejects_its_company_only(apple, hasty, body, reason):
    apple.route(f"/submissions/CIK{BROKEN:010d}.json", body)
    result = frames(edgar(apple, hasty).fetch([str(BROKEN), "320193"], *DECADE))
    assert result["rejected"]["identifier"].tolist() == [str(BROKEN)]
    assert reason in result["rejected"]["reason"][0]
    assert f"/submissions/CIK{BROKEN:010d}.json" in result["rejected"]["reason"][0]
    assert set(result["events"]["cik"]) == {APPLE}


def test_events_survive_facts_that_are_nonsense(apple, hasty):
    apple.route(
        "/api/xbrl/companyfacts/CIK0000320193.json", {"facts": {"us-gaap": {"Assets": {"units": {"USD": [{}]}}}}}
    )
    result = frames(edgar(apple, hasty).fetch(["320193"], *DECADE))
    assert len(result["events"]) == 6
    assert "companyfacts" in result["rejected"]["reason"][0]


def test_429_is_retried_after_what_it_asks(apple, hasty):
    path = "/api/xbrl/companyfacts/CIK0000320193.json"
    apple.route(path, apple.answer("slow down", 429, {"Retry-After": "1"}), FACTS)
    assert not frames(edgar(apple, hasty).fetch(["320193"], *DECADE))["fundamentals"].empty
    first, second = apple.times(path)
    assert second - first >= 1.0


def test_500_then_success(apple, hasty):
    path = "/submissions/CIK0000320193.json"
    apple.route(path, apple.answer("", 500), apple.answer("", 503), submissions(APPLE, page(EARNINGS)))
    assert len(frames(edgar(apple, hasty).fetch(["320193"], *DECADE))["events"]) == 2
    assert len(apple.times(path)) == 3


def test_retries_are_bounded_and_the_error_says_what_to_do(apple, hasty):
    path = "/submissions/CIK0000320193.json"
    apple.route(path, apple.answer("", 500))
    with pytest.raises(SourceError, match=rf"{path}: HTTP 500 after 5 attempts; run it again later"):
        list(edgar(apple, hasty).fetch(["320193"], *DECADE))
    assert len(apple.times(path)) == 5


def test_a_long_silence_is_not_sat_out(apple, hasty):
    apple.route("/submissions/CIK0000320193.json", apple.answer("", 429, {"Retry-After": "600"}))
    started = time.monotonic()
    with pytest.raises(SourceError, match="HTTP 429, asks for 600 s of silence"):
        list(edgar(apple, hasty).fetch(["320193"], *DECADE))
    assert time.monotonic() - started < 5


def test_refusal_names_the_setting(apple, hasty):
    apple.route("/submissions/CIK0000320193.json", apple.answer("Undeclared Automated Tool", 403))
    with pytest.raises(SourceError, match=r"HTTP 403; .*NEXUS_USER_AGENT"):
        list(edgar(apple, hasty).fetch(["320193"], *DECADE))
    assert len(apple.requests) == 1


def test_unreachable_host_is_retried_then_named(loopback, hasty):
    source = edgar(loopback, hasty, data_url="http://127.0.0.1:9")
    with pytest.raises(SourceError, match=r"127\.0\.0\.1:9/.*ConnectError.* after 5 attempts"):
        list(source.fetch(["320193"], *DECADE))


def test_rate_is_limited(apple, hasty):
    source = edgar(apple, hasty, per_second=8.0)
    for _ in range(3):
        list(source.fetch(["320193"], *DECADE))
    times = [request.at for request in apple.requests]
    assert len(times) == 9
    assert times[-1] - times[0] >= 8 / 8.0 - 0.02


def test_user_agent_is_declared(apple, hasty):
    list(edgar(apple, hasty).fetch(["320193"], *DECADE))
    assert {request.headers["user-agent"] for request in apple.requests} == {AGENT}


@pytest.mark.parametrize("agent", [None, "", "python-httpx/0.28"])
def test_undeclared_user_agent_is_refused_before_anything_is_sent(agent):
    with pytest.raises(SettingError, match=r'NEXUS_USER_AGENT="Jane Doe jane\.doe@example\.org"'):
        Edgar(agent)


@pytest.mark.parametrize("per_second", [0, 10.5])
def test_unfair_rates_are_refused(per_second):
    with pytest.raises(SettingError, match="fair access"):
        Edgar(AGENT, per_second=per_second)


def test_a_filer_with_nothing_yet_has_empty_frames(apple, hasty):
    apple.route("/submissions/CIK0000001800.json", submissions(PRIVATE, page()))
    apple.route("/api/xbrl/companyfacts/CIK0000001800.json", {"cik": PRIVATE, "entityName": "", "facts": {}})
    result = frames(edgar(apple, hasty).fetch(["1800"], *DECADE))
    assert {kind: len(frame) for kind, frame in result.items()} == {"events": 0, "fundamentals": 0}
    assert {"cik", "event_type", "known_at"} <= set(result["events"])
