from __future__ import annotations

import time
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yfinance
from curl_cffi.requests import Session

from nexus.ingest.sources.base import SourceError
from nexus.ingest.sources.yfinance import Yahoo, yahoo_symbol

# yfinance 1.7 calls pandas in ways that pandas 3 is giving up
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:yfinance")

NEW_YORK = "America/New_York"
START, END = date(2020, 8, 1), date(2020, 9, 30)


def stamp(day: str | date, clock: str = "09:30") -> int:
    return int(pd.Timestamp(f"{day} {clock}", tz=NEW_YORK).timestamp())


def chart(
    symbol: str,
    bars: dict[str, tuple[float, float, float, float, float, int]],
    splits: dict[str, float] | None = None,
    dividends: dict[str, float] | None = None,
    regular: tuple[int, int] | None = None,
) -> dict[str, Any]:
    """The v8 chart document. bars: day -> open, high, low, close, adjusted close, volume."""
    opens, highs, lows, closes, adjusted, volumes = (list(column) for column in zip(*bars.values(), strict=True))
    today = date.today()
    start, end = regular or (stamp(today), stamp(today, "16:00"))
    period = {"timezone": "EST", "start": start, "end": end, "gmtoffset": -18000}
    events: dict[str, Any] = {}
    if splits:
        events["splits"] = {
            str(stamp(day)): {"date": stamp(day), "numerator": ratio, "denominator": 1.0, "splitRatio": f"{ratio}:1"}
            for day, ratio in splits.items()
        }
    if dividends:
        events["dividends"] = {
            str(stamp(day)): {"amount": amount, "date": stamp(day)} for day, amount in dividends.items()
        }
    meta = {
        "currency": "USD",
        "symbol": symbol,
        "exchangeName": "NMS",
        "instrumentType": "EQUITY",
        "firstTradeDate": 345479400,
        "regularMarketTime": end,
        "gmtoffset": -18000,
        "timezone": "EST",
        "exchangeTimezoneName": NEW_YORK,
        "priceHint": 2,
        "currentTradingPeriod": {"pre": dict(period), "regular": dict(period), "post": dict(period)},
        "dataGranularity": "1d",
        "range": "",
        "validRanges": ["1d", "5d", "1mo", "max"],
    }
    result = {
        "meta": meta,
        "timestamp": [stamp(day) for day in bars],
        "events": events,
        "indicators": {
            "quote": [{"open": opens, "high": highs, "low": lows, "close": closes, "volume": volumes}],
            "adjclose": [{"adjclose": adjusted}],
        },
    }
    return {"chart": {"result": [result], "error": None}}


UNKNOWN = {
    "chart": {
        "result": None,
        "error": {"code": "Not Found", "description": "No data found, symbol may be delisted"},
    }
}

# in single precision, as Yahoo gives them: 4-for-1 on 31 August 2020
AAPL = {
    "2020-08-06": (110.40499877929688, 114.4124984741211, 109.79750061035156, 113.90249633789062, 110.8, 202_428_800),
    "2020-08-07": (113.20500183105469, 113.67500305175781, 110.2925033569336, 111.11250305175781, 108.2, 198_045_600),
    "2020-08-28": (126.01249694824219, 126.44249725341797, 124.57749938964844, 124.80750274658203, 121.5, 187_630_000),
    "2020-08-31": (127.58000183105469, 131.0, 126.0, 129.0399932861328, 125.7, 225_702_700),
}


@pytest.fixture(autouse=True, scope="module")
def caches_of_our_own(tmp_path_factory):
    """The time zones that yfinance remembers are not the user's; each symbol's is asked for once per process."""
    yfinance.set_tz_cache_location(str(tmp_path_factory.mktemp("yfinance")))


@pytest.fixture
def source(loopback, hasty):
    return Yahoo(base_url=loopback.url, backoff=hasty, per_second=200)


def frames(batches) -> dict[str, pd.DataFrame]:
    result: dict[str, list[pd.DataFrame]] = {}
    for kind, frame in batches:
        result.setdefault(kind, []).append(frame)
    return {kind: pd.concat(parts, ignore_index=True) for kind, parts in result.items()}


def path(symbol: str) -> str:
    return f"/v8/finance/chart/{symbol}"


def test_prices_come_out_as_traded(loopback, source):
    loopback.route(path("AAPL"), chart("AAPL", AAPL, {"2020-08-31": 4.0}, {"2020-08-07": 0.205}))
    result = frames(source.fetch(["AAPL"], START, END))
    prices = result["prices"].set_index("date")
    assert prices.columns.tolist() == ["ticker", "open", "high", "low", "close", "volume"]
    assert prices.loc["2020-08-06", ["open", "high", "low", "close"]].tolist() == [441.62, 457.65, 439.19, 455.61]
    assert prices.loc["2020-08-28", "close"] == 499.23
    assert prices.loc["2020-08-31", "close"] == 129.04
    assert prices["volume"].tolist() == [50_607_200, 49_511_400, 46_907_500, 225_702_700]
    assert result["actions"].to_dict("list") == {
        "ticker": ["AAPL", "AAPL"],
        "ex_date": [pd.Timestamp("2020-08-07"), pd.Timestamp("2020-08-31")],
        "kind": ["dividend", "split"],
        "value": [0.82, 4.0],
    }


def test_a_split_after_the_end_is_undone_and_not_reported(loopback, source):
    loopback.route(path("AAPL"), chart("AAPL", AAPL, {"2020-08-31": 4.0}))
    result = frames(source.fetch(["AAPL"], START, date(2020, 8, 28)))
    assert result["prices"]["close"].tolist() == [455.61, 444.45, 499.23]
    assert result["actions"].empty
    asked = [request for request in loopback.requests if "period2" in request.query]
    assert int(asked[-1].query["period2"][0]) > time.time() - 60


def test_the_same_bars_on_a_later_basis_are_the_same_numbers(loopback, source):
    later = {day: (*(float(np.float32(value / 7)) for value in row[:5]), row[5] * 7) for day, row in AAPL.items()}
    later["2024-06-10"] = (120.0, 121.0, 119.0, 120.5, 120.5, 1_000)
    loopback.route(path("AAPL"), chart("AAPL", AAPL, {"2020-08-31": 4.0}, {"2020-08-07": 0.205}))
    before = frames(source.fetch(["AAPL"], START, END))
    splits = {"2020-08-31": 4.0, "2024-06-10": 7.0}
    loopback.route(path("AAPL"), chart("AAPL", later, splits, {"2020-08-07": 0.205 / 7}))
    after = frames(source.fetch(["AAPL"], START, END))
    pd.testing.assert_frame_equal(before["prices"], after["prices"], check_exact=True)
    pd.testing.assert_frame_equal(before["actions"], after["actions"], check_exact=True)


def test_as_given_carries_the_day_of_the_fetch_as_basis(loopback, hasty):
    loopback.route(path("AAPL"), chart("AAPL", AAPL, {"2020-08-31": 4.0}, {"2020-08-07": 0.205}))
    source = Yahoo(base_url=loopback.url, backoff=hasty, per_second=200, as_traded=False)
    result = frames(source.fetch(["AAPL"], START, END))
    today = pd.Timestamp.now(NEW_YORK).tz_localize(None).normalize()
    assert (result["prices"]["basis"] == today).all()
    assert result["prices"]["close"].tolist() == [row[3] for row in AAPL.values()]
    assert result["prices"]["adj_close"].tolist() == [row[4] for row in AAPL.values()]
    assert result["actions"]["value"].tolist() == [0.205, 4.0]


@pytest.mark.parametrize(
    ("traded_today", "over", "closes"),
    [(True, True, [20.0, 10.0]), (True, False, [20.0]), (False, False, [20.0])],
    ids=["over", "under way", "not yet open"],
)
def test_a_session_under_way_is_left_out_but_its_split_counts(loopback, source, traded_today, over, closes):
    midnight = pd.Timestamp.now(NEW_YORK).normalize()
    end = midnight if over else midnight + pd.Timedelta(hours=23, minutes=59, seconds=59)
    today, yesterday = midnight.date(), (midnight - pd.Timedelta(days=1)).date()
    bars = dict.fromkeys([str(yesterday), str(today)][: 1 + traded_today], (10.0, 10.0, 10.0, 10.0, 10.0, 100))
    regular = int(midnight.timestamp()), int(end.timestamp())
    loopback.route(path("LIVE"), chart("LIVE", bars, {str(today): 2.0}, regular=regular))
    prices = frames(source.fetch(["LIVE"], yesterday - timedelta(days=5), today))["prices"]
    assert prices["close"].tolist() == closes


def test_unknown_symbol_is_named_and_others_go_on(loopback, source):
    loopback.route(path("AAPL"), chart("AAPL", AAPL))
    loopback.route(path("NOPE"), loopback.answer(UNKNOWN, 404))
    result = frames(source.fetch(["NOPE", "AAPL"], START, END))
    assert result["rejected"]["identifier"].tolist() == ["NOPE"]
    assert "NOPE" in result["rejected"]["reason"][0]
    assert len(result["prices"]) == 4


@pytest.mark.parametrize(
    ("symbol", "body"),
    [
        ("BAD1", '{"chart": {"result": ['),
        ("BAD2", "<html>oops</html>"),
        ("BAD3", {"chart": {"result": [{"meta": {}}]}}),
    ],
)
@pytest.mark.parametrize("first", ["nonsense", "time zone"])
def test_nonsense_rejects_its_symbol_only(loopback, source, symbol, body, first):
    symbol += first[0].upper()
    loopback.route(path("AAPL"), chart("AAPL", AAPL))
    loopback.route(path(symbol), *([chart(symbol, AAPL)] if first == "time zone" else []), body)
    result = frames(source.fetch([symbol, "AAPL"], START, END))
    assert result["rejected"]["identifier"].tolist() == [symbol]
    assert set(result["prices"]["ticker"]) == {"AAPL"}


def test_429_is_retried_after_what_it_asks(loopback, source):
    document = chart("SLOW", AAPL)
    loopback.route(path("SLOW"), document, loopback.answer("Too Many Requests", 429, {"Retry-After": "1"}), document)
    assert len(frames(source.fetch(["SLOW"], START, END))["prices"]) == 4
    _, refused, repeated = loopback.times(path("SLOW"))
    assert repeated - refused >= 1.0


def test_500_then_success(loopback, source):
    document = chart("SICK", AAPL)
    loopback.route(path("SICK"), document, loopback.answer("", 500), loopback.answer("", 502), document)
    assert len(frames(source.fetch(["SICK"], START, END))["prices"]) == 4
    assert len(loopback.times(path("SICK"))) == 4


def test_retries_are_bounded_and_the_error_says_what_to_do(loopback, source):
    loopback.route(path("DEAD"), loopback.answer("", 500))
    with pytest.raises(SourceError, match=r"chart/DEAD: HTTP 500 after 5 attempts; run it again later"):
        list(source.fetch(["DEAD"], START, END))
    assert len(loopback.times(path("DEAD"))) == 5


def test_rate_is_limited(loopback, hasty):
    loopback.route(path("RATE1"), chart("RATE1", AAPL))
    loopback.route(path("RATE2"), chart("RATE2", AAPL))
    list(Yahoo(base_url=loopback.url, backoff=hasty, per_second=20).fetch(["RATE1", "RATE2"], START, END))
    times = [request.at for request in loopback.requests]
    assert len(times) >= 6, "cookie, crumb, two time zones, two charts"
    assert times[-1] - times[0] >= (len(times) - 1) / 20 - 0.02


def test_nothing_but_loopback_is_asked(loopback, source, monkeypatch):
    loopback.route(path("AAPL"), chart("AAPL", AAPL))
    asked, plain = [], Session.request

    def note(session: Session, method: str, url: str, **options: Any) -> Any:
        asked.append(url)
        return plain(session, method, url, **options)

    monkeypatch.setattr(Session, "request", note)
    list(source.fetch(["AAPL"], START, END))
    assert asked
    assert all(url.startswith(loopback.url) for url in asked)


def test_the_library_keeps_its_own_way_with_exceptions(loopback, source):
    loopback.route(path("NOPE"), loopback.answer(UNKNOWN, 404))
    list(source.fetch(["NOPE"], START, END))
    assert yfinance.config.debug.hide_exceptions is True


def test_yahoo_spells_classes_of_shares_with_a_hyphen():
    assert [yahoo_symbol(s) for s in ("brk.b", "BF.A", "VOD.L", "AAPL")] == ["BRK-B", "BF-A", "VOD.L", "AAPL"]
