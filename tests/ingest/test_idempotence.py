"""The same load twice changes nothing; what was rejected is tried again; files are applied once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sqlalchemy import text

from nexus.db.engine import Database
from nexus.ingest.run import exit_status, ingest_file, ingest_frames

Write = Callable[..., Path]
Ask = Callable[..., list[tuple[Any, ...]]]
FACTS = ("symbols", "classifications", "universe_members", "prices", "corporate_actions", "fundamentals", "events",
         "relations", "benchmarks")  # fmt: skip
FILES = {
    "reference": (
        "ticker,cik,name,valid_from,valid_to,scheme,code\nALPH,101,Alpha,2000-01-03,,,\nALPH,,,2000-01-03,,S,c\n"
    ),
    "universe": (
        "universe,ticker,valid_from,valid_to\nU,ALPH,2001-01-02,2010-01-04\nU,BETA,2001-01-02,\nU,NEW,2001-01-02,\n"
    ),
    "prices": "ticker,date,close,adj_close\nALPH,2020-03-02,10,9.5\nALPH,2020-03-03,9.5,9.5\nBETA,2020-03-02,-1,1\n",
    "actions": "ticker,ex_date,kind,value\nALPH,2020-03-02,split,2\n",
    "fundamentals": "cik,field,unit,period_end,value,known_at\n103,assets,USD,2020-03-31,5,2020-05-01\n",
    "events": "ticker,event_type,event_date,title\nALPH,news,2020-03-02,x\nALPH,news,2020-03-02,x\n",
    "relations": (
        "src_kind,src,relation,dst_kind,dst,valid_from,valid_to\nfund,F,holds,company,ALPH,2020-01-02,2020-03-02\n"
    ),
    "benchmarks": "series,date,value\nX,2020-03-02,1\n",
}


def counts(database: Database) -> dict[str, int]:
    with database.read() as connection:
        return {name: connection.scalar(text(f"SELECT count(*) FROM {name}")) for name in (*FACTS, "rejected_rows")}


@pytest.mark.parametrize("kind", FILES)
def test_a_file_twice_changes_nothing_and_says_so(companies: Database, write: Write, kind: str) -> None:
    path = write(f"{kind}.csv", FILES[kind])
    first = ingest_file(companies, kind, path)
    assert sum(one.inserted for one in first) > 0
    before = counts(companies)
    again = ingest_file(companies, kind, path)
    assert all(one.already and one.inserted == 0 for one in again)
    assert counts(companies) == before


@pytest.mark.parametrize("kind", FILES)
def test_the_same_rows_from_another_file_change_nothing(companies: Database, write: Write, kind: str) -> None:
    ingest_file(companies, kind, write(f"{kind}.csv", FILES[kind]), source=f"again {kind}")
    before = {name: n for name, n in counts(companies).items() if name in FACTS}
    again = ingest_file(companies, kind, write(f"{kind}2.csv", FILES[kind] + "\n"), source=f"again {kind}")
    assert sum(one.inserted for one in again) == 0
    assert sum(one.unchanged for one in again) > 0
    assert {name: n for name, n in counts(companies).items() if name in FACTS} == before


def test_a_changed_value_is_a_vintage_and_the_old_file_does_not_flip_it_back(
    companies: Database, write: Write, ask: Ask
) -> None:
    rows = "ticker,date,close\nALPH,2020-03-02,{}\n"
    a, b = write("a.csv", rows.format(10)), write("b.csv", rows.format(11))
    for path in (a, b, a):
        ingest_file(companies, "prices", path, source="flip")
    found = ask(
        "SELECT close, known_at, opened_at FROM prices p JOIN loads USING (load_id) WHERE p.source = 'flip' ORDER BY 2"
    )
    assert [close for close, *_ in found] == [10.0, 11.0]
    assert found[1][1] == found[1][2]  # known when it was loaded, not when it should have been


def test_a_rejected_row_is_taken_once_its_company_is_known(companies: Database, write: Write, ask: Ask) -> None:
    text = "ticker,date,close,adj_close\nLATE,2020-03-02,10,9.5\nLATE,2020-03-03,10,10\nALPH,2020-03-02,10,10\n"
    path = write("retry.csv", text)
    assert ingest_file(companies, "prices", path)[0].rejected == 2
    ingest_frames(companies, {"reference": pd.DataFrame({"ticker": ["LATE"], "valid_from": ["2019-01-02"]})}, "late")
    again = ingest_file(companies, "prices", path)
    assert [(one.table, one.inserted, one.rejected) for one in again] == [("prices", 2, 0), ("corporate_actions", 1, 0)]
    assert ask("SELECT value FROM corporate_actions WHERE source = 'retry'") == [(pytest.approx(0.5),)]
    assert ask("SELECT count(*) FROM rejected_rows WHERE source = 'retry' AND resolved_load_id IS NULL") == [(0,)]
    assert all(one.already for one in ingest_file(companies, "prices", path))


def test_a_row_that_is_wrong_in_itself_is_not_tried_again(companies: Database, write: Write) -> None:
    path = write("wrong.csv", "ticker,date,close\nALPH,2020-03-02,-1\n")
    assert exit_status(ingest_file(companies, "prices", path)) == 1
    assert exit_status(ingest_file(companies, "prices", path)) == 0


def test_a_run_is_recorded_with_what_became_of_it(companies: Database, write: Write, ask: Ask) -> None:
    ingest_file(companies, "benchmarks", write("run.csv", FILES["benchmarks"]))
    [(command, ended, summary)] = ask(
        "SELECT command, finished_at IS NOT NULL, summary FROM ingest_runs ORDER BY started_at DESC LIMIT 1"
    )
    assert (command, ended) == ("ingest benchmarks run.csv", True)
    assert [(one["table"], one["inserted"]) for one in summary["loads"]] == [("benchmarks", 1)]
