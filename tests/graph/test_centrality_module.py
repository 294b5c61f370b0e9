"""The centrality of a simulated market's companies, in the database, is networkx's of the stored snapshots."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from datetime import date

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from sqlalchemy import text

from nexus.contract.runner import Predicted, predict
from nexus.db.engine import Database
from nexus.db.graph import UNDIRECTED, Graph
from nexus.db.graph_store import Snapshots
from nexus.db.load import SourceInfo
from nexus.db.panel import Panel
from nexus.graph.centrality import CENTRALITY
from nexus.graph.recipes import recipe
from nexus.graph.snapshots import build, choose_days
from nexus.ingest.run import ingest_frames
from nexus.ingest.simulate import simulate, tables


@pytest.fixture(scope="module")
def days(database: Database) -> list[date]:
    """Month-ends with a snapshot each, of a market of forty companies."""
    market = tables(simulate(3, sessions=420, listed=40))
    ingest_frames(database, market, SourceInfo("simulated", "reported"))
    found = choose_days(database)[-4:]
    build(database, recipe("monthly", "SIM500"), found)
    return found


@pytest.fixture(scope="module")
def written(database: Database, days: list[date]) -> Predicted:
    return predict(database, CENTRALITY, days=days)


@pytest.fixture(scope="module")
def rows(database: Database, written: Predicted) -> pd.DataFrame:
    with database.read() as connection:
        return pd.DataFrame(connection.execute(text("SELECT * FROM centrality_history")).mappings().all())


def simple(graph: Graph, without: str = "") -> nx.Graph:
    """All nodes, and an edge between two that any relation ties."""
    made = nx.Graph()
    for kind, ids in graph.nodes.items():
        made.add_nodes_from((kind, company) for company in ids.tolist())
    for (src, relation, dst), edges in graph.edges.items():
        if relation != without:
            ends = zip(edges.src.tolist(), edges.dst.tolist(), strict=True)
            made.add_edges_from(((src, one), (dst, other)) for one, other in ends if (src, one) != (dst, other))
    return made


def test_measures_are_those_of_networkx(database: Database, days: list[date], rows: pd.DataFrame) -> None:
    snapshots = Snapshots.open(database, "monthly")
    assert set(rows["as_of"]) == set(days)
    for day in days[::3]:
        graph = simple(snapshots.at(day))
        expected = {
            "degree": dict(graph.degree),
            "pagerank": nx.pagerank(graph, tol=1e-14, max_iter=10_000),
            "eigenvector": nx.eigenvector_centrality(graph, tol=1e-13, max_iter=100_000),
            "betweenness": nx.betweenness_centrality(graph),
            "clustering": nx.clustering(graph),
            "k_core": nx.core_number(graph),
            "katz": nx.katz_centrality_numpy(graph, alpha=0.85 / nx.adjacency_spectrum(graph).real.max()),
        }
        found = rows[rows["as_of"] == day].set_index("company_id")
        assert sorted(found.index) == snapshots.at(day).nodes["company"].tolist()
        for measure, values in expected.items():
            theirs = [values["company", company] for company in found.index]
            np.testing.assert_allclose(found[measure].astype(float), theirs, rtol=1e-6, atol=1e-9, err_msg=measure)
        assert found["betweenness"].max() > 0 and found["k_core"].max() > 2


def test_degrees_are_counted_by_relation_and_direction(
    database: Database, days: list[date], rows: pd.DataFrame
) -> None:
    graph = Snapshots.open(database, "monthly").at(days[-1])
    expected: dict[int, Counter[str]] = {company: Counter() for company in graph.nodes["company"].tolist()}
    for (src, relation, dst), edges in graph.edges.items():
        for one, other in zip(edges.src.tolist(), edges.dst.tolist(), strict=True):
            if src == "company":
                expected[one][relation if relation in UNDIRECTED else f"{relation}:out"] += 1
            if dst == "company":
                expected[other][relation if relation in UNDIRECTED else f"{relation}:in"] += 1
    found = rows[rows["as_of"] == days[-1]].set_index("company_id")["degrees"]
    assert found.to_dict() == {company: dict(counts) for company, counts in expected.items()}
    seen = set().union(*expected.values())
    assert {"supplies:in", "supplies:out", "holds:in", "correlation"} <= seen


def test_rows_are_stamped(database: Database, rows: pd.DataFrame, days: list[date]) -> None:
    snapshots = Snapshots.open(database, "monthly")
    assert set(rows["model_version"]) == {"centrality-1"} and set(rows["split"]) == {"none"}
    assert {(row.as_of, row.graph_version) for row in rows.itertuples()} == {
        (day, snapshots.at(day).version) for day in days
    }


def test_again_changes_nothing(database: Database, days: list[date], written: Predicted) -> None:
    assert written.rows > 100 and written.days == len(days)
    assert predict(database, CENTRALITY, days=days).kept == len(days)
    assert predict(database, CENTRALITY, days=days, again=True).rows == 0


def test_only_days_with_a_snapshot_of_their_own(database: Database, days: list[date]) -> None:
    panel = Panel.open(database, start=days[-2], end=days[-1], inputs=CENTRALITY.inputs)
    between = panel.sessions[3].item()
    for told in (CENTRALITY.predict, CENTRALITY.explain):
        assert len(told(None, panel.blind(), between)) == 0
        assert len(told(None, panel.blind(), days[-1])) > 0
    before = Panel.open(database, start=date(2000, 1, 3), end=days[0], inputs=CENTRALITY.inputs)
    assert len(CENTRALITY.predict(None, before.blind(), before.sessions[0].item())) == 0


def test_what_a_relation_gives_is_what_is_lost_without_it(database: Database, days: list[date]) -> None:
    panel = Panel.open(database, start=days[-1], end=days[-1], inputs=CENTRALITY.inputs)
    told = CENTRALITY.explain(None, panel.blind(), days[-1])
    graph = Snapshots.open(database, "monthly").at(days[-1])
    whole = nx.pagerank(simple(graph), tol=1e-14, max_iter=10_000), dict(simple(graph).degree)
    assert not told.duplicated(["company_id", "feature"]).any() and np.isfinite(told["attribution"]).all()
    for relation in {relation for _, relation, _ in graph.edges}:
        without = simple(graph, relation)
        less = nx.pagerank(without, tol=1e-14, max_iter=10_000), dict(without.degree)
        for measure, all_of_it, rest in zip(("pagerank", "degree"), whole, less, strict=True):
            lost = told[told["feature"] == f"{measure}:{relation}"].set_index("company_id")["attribution"]
            companies = graph.nodes["company"]
            expected = [all_of_it["company", one] - rest["company", one] for one in companies.tolist()]
            np.testing.assert_allclose(lost.reindex(companies, fill_value=0.0), expected, atol=1e-12)


def test_help_loads_no_library_of_graphs() -> None:
    loads = (
        "import sys; import nexus.graph.centrality; print({*sys.modules} & {'torch', 'pandas', 'numba', 'rustworkx'})"
    )
    shown = subprocess.run([sys.executable, "-c", loads], capture_output=True, text=True, check=True)
    assert shown.stdout == "set()\n"
    command = [sys.executable, "-m", "nexus.graph.centrality", "predict", "--help"]
    assert (
        "Usage: python -m nexus.graph.centrality predict"
        in subprocess.run(command, capture_output=True, text=True, check=True).stdout
    )
