"""The rules of each kind: when a row is known, what is derived from it, what its key is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nexus.db.engine import Database
from nexus.errors import InputError
from nexus.ingest.run import ingest_file, ingest_frames

Write = Callable[..., Path]
Ask = Callable[..., list[tuple[Any, ...]]]


def at(day: str, hour: int = 0, minute: int = 0) -> datetime:
    return datetime.combine(date.fromisoformat(day), datetime.min.time(), UTC).replace(hour=hour, minute=minute)


def test_a_price_is_known_at_the_close_of_its_session(companies: Database, write: Write, ask: Ask) -> None:
    text = "ticker,date,close\nALPH,2020-01-02,1\nALPH,2020-07-02,1\nALPH,2020-11-27,1\n"
    ingest_file(companies, "prices", write("closes.csv", text))
    found = ask("SELECT known_at FROM prices WHERE source = 'closes' ORDER BY session")
    winter, summer, short = at("2020-01-02", 21), at("2020-07-02", 20), at("2020-11-27", 18)
    assert [row[0] for row in found] == [winter, summer, short]


def test_dividends_are_read_off_the_adjusted_close(companies: Database, write: Write, ask: Ask) -> None:
    days = pd.bdate_range("2021-03-01", periods=6)
    close = np.array([50.0, 51.0, 50.5, 49.0, 50.0, 50.0])
    paid = np.array([0, 0, 0.5, 0, 0, 1.25])  # on the ex-date
    kept = 1 - paid[1:] / close[:-1]
    factor = np.append(np.cumprod(kept[::-1])[::-1], 1.0)
    bars = pd.DataFrame({"ticker": "ALPH", "date": days, "close": close, "adj_close": close * factor})
    other = bars.assign(ticker="BETA", close=900.0, adj_close=900.0)  # no dividend between two companies
    rows = pd.concat([bars, other]).astype({"close": "float32", "adj_close": "float32"})
    loaded = ingest_file(companies, "prices", write("paid.parquet", rows.iloc[::-1]))
    assert [(one.table, one.inserted) for one in loaded] == [("prices", 12), ("corporate_actions", 2)]
    found = ask("SELECT ex_date, kind, value, known_at FROM corporate_actions WHERE source = 'paid' ORDER BY 1")
    assert [row[:2] for row in found] == [(date(2021, 3, 3), "dividend"), (date(2021, 3, 8), "dividend")]
    assert [row[2] for row in found] == pytest.approx([0.5, 1.25], abs=1e-4)
    assert found[0][3] == at("2021-03-03")


def test_an_adjusted_close_in_cents_pays_no_dividends(companies: Database, write: Write) -> None:
    days = pd.bdate_range("2022-03-01", periods=60)
    close = np.round(3 + np.sin(np.arange(60)), 2)
    rows = pd.DataFrame({"ticker": "ALPH", "date": days, "close": close, "adj_close": np.round(close * 0.7, 2)})
    assert ingest_file(companies, "prices", write("cents.csv", rows))[1].inserted == 0


def test_an_adjusted_close_that_falls_behind_is_a_reject(companies: Database, write: Write, ask: Ask) -> None:
    text = "ticker,date,close,adj_close\nALPH,2020-03-02,10,10\nALPH,2020-03-03,10,9.5\n"
    loaded = ingest_file(companies, "prices", write("forwards.csv", text))
    assert [one.rejected for one in loaded] == [0, 1]
    assert ask("SELECT row_number, reason FROM rejected_rows WHERE source = 'forwards'") == [(2, "negative dividend")]


def test_bars_that_contradict_one_another_pay_nothing(companies: Database, write: Write, ask: Ask) -> None:
    text = (
        "ticker,date,close,adj_close\nALPH,2020-03-02,10,9\nALPH,2020-03-03,10,9.5\nALPH,2020-03-03,10,9\n"
        "ALPH,2020-03-04,10,10\nALPH,2020-03-04,10,10\n"
    )
    ingest_file(companies, "prices", write("unsure.csv", text))
    found = ask("SELECT ex_date, value FROM corporate_actions WHERE source = 'unsure'")
    assert found == [(date(2020, 3, 4), pytest.approx(1.0))]


def test_prices_of_another_basis_are_another_source(companies: Database, write: Write, ask: Ask) -> None:
    text = "ticker,date,close,basis\nALPH,2020-03-02,{},{}\n"
    ingest_file(companies, "prices", write("a.csv", text.format(10, "2020-06-01")), source="vendor")
    ingest_file(companies, "prices", write("b.csv", text.format(5, "2021-06-01")), source="vendor")
    found = ask(
        "SELECT source, basis, close FROM prices JOIN sources USING (source) WHERE source ~ '^vendor' ORDER BY 1"
    )
    assert found == [("vendor@2020-06-01", date(2020, 6, 1), 10.0), ("vendor@2021-06-01", date(2021, 6, 1), 5.0)]


def test_a_file_has_one_basis(companies: Database, write: Write) -> None:
    text = "ticker,date,close,basis\nALPH,2020-03-02,1,2020-06-01\nALPH,2020-03-03,1,2021-06-01\n"
    with pytest.raises(InputError, match="one date for the whole file"):
        ingest_file(companies, "prices", write("two.csv", text))


def test_actions_are_known_on_their_day_or_ahead(companies: Database, write: Write, ask: Ask) -> None:
    text = (
        "ticker,ex_date,kind,value,known_at\nALPH,2020-03-02,split,2,\nALPH,2020-04-01,dividend,0.1,2020-02-03T12:00:00Z\n"
        "ALPH,2020-05-01,delisting,-0.3,\nBETA,2098-01-02,dividend,0.1,2020-02-03T12:00:00Z\n"
    )
    assert ingest_file(companies, "actions", write("acts.csv", text))[0].inserted == 4
    found = ask("SELECT known_at FROM corporate_actions WHERE source = 'acts' ORDER BY ex_date")
    assert [row[0] for row in found] == [
        at("2020-03-02"), at("2020-02-03", 12), at("2020-05-02"), at("2020-02-03", 12),
    ]  # fmt: skip


def test_a_date_without_a_time_is_the_next_midnight(companies: Database, write: Write, ask: Ask) -> None:
    text = (
        "ticker,field,unit,period_end,value,known_at\nALPH,assets,USD,2020-03-31,1,2020-05-01\n"
        "BETA,assets,USD,2020-03-31,1,2020-05-01T16:30:00-04:00\n"
    )
    ingest_file(companies, "fundamentals", write("dates.csv", text))
    query = "SELECT known_at FROM fundamentals WHERE source = :s ORDER BY company_id"
    assert ask(query, s="dates") == [(at("2020-05-02"),), (at("2020-05-01", 20, 30),)]
    rows = pd.DataFrame({"ticker": "ALPH", "field": "assets", "unit": "USD", "value": 1.0,
                         "period_end": [date(2020, 3, 31)], "known_at": [date(2020, 5, 1)]})  # fmt: skip
    ingest_file(companies, "fundamentals", write("days.parquet", rows))
    assert ask(query, s="days") == [(at("2020-05-02"),)]


def test_an_instant_may_be_told_on_its_day_and_a_flow_may_not(companies: Database, write: Write, ask: Ask) -> None:
    text = (
        "ticker,field,unit,period_start,period_end,value,known_at\n"
        "ALPH,shares,shares,,2020-03-31,1,2020-03-31T12:00:00Z\n"
        "ALPH,revenue,USD,2020-01-01,2020-03-31,1,2020-03-31T12:00:00Z\n"
    )
    loaded = ingest_file(companies, "fundamentals", write("told.csv", text))
    assert (loaded[0].inserted, loaded[0].rejected) == (1, 1)
    assert ask("SELECT field, period_start FROM fundamentals WHERE source = 'told'") == [("shares", date(2020, 3, 31))]


def test_a_fundamental_without_known_at_is_known_from_its_load(companies: Database, write: Write, ask: Ask) -> None:
    text = "ticker,field,unit,period_end,value\nALPH,assets,USD,2010-03-31,1\n"
    ingest_file(companies, "fundamentals", write("undated.csv", text))
    [(known_at, opened_at)] = ask(
        "SELECT known_at, opened_at FROM fundamentals JOIN loads USING (load_id) WHERE fundamentals.source = 'undated'"
    )
    assert 0 <= (opened_at - known_at).total_seconds() < 60


def test_the_end_of_a_spell_is_a_vintage_of_its_own(companies: Database, write: Write, ask: Ask) -> None:
    text = "universe,ticker,valid_from,valid_to\nU,ALPH,2010-01-04,2015-06-30\nU,BETA,2010-01-04,\n"
    ingest_file(companies, "universe", write("spells.csv", text))
    found = ask(
        "SELECT name, known_at, valid_to FROM universe_members JOIN entities ON entity_id = company_id "
        "WHERE source = 'spells' ORDER BY 1, 2"
    )
    assert found == [
        ("Alpha", at("2010-01-05"), None),
        ("Alpha", at("2015-07-01"), date(2015, 6, 30)),
        ("Beta", at("2010-01-05"), None),
    ]


def test_vintages_of_a_spell_may_be_told_one_by_one(companies: Database, write: Write, ask: Ask) -> None:
    head = "src_kind,src,relation,dst_kind,dst,valid_from,valid_to,weight,known_at\n"
    edge = "fund,Fund One,holds,company,ALPH,2020-01-02,"
    text = (
        f"{head}{edge},1,2020-01-03T00:00:00Z\n{edge},2,2020-02-03T00:00:00Z\n{edge}2020-03-02,2,2020-03-03T00:00:00Z\n"
    )
    ingest_file(companies, "relations", write("vintages.csv", text))
    found = ask("SELECT known_at, valid_to, weight FROM relations WHERE source = 'vintages' ORDER BY 1")
    assert found == [
        (at("2020-01-03"), None, 1.0),
        (at("2020-02-03"), None, 2.0),
        (at("2020-03-03"), date(2020, 3, 2), 2.0),
    ]
    kinds = ask("SELECT e.kind FROM relations JOIN entities e ON entity_id = src_id WHERE source = 'vintages'")
    assert set(kinds) == {("fund",)}


def test_a_spell_known_late_ends_when_it_ended(companies: Database, write: Write, ask: Ask) -> None:
    head = "src_kind,src,relation,dst_kind,dst,valid_from,valid_to,known_at\n"
    text = (
        f"{head}company,ALPH,supplies,company,BETA,2020-01-02,2020-12-31,2020-03-02T00:00:00Z\n"
        "company,BETA,supplies,company,ALPH,2020-01-02,2020-12-31,2021-03-02T00:00:00Z\n"
    )
    ingest_file(companies, "relations", write("late.csv", text))
    found = ask(
        "SELECT name, known_at, valid_to FROM relations JOIN entities ON entity_id = src_id "
        "WHERE source = 'late' ORDER BY 1, 2"
    )
    assert found == [
        ("Alpha", at("2020-03-02"), None),
        ("Alpha", at("2021-01-01"), date(2020, 12, 31)),
        ("Beta", at("2021-03-02"), date(2020, 12, 31)),
    ]


def test_events_may_be_known_before_their_day(companies: Database, write: Write, ask: Ask) -> None:
    text = (
        "ticker,cik,event_type,event_date,known_at,event_id\nALPH,,split,2098-01-02,2020-01-02T12:00:00Z,a\n"
        "ALPH,,news,2020-01-02,,b\n,103,8-K:2.02,2020-01-02,,c\nGAM-A,,tweet,2020-01-02,,d\n"
    )
    ingest_file(companies, "events", write("happened.csv", text))
    found = ask(
        "SELECT identity, event_type, known_at FROM events JOIN entities ON entity_id = company_id "
        "WHERE source = 'happened' ORDER BY 2, 1"
    )
    assert found == [
        ("cik:103/GAM-A", "8-K:2.02", at("2020-01-03")),  # by CIK: to each line
        ("cik:103/GAM-B", "8-K:2.02", at("2020-01-03")),
        ("cik:101/ALPH", "news", at("2020-01-03")),
        ("cik:101/ALPH", "split", at("2020-01-02", 12)),
        ("cik:103/GAM-A", "tweet", at("2020-01-03")),  # by ticker: to that line
    ]


def test_an_event_without_an_id_is_what_it_says(companies: Database, write: Write) -> None:
    rows = "ticker,event_type,event_date,title,payload\nALPH,news,2020-01-02,{},\nALPH,news,2020-01-02,two,\n"
    first = ingest_file(companies, "events", write("one.csv", rows.format("one")), source="said")
    again = ingest_file(companies, "events", write("two.csv", rows.format("three")), source="said")
    assert [one[0].inserted for one in (first, again)] == [2, 1]


def test_benchmarks_are_known_at_the_close_or_the_next_midnight(companies: Database, write: Write, ask: Ask) -> None:
    text = "series,date,value\nX,2020-01-02,1\nX,2020-01-04,2\n"
    ingest_file(companies, "benchmarks", write("levels.csv", text))
    found = ask("SELECT known_at FROM benchmarks WHERE source = 'levels' ORDER BY session")
    assert found == [(at("2020-01-02", 21),), (at("2020-01-05"),)]


def test_classes_are_of_companies_that_are_there(companies: Database, write: Write, ask: Ask) -> None:
    text = (
        "ticker,cik,name,valid_from,scheme,code\nDELT,104,Delta,2001-01-02,,\nDELT,104,,2001-01-02,GICS,Energy\n"
        "NOBODY,,,2001-01-02,GICS,Energy\n"
    )
    loaded = ingest_file(companies, "reference", write("classes.csv", text))
    assert [(one.table, one.inserted, one.rejected) for one in loaded] == [("symbols", 1, 0), ("classifications", 1, 1)]
    assert ask("SELECT code FROM classifications WHERE source = 'classes'") == [("Energy",)]


def test_frames_come_in_any_order_and_with_categories(companies: Database, ask: Ask) -> None:
    frames = {
        "prices": pd.DataFrame({"ticker": ["EPSI"], "date": ["2020-03-02"], "close": [1]}),
        "universe": pd.DataFrame({"universe": ["U"], "ticker": ["EPSI"], "valid_from": ["2020-03-02"]}),
        "reference": pd.DataFrame({"ticker": ["EPSI"], "cik": [105], "valid_from": ["2020-03-02"]}),
    }
    frames = {kind: frame.astype({"ticker": "category"}) for kind, frame in frames.items()}
    loaded = ingest_frames(companies, frames, "frames")
    assert sum(one.rejected for one in loaded) == 0
    assert ask("SELECT identity FROM prices JOIN entities ON entity_id = company_id WHERE source = 'frames'") == [
        ("cik:105/EPSI",)
    ]
