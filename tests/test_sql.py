"""Everything under sql/: each question is asked of a database that has an answer, and the answer is checked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from ledger_rows import declaration, declare, look, looks, months
from made_rows import SUPPLY, edges, embedding, graph
from sqlalchemy import insert, text
from trading_rows import FILLED, OPENED, RUN, recorded, spec

from nexus.db import evening, ledger, paper, registry, runs, standing, tradable, views
from nexus.db.backtests import Traded
from nexus.db.engine import Database
from nexus.db.graph import UNDIRECTED
from nexus.db.graph_store import write_graphs
from nexus.db.load import SourceInfo, begin_run, ensure_source, load
from nexus.db.outputs import upsert
from nexus.db.questions import Answer, ask, titles
from nexus.db.rejects import Reject
from nexus.db.sessions import ensure_sessions
from nexus.db.tables import canaries

DAYS = np.arange("2019-12-01", "2021-02-01", dtype="datetime64[D]")


@pytest.fixture(scope="module")
def filled(database: Database) -> Database:
    """Three companies with prices from two sources, a restated fact, a rejected row, a ledger, trades."""
    _facts(database)
    _ledger(database)
    _trading(database)
    _graphs(database)
    return database


def _facts(database: Database) -> None:
    sessions = ensure_sessions(database, "XNYS", date(2023, 1, 31))
    days = DAYS[np.isin(DAYS, sessions.days)]
    with database.write() as connection:
        for name in ("A", "B", "C"):
            connection.execute(
                text("INSERT INTO entities (kind, identity, name) VALUES ('company', :n, :n)"), {"n": f"company {name}"}
            )
    run = begin_run(database, "test")
    ensure_source(database, SourceInfo("first", "reported", preference=1))
    ensure_source(database, SourceInfo("second", "reported", preference=2))
    for source, companies, factor in (("first", (1, 2), 1.0), ("second", (1,), 1.1)):
        bars = [(i, day, 10.0 * i * factor ** (at % 2), day) for i in companies for at, day in enumerate(days)]
        bad = [Reject(3, "negative price", "close is -1; drop the row", "A,-1")] if source == "first" else []
        _load(database, run, "prices", "company_id session close known_at", bars, source, bad)
    first, changed = days[0], days[100]
    spells = [("U", i, first, None, first) for i in (1, 2, 3)]
    _load(database, run, "universe_members", "universe company_id valid_from valid_to known_at", spells)
    names = [(1, "AAA", first, changed, changed), (1, "NEW", changed, None, changed)]
    _load(database, run, "symbols", "company_id ticker valid_from valid_to known_at", names)
    sectors = [(1, "GICS", first, None, "Energy", first)]
    _load(database, run, "classifications", "company_id scheme valid_from valid_to code known_at", sectors)
    told = [(1, "revenue", "USD", first, days[50], days[at], value) for at, value in ((60, 5.0), (90, 6.0))]
    _load(database, run, "fundamentals", "company_id field unit period_start period_end known_at value", told)


def _load(
    database: Database, run: Any, table: str, columns: str, rows: list[Any], source: str = "first", bad: Any = ()
) -> None:
    frame = pd.DataFrame(rows, columns=columns.split())
    for column in frame.columns.intersection(["session", "valid_from", "valid_to", "period_start", "period_end"]):
        frame[column] = pd.to_datetime(frame[column]).dt.date
    frame["known_at"] = pd.to_datetime(frame["known_at"]).dt.tz_localize("UTC")
    arrow = pa.Table.from_pandas(frame, preserve_index=False)
    load(database, run, table, arrow, source=source, file=None, rejects=bad, known_at_given=True)


def _ledger(database: Database) -> None:
    figures: dict[str, dict[str, Any]] = {
        "passes": {"gate_t": 6.0, "detectable_ic": 0.02, "gate_sd": 0.05},
        "barely": {"gate_t": 4.14, "detectable_ic": 0.02},
        "near": {"gate_t": 3.0},
        "wide": {"gate_t": 0.5, "null_low": -0.05, "null_high": 0.06, "months_03": 65.0},
        "tight": {"gate_t": 0.5, "null_low": -0.01, "null_high": 0.01},
    }
    made = declare(database, *(declaration(name) for name in figures))
    for hypothesis, changes in zip(made, figures.values(), strict=True):
        look(database, hypothesis, **changes)
    (fading,) = declare(database, declaration("fading"))
    looks(database, fading, [{"gate_t": 6.0}, {"gate_t": 3.5}])
    with database.write() as connection:
        (twin,) = ledger.declare(connection, [(declaration("twin"), made[0].hypothesis_no, -1)])
    look(database, twin)
    duplicate = [{"hypothesis_no": made[0].hypothesis_no, "signal": "passes", "rho": -0.95}]
    (alike,) = declare(database, declaration("alike"))
    look(database, alike, gate_t=1.0, near_duplicates=duplicate, null_low=-0.01, null_high=0.01)
    with database.write() as connection:
        given = {"version": "1", "code_hash": "code of passes", "params_hash": "none", "days": [], "load_id": 1}
        connection.execute(insert(canaries).values(factor="passes", passed=True, detail={"sentence": "fine"}, **given))
        found = standing.verdicts(connection)
        registry.upsert(connection, [registry.Signal.of(verdict, "price", {}) for verdict in found])


def _trading(database: Database) -> None:
    with database.read() as connection:
        chosen = {one.name: one for one in tradable.signals(connection, ["passes", "near"], exploratory=True)}
    passes, near = (Traded(s.evaluation_id, s.name, s.factor, s.version, 1.0) for s in chosen.values())
    number = recorded(database, passes, name="sound")
    recorded(database, passes, near, name="what if", reason="to see")
    with database.write() as connection:
        account = paper.open_account(connection, "evenings", number, spec("passes"), 100.0, RUN.first_session)
        evening.record(connection, account, OPENED)
    with database.write() as connection:
        evening.record(connection, account, FILLED)


def _graphs(database: Database) -> None:
    """Three snapshots, the last one built again; embeddings of two chunks; a run that was killed."""
    days = [date(2020, 1, 31), date(2020, 2, 14), date(2020, 2, 28)]
    closes = {day: datetime(day.year, day.month, day.day, 21, tzinfo=UTC) for day in days}
    with database.write() as connection:
        first = [graph(day, [1, 2, 3], {SUPPLY: edges([(1, 2), (1, 3)])}) for day in days]
        write_graphs(connection, first, builder="older", load_id=1, closes=closes)
        again = [graph(days[2], [1, 2], {SUPPLY: edges([(1, 2)], 0.5)})]
        write_graphs(connection, again, builder="newer", load_id=1, closes=closes)
        run = runs.begin_run(connection, runs.Run("HGT", "m", "code", {}, 1, "data", "A"))
        embedded = [
            embedding(company, day, closes[day], run, [1.0, company], chunk=chunk, trained_to=trained)
            for chunk, trained in ((0, days[0]), (1, days[1]))
            for day in days[chunk:]
            for company in (1, 2)
        ]
        upsert(connection, "node_embeddings", pd.DataFrame(embedded))


EXPECTED: dict[str, Callable[[list[dict[str, Any]]], bool]] = {
    "what_passed": lambda rows: [r["signal"] for r in rows] == ["passes", "twin", "barely", "fading"],
    "what_was_rejected": lambda rows: {r["signal"]: r["reason"] for r in rows}
    == {"wide": "time", "tight": "null", "alike": "null"},
    "candidates": lambda rows: [(r["signal"], r["reason"]) for r in rows] == [("near", "threshold")],
    "flips_if_m_doubles": lambda rows: [(r["signal"], r["status_at_twice_m"]) for r in rows]
    == [("fading", "retired")],
    "price_coverage_by_year": lambda rows: {r["year"]: (r["members"], r["priced"], r["enough"]) for r in rows}
    == {2019: (3, 2, False), 2020: (3, 2, False), 2021: (3, 2, False)},
    "prices_by_year": lambda rows: {(r["source"], r["year"]): r["companies"] for r in rows}
    == {("first", y): 2 for y in (2019, 2020, 2021)} | {("second", y): 1 for y in (2019, 2020, 2021)},
    "near_duplicates": lambda rows: [(r["signal"], r["resembles"], r["rho"], r["its_status"]) for r in rows]
    == [("alike", "passes", -0.95, "approved")],
    "same_hypotheses": lambda rows: [(r["first_called"], r["also_called"], r["sign"]) for r in rows]
    == [("passes", "twin", -1)],
    "looks_by_month": lambda rows: sum(r["evaluations"] for r in rows) == 9 and sum(r["looks"] for r in rows) == 8,
    "trials": lambda rows: [rows[0][c] for c in ("declared", "different", "m_raw", "looks")] == [8, 7, 9, 8]
    and rows[0]["head"].startswith("9:"),
    "detectable_ic": lambda rows: rows[0]["detectable_ic"] == 0.02 and len(rows) == 8,
    "disagreeing_prices": lambda rows: {(r["ticker"], r["what"]) for r in rows} == {("NEW", "step")},
    "restated_facts": lambda rows: (rows[0]["restated"], round(rows[0]["median_change"], 6)) == (1, 0.2),
    "rejected_rows": lambda rows: [(r["reason"], r["rows"]) for r in rows] == [("negative price", 1)],
    "registry_changes": lambda rows: len(rows) == 8 and {r["status_before"] for r in rows} == {None},
    "retest_due": lambda rows: {r["signal"]: r["waited_long_enough"] for r in rows}["wide"],
    "canaries": lambda rows: [(r["factor"], r["what"]) for r in rows] == [("passes", "fine")],
    "backtests": lambda rows: [(r["label"], r["name"], r["signals"], r["reason"]) for r in rows]
    == [("EXPLORATORY", "what if", "near, passes", "to see"), ("", "sound", "passes", None)]
    and rows[0]["net_sharpe"] == pytest.approx(0.2649 * 252**0.5, abs=1e-3),
    "traded_on_what": lambda rows: [(r["name"], r["signal"], (r["refused_today"] or "")[:9]) for r in rows]
    == [("what if", "near", "candidate"), ("what if", "passes", ""), ("sound", "passes", "")],
    "paper_accounts": lambda rows: [
        (r["name"], r["equity"], r["evenings"], r["open_orders"], r["fills"], r["lost_signals"]) for r in rows
    ]
    == [("evenings", 101.0, 2, 1, 1, None)],
    "graph_sizes_by_month": lambda rows: [
        (r["snapshot_date"], r["graph_version"], r["n_nodes"], r["n_edges"], r["edges"]) for r in rows
    ]
    == [(date(2020, 1, 31), "g.older@1", 3, 2, "supplies 2"), (date(2020, 2, 28), "g.newer@1", 2, 1, "supplies 1")],
    "edges_of_companies": lambda rows: [
        (r["company_id"], r["ticker"], r["edges"], r["goes_out"], r["comes_in"]) for r in rows
    ]
    == [(1, "NEW", 1, 1, 0), (2, None, 1, 0, 1)],
    "embeddings_coverage": lambda rows: [
        (r["chunk"], r["days"], r["days_out_of_sample"], r["companies"], r["dimensions"]) for r in rows
    ]
    == [(0, 3, 2, 2, 2), (1, 2, 1, 2, 2)],
    "runs_of_modules": lambda rows: [
        (r["runs"], r["at_work_or_killed"], r["tier"]) for r in rows if r["module"] == "HGT"
    ]
    == [(1, 1, "A")],
    "freshness": lambda rows: {r["table_name"] for r in rows if r["source"] == "first"} >= {"prices", "symbols"},
}  # fmt: skip


@pytest.mark.parametrize("name", views.queries())
def test_each_question_has_its_answer(filled: Database, name: str) -> None:
    answer: Answer = ask(name, filled)
    rows = [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]
    assert EXPECTED[name](rows), rows


def test_a_doubled_m_flips_what_barely_stands(filled: Database) -> None:
    with filled.read() as connection:
        p = connection.scalar(text("SELECT gate_p FROM standing WHERE signal = 'barely'"))
        m = int(0.4 / p)
        statuses = {v.signal: v.status for v in standing.verdicts(connection, m=m)}
        twice = {v.signal: v.status for v in standing.verdicts(connection, m=2 * m)}
    assert (statuses["barely"], twice["barely"], twice["passes"]) == ("approved", "retired", "approved")


def test_edges_that_hold_both_ways_are_one_figure() -> None:
    assert f"NOT IN {tuple(sorted(UNDIRECTED))}" in views.query("edges_of_companies")


def test_every_question_says_what_it_answers() -> None:
    assert all(title.endswith("?") for _, title in titles())
    assert len(titles()) >= 12


def test_every_view_can_be_read_by_research(filled: Database) -> None:
    with filled.read() as connection:
        for kind, name in views.names():
            if kind == "VIEW":
                connection.execute(text(f"SELECT * FROM {name} LIMIT 5")).all()


def test_companies_carry_their_present_name(filled: Database) -> None:
    with filled.read() as connection:
        rows = {r.company_id: r for r in connection.execute(text("SELECT * FROM companies"))}
    assert (rows[1].ticker, rows[1].name, rows[1].sector) == ("NEW", "company A", "Energy")
    assert rows[3].ticker is None


def test_symbols_on_a_day(filled: Database) -> None:
    with filled.read() as connection:
        found = connection.execute(
            text(
                "SELECT symbol_on(1, '2020-01-15'), symbol_on(1, '2021-01-15'), symbol_on(1, '2018-01-01'), "
                "company_of('AAA', '2020-01-15'), company_of('AAA', '2021-01-15')"
            )
        ).one()
    assert tuple(found) == ("AAA", "NEW", None, 1, None)


def test_prices_and_fundamentals_as_of(filled: Database) -> None:
    with filled.read() as connection:
        bars = connection.execute(text("SELECT * FROM prices_as_of(1, '2020-03-01 12:00+00')")).all()
        values = [
            connection.scalar(text("SELECT fundamental_as_of(1, 'revenue', :at)"), {"at": at})
            for at in ("2020-02-20", "2020-03-20", "2020-12-31")
        ]
    assert {bar.source for bar in bars} == {"first"}
    assert bars[-1].session == date(2020, 2, 28)
    assert values == [None, 5.0, 6.0]


def test_a_row_per_edge(filled: Database) -> None:
    with filled.read() as connection:
        rows = connection.execute(text("SELECT * FROM graph_edges WHERE graph_version = 'g.newer@1'")).all()
        versions = connection.scalars(text("SELECT graph_version FROM graph_snapshots_current ORDER BY 1")).all()
    last = date(2020, 2, 28)
    assert [tuple(row) for row in rows] == [(last, "g.newer@1", "company", "supplies", "company", 1, 2, 0.5)]
    assert versions == ["g.newer@1", "g.older@1", "g.older@1"]


def test_current_embeddings_are_out_of_sample_and_of_one_chunk(filled: Database) -> None:
    statement = text("SELECT snapshot_date, chunk, count(*) FROM node_embeddings_current GROUP BY 1, 2 ORDER BY 1")
    with filled.read() as connection:
        rows = [tuple(row) for row in connection.execute(statement)]
    assert rows == [(date(2020, 2, 14), 0, 2), (date(2020, 2, 28), 1, 2)]


def test_the_last_gate_date_of_a_verdict_is_that_of_its_look(filled: Database) -> None:
    with filled.read() as connection:
        last = connection.scalar(text("SELECT last_date FROM standing WHERE signal = 'passes'"))
    assert last == months()[-1].item()
