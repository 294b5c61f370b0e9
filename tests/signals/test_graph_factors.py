"""Graph factors through the database: by hand on a graph of three edges, against slow twins on a graph that changes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner
from made_rows import SUPPLY, edges, embedding, graph, put, some_loads, some_run
from small_market import COMPANIES, SECTORS, SESSIONS, Market, build, close_of
from sqlalchemy import text

from nexus.db.engine import Database
from nexus.db.graph import Graph
from nexus.db.graph_store import write_graphs
from nexus.db.load import begin_run, load
from nexus.db.panel import Panel
from nexus.maths.hlz import threshold
from nexus.maths.types import Floats
from nexus.settings import Settings, settings
from nexus.signals.available import available
from nexus.signals.canary import canaries
from nexus.signals.evaluate import evaluate
from nexus.signals.factors import graph_based
from nexus.signals.factors.graph_based import FALSIFIERS, GRAPH, MODEL, same_weights
from nexus.signals.scores import compute_scores, inputs_of
from nexus.signals.user import factors
from research import phase9_gnn_drift_backtest as phase9

NAMES = (
    "graph_gnn_embedding_drift",
    "graph_pagerank",
    "graph_centrality_change",
    "neighbour_momentum",
    "sector_embedding_distance",
)
FACTORS = {**{name: factors()[name] for name in NAMES}, **{factor.name: factor for factor in FALSIFIERS}}
FIRST_REFIT, REFIT = 10, 20
"""Month-ends (by place) of the last one that the first and the second weights were trained on."""
HAND, STILL, GAP = 4, 15, 30
"""Month-ends: of the graph by hand, with embeddings that stay, and without any."""
BY_HAND = ((0, 1), (0, 2), (3, 0), (6, 29))
"""Supplier, customer."""
FEW = 26
"""Month-end: embeddings of the first sector and of one company of the second."""
HALF_MISSING = 12
"""A company without an embedding at every second month-end."""


@dataclass
class Told:
    """What was written, by place of the month-end."""

    market: Market
    places: list[int]
    graphs: dict[int, Graph] = field(default_factory=dict)
    vectors: dict[tuple[int, int], Floats] = field(default_factory=dict)
    """(chunk, month-end) -> (n_companies, 2), NaN where none."""
    pagerank: dict[int, Floats] = field(default_factory=dict)

    def day(self, month: int) -> date:
        return self.market.day(self.places[month])

    def company(self, place: int) -> int:
        return self.market.companies[place]


@pytest.fixture(scope="module")
def told(database: Database) -> Told:
    market = build(database)
    months = market.days.to_period("M")
    told = Told(market, [p for p in range(SESSIONS - 1) if months[p] != months[p + 1]])
    random = np.random.default_rng(11)
    first = some_loads(database, 1)[0]
    run = some_run(database, first)
    write_other_sectors(database, told)
    write_supply(database, told, random, first)
    write_embeddings(database, told, random, run)
    write_centrality(database, told, random, run)
    return told


def write_other_sectors(database: Database, told: Told) -> None:
    """A second scheme, by which all are of one sector."""
    frame = told.market.tables["classifications"].assign(scheme="SIM", code="all")
    rows = pa.Table.from_pandas(frame, preserve_index=False)
    load(database, begin_run(database, "test"), "classifications", rows, source="test", file=None, known_at_given=True)


def write_supply(database: Database, told: Told, random: np.random.Generator, load: int) -> None:
    """Three customers each, drawn anew each month; but the month of the graph by hand."""
    for month in range(len(told.places)):
        drawn = {
            (int(s), int(c)) for s in range(COMPANIES) for c in random.choice(COMPANIES, 3, replace=False) if s != c
        }
        pairs = [(told.company(s), told.company(c)) for s, c in (BY_HAND if month == HAND else drawn)]
        told.graphs[month] = graph(told.day(month), told.market.companies, {SUPPLY: edges(pairs)}, name=GRAPH)
    closes = {told.day(month): close_of(told.day(month)).to_pydatetime() for month in told.graphs}
    with database.write() as connection:
        write_graphs(connection, list(told.graphs.values()), builder="by hand", load_id=load, closes=closes)


def write_embeddings(database: Database, told: Told, random: np.random.Generator, run: Any) -> None:
    """Two sets of weights; each embeds the month-end before its first too."""
    rows = []
    for chunk, (first, last) in enumerate(((FIRST_REFIT, REFIT), (REFIT, len(told.places) - 1))):
        trained = told.market.day(told.places[first] + 5)
        for month in range(first, last + 1):
            if month == GAP:
                continue
            drawn = random.standard_normal((COMPANIES, 2)).astype(np.float32)
            if month == STILL:
                drawn[: COMPANIES - 9] = told.vectors[chunk, month - 1][: COMPANIES - 9]
            if month % 2 and month != STILL:
                drawn[HALF_MISSING] = np.nan
            if month == FEW:
                drawn[[place for place in range(2, COMPANIES) if place % SECTORS]] = np.nan
            told.vectors[chunk, month] = drawn.astype(np.float64)
            known = max(close_of(told.day(month)), close_of(trained)).to_pydatetime()
            more = {"model_version": MODEL, "chunk": chunk, "trained_to": trained}
            rows += [
                embedding(told.company(place), told.day(month), known, run, vector.tolist(), **more)
                for place, vector in enumerate(drawn)
                if np.isfinite(vector).all()
            ]
    put(database, "node_embeddings", rows)


def write_centrality(database: Database, told: Told, random: np.random.Generator, run: Any) -> None:
    rows = []
    for month in range(len(told.places)):
        told.pagerank[month] = random.random(COMPANIES)
        rows += [
            {
                "company_id": told.company(place), "as_of": told.day(month), "model_version": "c-1", "chunk": 0,
                "graph_version": "none", "degree": 1, "degrees": {}, "pagerank": value, "eigenvector": 0.0,
                "betweenness": 0.0, "clustering": 0.0, "k_core": 1, "katz": 0.0, "split": "none",
                "known_at": close_of(told.day(month)).to_pydatetime(), "run_id": run,
            }
            for place, value in enumerate(told.pagerank[month])
        ]  # fmt: skip
    put(database, "centrality_history", rows)


@pytest.fixture(scope="module")
def panel(database: Database, told: Told) -> Panel:
    market = told.market
    inputs = inputs_of(FACTORS.values(), "SP500")
    return Panel.open(database, start=market.day(0), end=market.day(-1), companies=market.companies, inputs=inputs)


def score(panel: Panel, name: str, day: date) -> Floats:
    return compute_scores(FACTORS[name], panel, [day], np.ones((1, COMPANIES), bool)).values[0]


def growth(panel: Panel, day: date, place: int) -> float:
    """Compound return of 21 sessions, spelled out; NaN with fewer than 16 of them."""
    returns = panel.at(day).returns(21)[:, place]
    known = [r for r in returns if np.isfinite(r)]
    return float(np.prod([1 + r for r in known]) - 1) if len(known) >= 0.75 * 21 else np.nan


def cosine_distance(one: Floats, other: Floats) -> float:
    return float(1 - one @ other / (np.sqrt(one @ one) * np.sqrt(other @ other)))


def test_customers_by_hand(panel: Panel, told: Told) -> None:
    """0 sells to 1 and 2, 3 sells to 0, 6 to 29: they have a score, nobody else."""
    day = told.day(HAND)
    found = score(panel, "neighbour_momentum", day)
    expected = np.full(COMPANIES, np.nan)
    expected[0] = (growth(panel, day, 1) + growth(panel, day, 2)) / 2
    expected[3], expected[6] = growth(panel, day, 0), growth(panel, day, 29)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    against = score(panel, "neighbour_momentum_reversed", day)
    expected = np.full(COMPANIES, np.nan)
    expected[1] = expected[2] = growth(panel, day, 0)
    expected[0], expected[29] = growth(panel, day, 3), growth(panel, day, 6)
    np.testing.assert_allclose(against, expected, rtol=1e-12)


@pytest.mark.parametrize(("name", "supplier"), [("neighbour_momentum", True), ("neighbour_momentum_reversed", False)])
def test_neighbours_are_those_of_the_newest_graph(panel: Panel, told: Told, name: str, supplier: bool) -> None:
    for month, later in ((6, 0), (25, 11), (38, 3)):
        day = told.market.day(told.places[month] + later)
        known = told.graphs[month].edges[SUPPLY]
        ends = list(zip(known.src.tolist(), known.dst.tolist(), strict=True))
        expected = np.full(COMPANIES, np.nan)
        for place in range(COMPANIES):
            own = told.company(place)
            partners = [d for s, d in ends if s == own] if supplier else [s for s, d in ends if d == own]
            values = [growth(panel, day, told.market.companies.index(partner)) for partner in partners]
            values = [value for value in values if np.isfinite(value)]
            expected[place] = np.mean(values) if values else np.nan
        np.testing.assert_allclose(score(panel, name, day), expected, rtol=1e-12)
        assert np.isfinite(expected).sum() >= 25


def test_rewired_neighbours_are_others_of_the_same_number(panel: Panel, told: Told) -> None:
    day = told.day(25)
    real, other = score(panel, "neighbour_momentum", day), score(panel, "neighbour_momentum_rewired", day)
    both = np.isfinite(real) & np.isfinite(other)
    assert both.sum() >= 25 and (np.abs(real - other)[both] > 1e-6).mean() > 0.8
    np.testing.assert_array_equal(other, score(panel, "neighbour_momentum_rewired", day))


def drift(told: Told, chunk: int, month: int) -> Floats:
    now, before = told.vectors[chunk, month], told.vectors[chunk, month - 1]
    return np.array([cosine_distance(*pair) for pair in zip(now, before, strict=True)])


@pytest.mark.parametrize(
    ("month", "chunk"),
    [(FIRST_REFIT + 1, 0), (REFIT - 3, 0), (REFIT, 0), (REFIT + 1, 1), (REFIT + 2, 1), (GAP - 1, 1), (GAP + 2, 1)],
)
def test_drift_is_told_by_one_set_of_weights(panel: Panel, told: Told, month: int, chunk: int) -> None:
    """The first month after a refit has its pair from the new weights; who is there once only has no drift."""
    found = score(panel, "graph_gnn_embedding_drift", told.day(month))
    np.testing.assert_allclose(found, drift(told, chunk, month), atol=1e-12)
    assert np.flatnonzero(np.isnan(found)).tolist() == [HALF_MISSING]


def test_drift_by_hand(panel: Panel) -> None:
    """A right angle is 1, sixty degrees are one half, the opposite is 2, twice as long is no drift."""
    angles = np.deg2rad([0, 90, 60, 180, 0])
    now = np.array([2.0, 1.0, 1.0, 1.0, 0.0])[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    before = np.tile([1.0, 0.0], (5, 1))
    distance = 1 - graph_based._cosine(now, before)
    np.testing.assert_allclose(distance, [0, 1, 0.5, 2, np.nan], atol=1e-12)


@pytest.mark.parametrize("month", [3, FIRST_REFIT, STILL, GAP + 1])
def test_a_date_without_a_drift_to_speak_of_has_none(panel: Panel, told: Told, month: int) -> None:
    """Before the first weights, before their second month, where most names stay, and after a missing month."""
    assert np.isnan(score(panel, "graph_gnn_embedding_drift", told.day(month))).all()


def test_still_names_are_more_than_half(told: Told) -> None:
    still = drift(told, 0, STILL)
    assert (still < 1e-6).sum() == COMPANIES - 9 > COMPANIES / 2


def test_a_stale_month_says_nothing(panel: Panel, told: Told) -> None:
    """Of the month without embeddings those of the month before still serve; almost a month later they do not."""
    found = score(panel, "graph_gnn_embedding_drift", told.day(GAP))
    np.testing.assert_allclose(found, drift(told, 1, GAP - 1), atol=1e-12)
    late = told.market.day(told.places[GAP + 1] - 1)
    assert np.isnan(score(panel, "sector_embedding_distance", late)).all()
    assert np.isfinite(score(panel, "sector_embedding_distance", told.day(GAP))).any()


def test_pairs_at_a_refit_are_told_apart(panel: Panel, told: Told) -> None:
    held = {month: same_weights(panel.blind(), told.day(month)) for month in range(FIRST_REFIT + 1, GAP)}
    assert [month for month, same in held.items() if not same] == [FIRST_REFIT + 1, REFIT + 1]
    assert not same_weights(panel.blind(), told.day(GAP + 1))


def test_pagerank_and_its_change(panel: Panel, told: Told) -> None:
    for month in (13, 30):
        day = told.market.day(told.places[month] + 2)
        np.testing.assert_array_equal(score(panel, "graph_pagerank", day), told.pagerank[month])
        change = score(panel, "graph_centrality_change", day)
        np.testing.assert_array_equal(change, told.pagerank[month] - told.pagerank[month - 12])
    assert np.isnan(score(panel, "graph_centrality_change", told.day(11))).all()
    assert np.isfinite(score(panel, "graph_centrality_change", told.day(12))).all()


def test_distance_from_the_sector(panel: Panel, told: Told) -> None:
    for chunk, month in ((0, 14), (1, 24)):
        vectors = told.vectors[chunk, month]
        expected = np.full(COMPANIES, np.nan)
        for place in range(COMPANIES):
            fellows = [p for p in range(COMPANIES) if p % 4 == place % 4 and p != place]
            fellows = [p for p in fellows if np.isfinite(vectors[p]).all()]
            expected[place] = cosine_distance(vectors[place], np.mean(vectors[fellows], axis=0))
        np.testing.assert_allclose(score(panel, "sector_embedding_distance", told.day(month)), expected, atol=1e-12)


def test_one_alone_in_its_sector_has_no_distance_whatever_another_scheme_says(panel: Panel, told: Told) -> None:
    found = score(panel, "sector_embedding_distance", told.day(FEW))
    assert np.flatnonzero(np.isfinite(found)).tolist() == list(range(0, COMPANIES, SECTORS))


@pytest.fixture
def judged(database: Database, told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("NEXUS_HOME", str(tmp_path))
    settings.cache_clear()
    yield
    settings.cache_clear()


def test_canary(database: Database, told: Told, judged: None) -> None:
    days = [told.day(REFIT + 3), told.market.day(told.places[REFIT + 7] + 4), told.day(REFIT + 1)]
    for result in canaries(database, list(FACTORS.values()), days):
        assert result.passed, str(result)
        assert result.compared > 50


def test_no_refit_is_another_claim_and_counted(database: Database, told: Told, judged: None) -> None:
    factor = FACTORS["graph_gnn_embedding_drift"]
    (whole,) = evaluate(database, [factor], (21,))
    (within,) = evaluate(database, [factor], (21,), condition=same_weights)
    assert whole.signal != within.signal
    refits = whole.evaluations[0].judged.n - within.evaluations[0].judged.n
    assert refits == 2
    assert within.evaluations[0].same_as is None


def test_the_report_of_the_drift(
    database: Database, configured: Settings, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """30 names are too few for approval; both tables are there, with the pairs at a refit told apart."""
    monkeypatch.setattr(phase9, "database", lambda: database)
    ran = CliRunner().invoke(phase9.main, ["--horizons", "21,63", "--register"], catch_exceptions=False)
    assert ran.exit_code == 0, ran.output
    lines = ran.output.splitlines()
    assert sum(line.startswith("all  ") for line in lines) == sum(line.startswith("no refit  ") for line in lines) == 4
    assert any(line.startswith("pairs at a refit: 2 of ") for line in lines)
    assert any(line.startswith("no refit: graph_gnn_embedding_drift") for line in lines)
    with database.read() as connection:
        names = set(connection.scalars(text("SELECT name FROM signal_registry")))
    assert sum(name.startswith("graph_gnn_embedding_drift") for name in names) == 2


def test_the_chance_to_find_an_effect_is_that_of_a_simulation() -> None:
    drawn = np.random.default_rng(0).normal(0.03, 0.08, (20_000, 120))
    t = drawn.mean(axis=1) / (drawn.std(axis=1, ddof=1) / np.sqrt(120))
    assert phase9.chance(120, 0.08, 400) == pytest.approx(np.mean(np.abs(t) > threshold(120, 400)), abs=0.012)
    assert phase9.chance(1, 0.08, 400) is None and phase9.chance(50, None, 400) is None


def test_without_a_graph_they_are_left_out(
    database: Database, told: Told, server: Database, template: Database
) -> None:
    assert available(database, FACTORS.values()) == list(FACTORS.values())
    empty = server.sibling(f"{database.url.database}_empty")
    with server.autocommit() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {empty.url.database} TEMPLATE {template.url.database}")
    from nexus.db import admin

    try:
        left = available(empty, factors().values())
    finally:
        admin.drop(empty)
    assert {factor.name for factor in factors().values()} - {factor.name for factor in left} == set(NAMES)
