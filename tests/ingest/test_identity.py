"""Who a row is about: lines of one issuer, renames, tickers that changed hands."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nexus.db.engine import Database
from nexus.ingest.identity import UNKNOWN, Who, canonical
from nexus.ingest.listings import Evidence, listings, renames
from nexus.ingest.run import ingest_frames

Ask = Callable[..., list[tuple[Any, ...]]]
REFERENCE = pd.DataFrame(
    [
        ("FB", 1326801, "Facebook", "2012-05-18", "2022-06-09"),
        ("META", 1326801, "Meta", "2022-06-09", None),
        ("GOOG", 1652044, "Alphabet C", "2014-04-03", None),
        ("GOOGL", 1652044, "Alphabet A", "2014-04-03", None),
        ("BRK.B", 1067983, "Berkshire", "1996-05-09", None),
        ("XYZ", None, "the first XYZ", "1990-01-02", "2001-06-29"),
        ("XYZ", None, "the second XYZ", "2005-03-01", None),
    ],
    columns=["ticker", "cik", "name", "valid_from", "valid_to"],
)


@pytest.fixture(scope="module")
def known(database: Database) -> Database:
    ingest_frames(database, {"reference": REFERENCE}, "reference")
    return database


@pytest.fixture(scope="module")
def who(known: Database) -> Who:
    return Who.read(known)


def held(who: Who, *rows: tuple[str, str]) -> list[str | None]:
    frame = pd.DataFrame(rows, columns=["ticker", "day"])
    found = who.holders(frame["ticker"], pd.to_datetime(frame["day"]))
    return [who.identity.get(company) for company in found]


def test_a_rename_is_one_company(who: Who) -> None:
    assert set(held(who, ("FB", "2015-01-02"), ("META", "2023-01-03"))) == {"cik:1326801/FB"}


def test_lines_of_one_issuer_are_companies_of_their_own(who: Who) -> None:
    assert held(who, ("GOOG", "2020-01-02"), ("GOOGL", "2020-01-02")) == ["cik:1652044/GOOG", "cik:1652044/GOOGL"]


def test_a_ticker_that_changed_hands_is_another_company(who: Who) -> None:
    first, gone, second = held(who, ("XYZ", "2001-06-28"), ("XYZ", "2003-01-02"), ("XYZ", "2005-03-01"))
    assert first == gone == "symbol:XYZ@1990-01-02"
    assert second == "symbol:XYZ@2005-03-01"


def test_before_anyone_had_a_ticker_it_is_its_first_holders(who: Who) -> None:
    assert held(who, ("XYZ", "1980-01-02"), ("NOBODY", "2020-01-02")) == ["symbol:XYZ@1990-01-02", None]


def test_a_ticker_has_one_spelling(who: Who) -> None:
    assert canonical(" brk/b ") == "BRK-B"
    assert set(held(who, ("BRK.B", "2020-01-02"), ("BRK-B", "2020-01-02"), ("brk/b", "2020-01-02"))) == {
        "cik:1067983/BRK-B"
    }


def test_a_cik_settles_who_is_meant(who: Who) -> None:
    ticker = pd.Series(["GOOGL", None, "FB", "OLD", "XYZ", "GOOX", "XYZ", "FB"], dtype="str")
    cik = pd.Series([1652044, 1326801, 1652044, 1326801, np.nan, 1652044, 77, 77])
    found = who.companies(ticker, cik, date(2020, 1, 2))
    assert [who.identity.get(company) for company in found] == [
        "cik:1652044/GOOGL",
        "cik:1326801/FB",
        None,  # the ticker of another issuer
        "cik:1326801/FB",  # his only line, whatever the ticker
        "symbol:XYZ@2005-03-01",
        None,  # one of two lines, and nobody can say which
        "symbol:XYZ@2005-03-01",  # whose CIK nobody had told
        None,  # whose CIK is another
    ]


def test_issuer_facts_go_to_every_line(known: Database, ask: Ask) -> None:
    facts = pd.DataFrame(
        [
            ("GOOGL", None, "net_income", 7.0),
            (None, 1652044, "revenue", 9.0),
            ("GOOG", None, "eps", 1.0),
            ("GOOGL", None, "eps", 2.0),  # a line's own value is its own
        ],
        columns=["ticker", "cik", "field", "value"],
    ).assign(unit="USD", period_end="2020-03-31", known_at="2020-05-01T12:00:00Z")
    ingest_frames(known, {"fundamentals": facts}, "facts")
    found = ask(
        "SELECT field, identity, value FROM fundamentals JOIN entities ON entity_id = company_id "
        "WHERE source = 'facts' ORDER BY 1, 2"
    )
    assert found == [
        ("eps", "cik:1652044/GOOG", 1.0),
        ("eps", "cik:1652044/GOOGL", 2.0),
        ("net_income", "cik:1652044/GOOG", 7.0),
        ("net_income", "cik:1652044/GOOGL", 7.0),
        ("revenue", "cik:1652044/GOOG", 9.0),
        ("revenue", "cik:1652044/GOOGL", 9.0),
    ]


def test_the_same_reference_adds_nobody(known: Database, ask: Ask) -> None:
    before = ask("SELECT count(*) FROM entities")
    loaded = ingest_frames(known, {"reference": REFERENCE}, "reference")
    assert [one.inserted for one in loaded] == [0, 0]
    assert ask("SELECT count(*) FROM entities") == before


def test_a_rename_that_comes_later_continues_the_company(known: Database, ask: Ask) -> None:
    news = pd.DataFrame(
        [("META", 1326801, "2022-06-09", "2026-01-05"), ("MTX", 1326801, "2026-01-05", None)],
        columns=["ticker", "cik", "valid_from", "valid_to"],
    )
    ingest_frames(known, {"reference": news}, "news")
    assert held(Who.read(known), ("MTX", "2026-02-02")) == ["cik:1326801/FB"]


def test_a_member_nobody_knew_becomes_a_company(known: Database, ask: Ask) -> None:
    members = pd.DataFrame({"universe": "U", "ticker": ["NEWCO", "META"], "valid_from": "2023-01-03"})
    loaded = ingest_frames(known, {"universe": members}, "members")
    assert [(one.table, one.inserted) for one in loaded] == [("universe_members", 2), ("symbols", 1)]
    assert held(Who.read(known), ("NEWCO", "2023-01-03")) == ["symbol:NEWCO@2023-01-03"]


def test_spells_of_one_company_that_touch_are_one(known: Database, ask: Ask) -> None:
    members = pd.DataFrame(
        [("FB", "2013-12-23", "2022-06-09"), ("META", "2022-06-09", None), ("XYZ", "2006-01-03", "2007-01-03"),
         ("XYZ", "2009-01-05", None)],
        columns=["ticker", "valid_from", "valid_to"],
    ).assign(universe="INDEX")  # fmt: skip
    ingest_frames(known, {"universe": members}, "index")
    found = ask(
        "SELECT identity, valid_from, max(valid_to) FROM universe_members JOIN entities ON entity_id = company_id "
        "WHERE source = 'index' GROUP BY 1, 2 ORDER BY 1, 2"
    )
    assert found == [
        ("cik:1326801/FB", date(2013, 12, 23), None),
        ("symbol:XYZ@2005-03-01", date(2006, 1, 3), date(2007, 1, 3)),
        ("symbol:XYZ@2005-03-01", date(2009, 1, 5), None),
    ]


def test_nobody_is_known_to_an_empty_database() -> None:
    nothing = np.zeros(0, np.int64)
    who = Who(pd.Index([], dtype="str"), np.zeros(1, np.int64), nothing, nothing, nothing, nothing, {})
    assert who.holders(pd.Series(["A"]), date(2020, 1, 2)).tolist() == [UNKNOWN]


@pytest.fixture(scope="module")
def spells() -> pd.DataFrame:
    """Listings of a few tickers whose story is known."""
    day = pd.Timestamp
    issuers = [("META", 1326801, "Meta"), ("TT", 1466258, "Trane"), ("IR", 1699150, "Ingersoll"),
               ("DELL", 1571996, "Dell"), ("AXON", 1069183, "Axon"), ("FISV", 798354, "Fiserv"),
               ("GOOG", 1652044, "Alphabet"), ("GOOGL", 1652044, "Alphabet")]  # fmt: skip
    members = [("FB", "2013-12-23", "2022-06-09"), ("META", "2022-06-09", None), ("TT", "2002-05-13", "2008-06-06"),
               ("TT", "2020-03-03", None), ("IR", "2010-11-17", None), ("DELL", "1996-09-06", "2013-10-29"),
               ("DELL", "2024-09-23", None)]  # fmt: skip
    bars = [("META", "2012-05-18"), ("TT", "2005-01-03"), ("IR", "2017-05-12"), ("DELL", "2016-08-17"),
            ("AXON", "2005-01-03"), ("FI", "2005-01-03"), ("GOOGL", "2005-01-03")]  # fmt: skip
    return listings(
        Evidence(
            pd.DataFrame(issuers, columns=["ticker", "cik", "name"]).assign(as_of=day("2026-07-02")),
            pd.DataFrame(members, columns=["ticker", "valid_from", "valid_to"]).astype(
                {"valid_from": "datetime64[us]", "valid_to": "datetime64[us]"}
            ),
            pd.DataFrame(bars, columns=["ticker", "first"]).assign(
                first=lambda row: pd.to_datetime(row["first"]), label=day("2024-03-08"), opening=day("2005-01-03")
            ),
        )
    )


@pytest.mark.parametrize(
    ("ticker", "day", "identity"),
    [
        ("FB", "2015-01-02", "cik:1326801/META"),
        ("META", "2023-01-03", "cik:1326801/META"),
        ("TT", "2005-01-03", "symbol:TT@2002-05-13"),  # the former Trane
        ("TT", "2021-01-04", "cik:1466258/TT"),
        ("IR", "2015-01-02", "cik:1466258/TT"),
        ("IR", "2021-01-04", "cik:1699150/IR"),
        ("GDI", "2018-01-02", "cik:1699150/IR"),
        ("DELL", "2010-01-04", "symbol:DELL@1996-09-06"),  # the bars begin after it had left
        ("DELL", "2024-10-01", "cik:1571996/DELL"),
        ("AXON", "2018-01-02", "symbol:AXON@1996-01-02"),
        ("TASR", "2010-01-04", "cik:1069183/AXON"),
        ("FISV", "2010-01-04", "cik:798354/FISV"),
        ("FI", "2024-03-08", "cik:798354/FISV"),
        ("FI", "2018-01-02", "symbol:FI@1996-01-02"),
        ("FISV", "2026-01-02", "cik:798354/FISV"),
        ("GOOG", "2010-01-04", "cik:1652044/GOOGL"),  # the only class there was
        ("GOOG", "2020-01-02", "cik:1652044/GOOG"),
    ],
)
def test_listings_know_who_had_a_ticker(spells: pd.DataFrame, ticker: str, day: str, identity: str) -> None:
    on = pd.Timestamp(day)
    mine = spells[(spells["ticker"] == ticker) & (spells["valid_from"] <= on)]
    assert mine[~(mine["valid_to"] <= on)]["identity"].tolist() == [identity]


def test_no_two_companies_have_a_ticker_at_once(spells: pd.DataFrame) -> None:
    ordered = spells.sort_values(["ticker", "valid_from"])
    following = ordered.groupby("ticker")["valid_from"].shift(-1)
    assert (ordered["valid_to"] <= following)[following.notna()].all()


def test_the_reviewed_renames_are_sound() -> None:
    changes = renames()
    assert not changes.duplicated(["new", "date"]).any()
    assert not changes[changes["old"] != ""].duplicated(["old", "date"]).any()
    assert (changes["old"] != changes["new"]).all()
    assert changes.loc[changes["old"] == "", "reused"].all()  # else the row would say nothing
    assert changes["date"].between("1996-01-02", "2026-07-02").all()
