"""Every class of bad row, through real files into the real database: the reason, the row, and the rest goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from nexus.db.engine import Database
from nexus.errors import InputError
from nexus.ingest.run import exit_status, ingest_file

Write = Callable[..., Path]
Ask = Callable[..., list[tuple[Any, ...]]]

BAR = {"ticker": "ALPH", "date": "2020-03-02", "open": 10, "high": 12, "low": 9, "close": 11, "volume": 100}
FACT = {
    "ticker": "ALPH", "field": "net_income", "unit": "USD", "period_start": "2020-01-01",
    "period_end": "2020-03-31", "value": 5, "known_at": "2020-05-01T20:00:00Z",
}  # fmt: skip
MEMBER = {"universe": "U", "ticker": "ALPH", "valid_from": "2020-01-02", "valid_to": None}
LEVEL = {"series": "X", "date": "2020-03-02", "value": 1}
ACTION = {"ticker": "ALPH", "ex_date": "2020-03-02", "kind": "split", "value": 2}
EVENT = {"ticker": "ALPH", "event_type": "news", "event_date": "2020-03-02", "payload": '{"a": 1}'}
EDGE = {
    "src_kind": "fund",
    "src": "F",
    "relation": "holds",
    "dst_kind": "company",
    "dst": "ALPH",
    "valid_from": "2020-03-02",
}

CASES = [
    ("prices", BAR, {"close": "eleven"}, "wrong type", "close eleven is no number"),
    ("prices", BAR, {"date": "2nd of March"}, "wrong type", "date 2nd of March is no date"),
    ("prices", BAR, {"date": "2020-03-02T09:30:00"}, "wrong type", "is no date"),
    ("prices", BAR, {"close": "inf"}, "wrong type", "write a finite decimal number"),
    ("prices", BAR, {"ticker": None}, "missing value", "ticker is empty"),
    ("prices", BAR, {"date": None}, "missing value", "date is empty"),
    ("prices", BAR, {"close": None}, "missing value", "close is empty"),
    ("prices", BAR, {"low": -9}, "negative price", "low is -9"),
    ("prices", BAR, {"open": 0}, "zero price", "open is 0"),
    ("prices", BAR, {"volume": -1}, "negative volume", "volume is -1"),
    ("prices", BAR, {"high": 8}, "high below low", "high 8"),
    ("prices", BAR, {"open": 13}, "price outside its range", "open 13"),
    ("prices", BAR, {"ticker": "NOBODY"}, "unknown ticker", "ticker NOBODY"),
    ("prices", BAR, {"date": "2020-03-01"}, "no session", "date 2020-03-01"),
    ("prices", BAR, {"date": "2099-03-02"}, "future date", "date 2099-03-02"),
    ("prices", BAR, {"known_at": "2020-03-02T20:59:59Z"}, "known before its period ends", "before the close"),
    ("fundamentals", FACT, {"known_at": "2020-03-31T20:00:00Z"}, "known before its period ends", "2020-03-31 was over"),
    ("fundamentals", FACT, {"period_end": "2099-03-31"}, "future date", "period_end 2099-03-31"),
    ("fundamentals", FACT, {"known_at": "2099-03-31T20:00:00Z"}, "future date", "2099-03-31"),
    ("fundamentals", FACT, {"period_start": "2020-04-01"}, "period ends before it starts", "2020-04-01 is after"),
    ("fundamentals", FACT, {"ticker": None}, "missing value", "neither ticker nor cik"),
    ("fundamentals", FACT, {"cik": 10.5}, "wrong type", "cik 10.5 is no integer"),
    ("benchmarks", LEVEL, {"known_at": "2020-03-02T20:00:00Z"}, "known before its period ends", "before the close"),
    ("benchmarks", LEVEL, {"value": None}, "missing value", "value is empty"),
    ("universe", MEMBER, {"valid_to": "2019-12-31"}, "spell ends before it begins", "valid_to 2019-12-31"),
    ("universe", MEMBER, {"valid_from": "2099-01-02"}, "future date", "after now"),
    ("actions", ACTION, {"kind": "merger"}, "unknown kind", "kind merger"),
    ("actions", ACTION, {"value": 0}, "impossible value", "0 new shares"),
    ("actions", ACTION, {"kind": "delisting", "value": -30}, "impossible value", "write -0.3"),
    ("actions", ACTION, {"ex_date": "2099-03-02"}, "future date", "give the known_at"),
    ("events", EVENT, {"payload": "[1]"}, "wrong type", "write a JSON object"),
    ("events", EVENT, {"event_date": "2099-03-02"}, "future date", "2099-03-02"),
    ("relations", EDGE, {"dst": "NOBODY"}, "unknown ticker", "dst NOBODY"),
    ("relations", EDGE, {"src_kind": "person"}, "unknown kind", "src_kind person"),
    ("relations", EDGE, {"src_kind": "company", "src": "ALPH"}, "edge to itself", "ALPH and ALPH"),
]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize(("kind", "good", "change", "reason", "told"), CASES)
def test_a_bad_row_is_kept_with_its_reason_and_the_good_one_is_taken(
    companies: Database, write: Write, ask: Ask, request: pytest.FixtureRequest,
    suffix: str, kind: str, good: dict[str, object], change: dict[str, object], reason: str, told: str,
) -> None:  # fmt: skip
    source = request.node.callspec.id
    rows = pd.DataFrame([good | change, good])  # the bad one first: it must not take the good one with it
    for name in rows:  # a column of mixed types is text, as in any file
        if rows[name].dtype == object:
            rows[name] = [None if value is None or value != value else str(value) for value in rows[name]]
    loaded = ingest_file(companies, kind, write(f"rows.{suffix}", rows), source=source)
    found = ask("SELECT row_number, reason, detail, row_text FROM rejected_rows WHERE source = :s", s=source)
    assert [(number, why) for number, why, *_ in found] == [(1, reason)]
    assert told in found[0][2]
    changed = next(iter(change.values()))
    assert changed is None or str(changed) in found[0][3]
    assert (loaded[-1].rejected or loaded[0].rejected) == 1
    assert sum(one.inserted for one in loaded) == 1
    assert exit_status(loaded) == 1


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_of_contradicting_rows_none_is_taken_and_of_equal_ones_one(
    companies: Database, write: Write, ask: Ask, suffix: str
) -> None:
    source = f"duplicates {suffix}"
    rows = pd.DataFrame([BAR, BAR | {"close": 11.5}, BAR | {"date": "2020-03-03"}, BAR | {"date": "2020-03-03"}])
    loaded = ingest_file(companies, "prices", write(f"rows.{suffix}", rows), source=source)
    assert (loaded[0].inserted, loaded[0].duplicates, loaded[0].rejected) == (1, 1, 2)
    found = ask("SELECT row_number, reason FROM rejected_rows WHERE source = :s ORDER BY 1", s=source)
    assert found == [(1, "contradicting duplicate"), (2, "contradicting duplicate")]


def test_a_truncated_parquet_file_is_quarantined_whole(companies: Database, write: Write, ask: Ask) -> None:
    path = write("cut.parquet", pd.DataFrame([BAR]))
    path.write_bytes(path.read_bytes()[:-40])
    loaded = ingest_file(companies, "prices", path)
    assert ask("SELECT row_number, reason FROM rejected_rows WHERE source = 'cut'") == [
        (None, "truncated Parquet file")
    ]
    assert exit_status(loaded) == 1
    ingest_file(companies, "prices", path)
    assert len(ask("SELECT FROM rejected_rows WHERE source = 'cut'")) == 1  # said once
    mended = write("cut.parquet", pd.DataFrame([BAR]))
    assert ingest_file(companies, "prices", mended)[0].inserted == 1


def test_a_csv_in_another_encoding_is_quarantined_whole(companies: Database, tmp_path: Path, ask: Ask) -> None:
    path = tmp_path / "latin.csv"
    path.write_bytes("ticker,event_type,event_date,title\nALPH,news,2020-03-02,Köln\n".encode("latin-1"))
    assert exit_status(ingest_file(companies, "events", path)) == 1
    [(reason, detail)] = ask("SELECT reason, detail FROM rejected_rows WHERE source = 'latin'")
    assert reason == "wrong encoding"
    assert "byte 0xf6" in detail


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("ticker,date\nALPH,2020-03-02\n", "missing column"),
        ("ticker,date,close,close\nALPH,2020-03-02,1,1\n", "repeated column"),
        ("", "unreadable CSV"),
    ],
)
def test_a_file_without_the_columns_is_quarantined_whole(
    companies: Database, write: Write, ask: Ask, text: str, reason: str
) -> None:
    ingest_file(companies, "prices", write("odd.csv", text), source=reason)
    assert ask("SELECT row_number, reason FROM rejected_rows WHERE source = :s", s=reason) == [(None, reason)]


def test_a_line_with_too_many_fields_is_kept_and_later_rows_keep_their_numbers(
    companies: Database, write: Write, ask: Ask
) -> None:
    text = "ticker,date,close\nALPH,2020-03-02,1\nALPH,2020-03-03,1,000\nALPH,2020-03-04,-1\n"
    ingest_file(companies, "prices", write("fields.csv", text))
    found = ask("SELECT row_number, reason, row_text FROM rejected_rows WHERE source = 'fields' ORDER BY 1")
    assert found == [
        (2, "wrong number of fields", "ALPH,2020-03-03,1,000"),
        (3, "negative price", "ALPH,2020-03-04,-1"),
    ]


def test_a_ticker_called_na_is_a_ticker(companies: Database, write: Write, ask: Ask) -> None:
    ingest_file(companies, "prices", write("na.csv", "ticker,date,close\nNA,2020-03-02,1\n"))
    assert ask("SELECT reason, row_text FROM rejected_rows WHERE source = 'na'") == [
        ("unknown ticker", "NA,2020-03-02,1")
    ]


def test_unknown_kinds_and_absent_files_are_refused(companies: Database, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="kind bonds: unknown; there are reference"):
        ingest_file(companies, "bonds", tmp_path / "x.csv")
    with pytest.raises(InputError, match="not found"):
        ingest_file(companies, "prices", tmp_path / "x.csv")
