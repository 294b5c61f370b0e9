"""Snapshots of a simulated market: what they hold, and what becomes of them as facts and code change."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any
from uuid import uuid4

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from graph_rows import close
from scipy.spatial.distance import pdist, squareform
from sqlalchemy import text

from nexus.db import admin
from nexus.db.engine import Database
from nexus.db.graph import UNDIRECTED, Graph
from nexus.db.graph_store import Snapshots
from nexus.db.graph_versions import versions
from nexus.db.load import SourceInfo
from nexus.db.panel import Panel
from nexus.db.poison import disarm, poison
from nexus.db.relations import Relations
from nexus.db.sessions import read_sessions
from nexus.errors import InputError
from nexus.graph import recipes
from nexus.graph.compose import compose
from nexus.graph.recipes import Recipe, recipe
from nexus.graph.snapshots import build, choose_days, every, month_ends
from nexus.ingest.run import ingest_frames
from nexus.ingest.simulate import simulate, tables
from nexus.settings import Settings, settings

SEED, SESSIONS, LISTED, UNIVERSE = 3, 600, 40, "SIM500"
Pairs = dict[tuple[int, int], float]


@pytest.fixture(scope="module")
def market(database: Database) -> Database:
    ingest_frames(
        database, tables(simulate(SEED, sessions=SESSIONS, listed=LISTED)), SourceInfo("simulated", "reported")
    )
    return database


@pytest.fixture
def own(market: Database, server: Database) -> Iterator[Database]:
    """A clone of the market that a test may change."""
    made = admin.clone(market, f"nexus_test_graph_{uuid4().hex[:10]}")
    yield made
    admin.drop(made)


MONTHLY = recipe("monthly", UNIVERSE)


def composed(database: Database, chosen: Recipe, days: list[date]) -> dict[date, Graph]:
    """The graphs of days, without storing them."""
    start = read_days(database)[0]
    panel = Panel.open(database, start=start, end=max(days), inputs=chosen.inputs)
    relations = Relations.open(database, undirected=UNDIRECTED)
    return {day: compose(chosen, panel, relations, np.datetime64(day), microseconds(database, day)) for day in days}


def read_days(database: Database) -> list[date]:
    with database.read() as connection:
        return list(connection.scalars(text("SELECT DISTINCT session FROM prices ORDER BY 1")))


def microseconds(database: Database, day: date) -> int:
    sessions = read_sessions(database, "XNYS")
    return int(sessions.closes_at[np.searchsorted(sessions.days, np.datetime64(day))].astype("M8[us]").astype(np.int64))


def relations_known(database: Database, day: date, relation: str) -> pd.DataFrame:
    """Newest vintages of a relation known at the close that hold on the day: plain pandas."""
    with database.read() as connection:
        rows = connection.execute(text("SELECT * FROM relations WHERE relation = :name"), {"name": relation}).all()
        at = connection.scalar(text("SELECT closes_at FROM sessions WHERE session = :day"), {"day": day})
    frame = pd.DataFrame(rows)
    frame = frame[frame["known_at"] <= at].sort_values("known_at")
    newest = frame.drop_duplicates(["src_id", "dst_id", "valid_from"], keep="last")
    ended = newest["valid_to"].notna() & (newest["valid_to"] <= day)
    return newest[(newest["valid_from"] <= day) & ~ended]


def pairs(graph: Graph, *edge_type: str) -> Pairs:
    edges = graph.edges.get(edge_type)  # type: ignore[call-overload]
    if edges is None:
        return {}
    ends = zip(edges.src.tolist(), edges.dst.tolist(), strict=True)
    return dict(zip(ends, edges.weight.tolist(), strict=True))


@pytest.fixture(scope="module")
def late(market: Database) -> tuple[date, Graph]:
    day = read_days(market)[-40]
    return day, composed(market, MONTHLY, [day])[day]


def test_stated_edges_are_those_of_the_table(market: Database, late: tuple[date, Graph]) -> None:
    day, graph = late
    for src, relation, dst in (("company", "supplies", "company"), ("fund", "holds", "company")):
        rows = relations_known(market, day, relation)
        members = set(graph.nodes["company"].tolist())
        inside = rows[rows["dst_id"].isin(members) & ((src == "fund") | rows["src_id"].isin(members))]
        expected = {(row.src_id, row.dst_id): np.float32(row.weight) for row in inside.itertuples()}
        assert pairs(graph, src, relation, dst) == expected and expected


def test_interlocks_are_the_projection_of_seats(market: Database, late: tuple[date, Graph]) -> None:
    """networkx's weighted projection of the two-mode graph of directors and members."""
    day, graph = late
    members = set(graph.nodes["company"].tolist())
    rows = relations_known(market, day, "director_of")
    rows = rows[rows["dst_id"].isin(members)]
    seats = nx.Graph(list(zip("p" + rows["src_id"].astype(str), rows["dst_id"], strict=True)))
    shared = nx.bipartite.weighted_projected_graph(seats, sorted(set(rows["dst_id"])))
    expected = {(min(a, b), max(a, b)): float(w) for a, b, w in shared.edges.data("weight")}
    assert pairs(graph, "company", "board", "company") == expected and expected


def test_fund_similarity_is_the_cosine_of_holdings(market: Database, late: tuple[date, Graph]) -> None:
    day, graph = late
    rows = relations_known(market, day, "holds")
    holdings = rows.pivot_table(index="src_id", columns="dst_id", values="weight", fill_value=0.0)
    cosine = pd.DataFrame(1 - squareform(pdist(holdings, "cosine")), holdings.index, holdings.index)
    expected = {(a, b): cosine.loc[a, b] for a in cosine for b in cosine if a < b and cosine.loc[a, b] > 0.01}
    found = pairs(graph, "fund", "fund_similarity", "fund")
    assert found == pytest.approx(expected, rel=1e-6) and len(expected) > 100
    assert min(found.values()) > 0.01 and len(set(found.values())) > 100


def test_correlations_are_those_of_pandas(market: Database, late: tuple[date, Graph]) -> None:
    """Each member's ten nearest by absolute correlation over 252 sessions, either end's choice making the edge."""
    day, graph = late
    panel = Panel.open(market, start=read_days(market)[0], end=day, inputs=MONTHLY.inputs)
    members = graph.nodes["company"]
    returns = pd.DataFrame(panel.at(day).returns(252)[:, np.searchsorted(panel.companies, members)], columns=members)
    matrix = returns.corr(min_periods=126)
    expected: Pairs = {}
    for one in members:
        others = matrix[one].drop(one).dropna()
        for other in others.abs().sort_values(ascending=False, kind="stable").index[:10]:
            expected[min(one, other), max(one, other)] = others[other]
    assert pairs(graph, "company", "correlation", "company") == pytest.approx(expected, abs=1e-6)


def test_sectors(market: Database, late: tuple[date, Graph]) -> None:
    day, graph = late
    panel = Panel.open(market, start=day, end=day, inputs=["classifications.SIM"], companies=graph.nodes["company"])
    codes = dict(zip(panel.companies.tolist(), panel.at(day).sector("SIM").tolist(), strict=True))
    found = pairs(graph, "company", "sector", "company")
    assert found and all(codes[a] == codes[b] >= 0 for a, b in found)
    tied = {company for pair in found for company in pair}
    counts = pd.Series(codes).value_counts()
    assert tied == {company for company, code in codes.items() if code >= 0 and counts[code] > 1}


def test_nodes_are_the_members_and_the_ends(market: Database, late: tuple[date, Graph]) -> None:
    day, graph = late
    with market.read() as connection:
        members = connection.scalars(
            text("SELECT company_id FROM universe_members GROUP BY 1 HAVING min(valid_from) <= :day "
                 "AND coalesce(max(valid_to), '9999-12-31') > :day AND min(known_at) <= :close ORDER BY 1"),
            {"day": day, "close": close(day)},
        ).all()  # fmt: skip
        companies = set(connection.scalars(text("SELECT entity_id FROM entities WHERE kind = 'company'")))
    assert graph.nodes["company"].tolist() == list(members)
    assert set(graph.nodes.get("extended", np.empty(0)).tolist()) <= companies - set(members)
    ends: dict[str, set[int]] = {}
    for (src_type, _, dst_type), edges in graph.edges.items():
        ends.setdefault(src_type, set()).update(edges.src.tolist())
        ends.setdefault(dst_type, set()).update(edges.dst.tolist())
    for node_type in set(graph.nodes) - {"company"}:
        assert set(graph.nodes[node_type].tolist()) == ends[node_type]
    assert set(ends) <= set(graph.nodes) >= {"company", "director", "fund"}


def test_month_ends_of_complete_months_and_every_kth_session() -> None:
    days = pd.bdate_range("2021-01-01", "2021-04-14").to_numpy().astype("datetime64[D]")
    ends = [date(2021, 1, 29), date(2021, 2, 26), date(2021, 3, 31)]
    assert month_ends(days, date(2021, 1, 1), date(2021, 12, 31)) == ends
    assert month_ends(days, date(2021, 1, 30), date(2021, 3, 30)) == ends[1:2]
    assert every(days, 20, date(2021, 1, 1), date(2021, 12, 31)) == days[::20].tolist()
    assert every(days, 20, date(2021, 2, 1), date(2021, 3, 1)) == [d for d in days[::20].tolist() if d.month == 2]
    with pytest.raises(InputError, match="every 0 sessions"):
        every(days, 0, date(2021, 1, 1), date(2021, 12, 31))


def test_default_days_end_with_the_prices(market: Database, configured: Settings) -> None:
    priced = pd.Series(pd.to_datetime(read_days(market)))
    months = priced.groupby(priced.dt.to_period("M")).max()
    chosen = [pd.Timestamp(day) for day in choose_days(market)]
    complete = months if months.iloc[-1] + pd.offsets.BDay() > months.index[-1].end_time else months.iloc[:-1]
    assert chosen == complete.tolist()
    with pytest.raises(InputError, match='every "week"'):
        choose_days(market, "week")


def test_built_once_and_then_unchanged(own: Database) -> None:
    days = choose_days(own)
    first = build(own, MONTHLY, days)
    assert (first.written, first.unchanged) == (len(days), 0)
    walked: list[date] = []
    again = build(own, MONTHLY, days, progress=lambda left: walked.extend(left) or ())
    assert (again.written, again.unchanged, walked) == (0, len(days), [])
    assert str(again).startswith(f"monthly: 0 written, {len(days)} unchanged (builder {MONTHLY.builder[:8]}, load ")
    stored = Snapshots.open(own, "monthly")
    assert stored.days.tolist() == days
    fresh = composed(own, MONTHLY, days)
    assert [stored.at(day).content_hash for day in days] == [fresh[day].content_hash for day in days]
    assert {stored.at(day).version for day in days} == {f"monthly.{MONTHLY.builder[:8]}@{first.load_id}"}
    with own.read() as connection:
        known = connection.execute(text("SELECT g.known_at = s.closes_at FROM graph_snapshots g JOIN sessions s "
                                        "ON s.session = g.snapshot_date")).scalars().all()  # fmt: skip
    assert len(known) == len(days) and all(known)


def test_after_a_load_that_changes_nothing_the_days_are_looked_at_once(own: Database) -> None:
    days = choose_days(own)
    build(own, MONTHLY, days)
    _supplies(own, days[-1])
    walked: list[list[date]] = []
    for _ in range(2):
        again = build(own, MONTHLY, days, progress=lambda left: walked.append(list(left)) or walked[-1])
        assert (again.written, again.unchanged) == (0, len(days))
    assert walked == [days]


def test_the_days_asked_for_do_not_matter(own: Database) -> None:
    """A day built alone is as it is among all."""
    days = choose_days(own)[-4:]
    assert build(own, MONTHLY, days[-1:]).written == 1
    alone = Snapshots.open(own, "monthly").at(days[-1])
    assert alone.content_hash == composed(own, MONTHLY, days)[days[-1]].content_hash
    assert build(own, MONTHLY, days).written == 3


def test_a_late_load_makes_new_versions_of_the_days_it_changes(own: Database) -> None:
    days = choose_days(own)
    before = build(own, MONTHLY, days)
    old = {day: Snapshots.open(own, "monthly").at(day).content_hash for day in days}
    changed_from = days[-5]
    load_id = _supplies(own, changed_from)
    after = build(own, MONTHLY, days)
    stored = Snapshots.open(own, "monthly")
    moved = [day for day in days if stored.at(day).content_hash != old[day]]
    assert moved == [day for day in days if day > changed_from]
    assert (after.written, after.unchanged) == (len(moved), len(days) - len(moved))
    assert {stored.at(day).version for day in moved} == {f"monthly.{MONTHLY.builder[:8]}@{load_id}"}
    replayed = Snapshots.open(own, "monthly", load_id=before.load_id)
    assert [replayed.at(day).content_hash for day in days] == [old[day] for day in days]
    assert build(own, MONTHLY, days, load_id=before.load_id).written == 0
    assert build(own, MONTHLY, days).written == 0


def _supplies(database: Database, day: date) -> int:
    """A supplier told of the day after `day`, in a load of its own."""
    with database.read() as connection:
        rows = connection.execute(text("SELECT ticker FROM symbols WHERE valid_to IS NULL ORDER BY company_id")).all()
    frame = pd.DataFrame({"src_kind": "extended", "src": "A mill", "relation": "supplies", "dst_kind": "company",
                          "dst": [rows[0].ticker], "valid_from": [day]})  # fmt: skip
    (done,) = [one for one in ingest_frames(database, {"relations": frame}, "late") if one.inserted]
    assert done.load_id is not None
    return done.load_id


def test_another_builder_builds_beside_the_old(own: Database) -> None:
    days = choose_days(own)[-6:]
    build(own, MONTHLY, days)
    other = replace(MONTHLY, version="2")
    done = build(own, other, days)
    assert done.written == len(days) and other.builder != MONTHLY.builder
    listed = versions(own)
    assert [one.builder for one in listed] == [MONTHLY.builder, other.builder]
    assert all(one.snapshots == one.contents == len(days) and one.first == days[0] for one in listed)
    assert f"monthly.{other.builder[:8]}@" in Snapshots.open(own, "monthly").at(days[-1]).version


def test_a_builder_is_its_recipe_universe_and_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert recipe("monthly", UNIVERSE).builder == MONTHLY.builder
    others = {
        recipe(name, universe).builder for name in ("monthly", "relations", "correlation") for universe in ("X", None)
    }
    assert len(others) == 6
    package = Path(recipes.__file__).parents[1]
    shutil.copytree(package, tmp_path / "nexus", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(recipes.nexus, "__file__", str(tmp_path / "nexus" / "__init__.py"))
    assert recipe("monthly", UNIVERSE).builder == MONTHLY.builder
    copy = tmp_path / "nexus" / "graph" / "edges.py"
    copy.write_text(copy.read_text() + "\n\nMORE = 1\n")
    changed = recipe("monthly", UNIVERSE).builder
    assert changed != MONTHLY.builder
    copy.write_text("# a comment\n" + copy.read_text())
    assert recipe("monthly", UNIVERSE).builder == changed
    with pytest.raises(InputError, match='graph "weekly": there is no such recipe; there are monthly'):
        recipe("weekly")


def test_poison_after_the_day_moves_nothing(own: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And it is a poison: of the days after it not one is as it was."""
    days = choose_days(own)
    t, later = days[-8], days[-3]
    before = composed(own, MONTHLY, [t, later])
    monkeypatch.setenv("NEXUS_HOME", str(tmp_path))
    disarm(own)
    poison(own, "XNYS", t)
    settings.cache_clear()
    after = composed(own, MONTHLY, [t, later])
    settings.cache_clear()
    assert after[t].content_hash == before[t].content_hash
    assert len(before[t].edges) > 6
    same = [kind for kind in before[later].edges if pairs(before[later], *kind) == pairs(after[later], *kind)]
    assert same == [] and {"supplies", "holds", "fund_similarity", "sector", "correlation"} <= {
        relation for _, relation, _ in before[later].edges
    }


def test_killed_and_run_again_it_ends_the_same(own: Database, tmp_path: Path) -> None:
    days = choose_days(own)
    expected = {day: graph.content_hash for day, graph in composed(own, MONTHLY, days).items()}
    command = [sys.executable, "-m", "nexus.graph.snapshots", "--universe", UNIVERSE]
    environment = {**os.environ, "NEXUS_DATABASE_URL": own.dsn, "NEXUS_HOME": str(tmp_path)}
    running = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    while running.poll() is None and not _count(own):
        time.sleep(0.005)
    running.send_signal(signal.SIGKILL)
    running.wait()
    there = _count(own)
    assert 0 < there < len(days), "it was to be killed in the middle"
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"monthly: {len(days) - there} written, {there} unchanged")
    late = subprocess.run(
        [*command, "--from", "2030-01-01"], env=environment, capture_output=True, text=True, check=False
    )
    assert (late.returncode, late.stderr) == (2, "error: no day between 2030-01-01 and the last; widen the window\n")
    stored = Snapshots.open(own, "monthly")
    assert {day: stored.at(day).content_hash for day in stored.days.tolist()} == expected
    with own.read() as connection:
        torn = connection.scalar(text(
            "SELECT count(*) FROM graph_snapshots s WHERE n_edges <> (SELECT coalesce(sum(cardinality(dst_ids)), 0) "
            "FROM graph_edge_arrays e WHERE (e.snapshot_date, e.graph_version) = (s.snapshot_date, s.graph_version))"
        ))  # fmt: skip
    assert torn == 0


def _count(database: Database) -> int:
    with database.read() as connection:
        return int(connection.scalar(text("SELECT count(*) FROM graph_snapshots")) or 0)


def test_without_members_nothing_is_built(market: Database) -> None:
    days = choose_days(market)[-2:]
    with pytest.raises(InputError, match=r"universe_members.NOBODY has no rows .*`priced`"):
        build(market, recipe("monthly", "NOBODY"), days)
    with pytest.raises(InputError, match="2011-01-01: no session of XNYS"):
        build(market, MONTHLY, [date(2011, 1, 1)])
    early = build(market, MONTHLY, [date(1999, 1, 29)])
    assert (early.written, early.empty) == (0, 1) and "1 without members left out" in str(early)


def test_the_price_only_graph_of_whoever_has_a_price(own: Database) -> None:
    chosen = recipe("correlation")
    days = choose_days(own, 20, lead=chosen.lead)
    assert chosen.lead == 252 and read_days(own).index(days[0]) in range(252, 272)
    assert len(days) in ((SESSIONS - 252) // 20, (SESSIONS - 252) // 20 + 1) and MONTHLY.lead == 0
    done = build(own, chosen, days)
    assert done.written == len(days)
    last = Snapshots.open(own, "correlation").at(days[-1])
    assert set(last.edges) == {("company", "correlation", "company")} and set(last.nodes) == {"company"}
    with own.read() as connection:
        priced = connection.scalars(text("SELECT company_id FROM prices WHERE session = :day"), {"day": days[-1]}).all()
    assert set(last.nodes["company"].tolist()) == set(priced)


@pytest.fixture
def nexus(own: Database, tmp_path: Path) -> Callable[..., Any]:
    environment = {**os.environ, "NEXUS_DATABASE_URL": own.dsn, "NEXUS_HOME": str(tmp_path), "NEXUS_UNIVERSE": UNIVERSE}

    def run(*arguments: str, status: int = 0) -> str:
        command = [sys.executable, "-m", "nexus", "graph", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == status and "Traceback" not in done.stderr, done.stderr
        return done.stdout if status == 0 else done.stderr

    return run


def test_commands(own: Database, nexus: Callable[..., Any]) -> None:
    assert "no snapshot by" in nexus("show", status=2)
    days = choose_days(own)
    assert nexus("snapshots", "--from", str(days[-3])).startswith("monthly: 3 written, 0 unchanged")
    assert nexus("snapshots", "--from", str(days[-3]), "--graph", "relations", "--every", "100").startswith(
        "relations: "
    )
    assert "there is no such recipe" in nexus("snapshots", "--graph", "weekly", status=2)
    graph = Snapshots.open(own, "monthly").at(days[-2])
    shown = json.loads(nexus("show", str(days[-2]), "--json"))
    assert shown["nodes"] == {kind: len(ids) for kind, ids in graph.nodes.items()}
    assert shown["edges"] == {" ".join(kind): len(edges) for kind, edges in graph.edges.items()}
    listed = json.loads(nexus("list", "--json"))
    assert (listed[0]["graph"], listed[0]["snapshots"]) == ("monthly", 3)
