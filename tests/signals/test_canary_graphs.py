"""The canary covers graphs and modules' outputs: honest factors of them pass, those that look ahead are caught."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from graph_cheats import CHEATS, HONEST
from made_rows import SUPPLY, edges, embedding, graph, put, some_run
from small_market import Market, close_of
from sqlalchemy import text

from nexus.db.engine import Database
from nexus.db.graph_store import write_graphs
from nexus.signals.canary import canaries
from nexus.signals.user import factors_in

EVERY = 20
"""Sessions from one snapshot to the next."""


@pytest.fixture(scope="module")
def filled(database: Database, market: Market) -> Market:
    """Snapshots and outputs through three years, of two chunks: trained to sessions 100 and 500."""
    random = np.random.default_rng(5)
    days = [market.day(place) for place in range(0, len(market.days), EVERY)]
    with database.write() as connection:
        load_id = int(connection.scalar(text("SELECT max(load_id) FROM loads")))
        graphs = [drawn(random, market, day) for day in days]
        closes = {day: close_of(day).to_pydatetime() for day in days}
        write_graphs(connection, graphs, builder="test", load_id=load_id, closes=closes)
    run = some_run(database, load_id)
    for chunk, trained in enumerate((market.day(100), market.day(500))):
        for day in days:
            write(database, market, random, day, chunk, trained, run)
    return market


def drawn(random: np.random.Generator, market: Market, day: date) -> Any:
    pairs = np.argwhere(random.random((len(market.companies),) * 2) < 0.2) + market.companies[0]
    return graph(day, market.companies, {SUPPLY: edges([tuple(pair) for pair in pairs])}, "g")


def write(
    database: Database, market: Market, random: np.random.Generator, day: date, chunk: int, trained: date, run: UUID
) -> None:
    known = max(close_of(day), close_of(trained)).to_pydatetime()
    stamps = {"as_of": day, "model_version": "m", "chunk": chunk, "known_at": known, "run_id": run}
    figures = ("eigenvector", "betweenness", "clustering", "katz", "pagerank")
    vectors, scores, central, why = [], [], [], []
    for company in market.companies:
        own = {"company_id": company, **stamps}
        vector = random.standard_normal(4).tolist()
        vectors.append(embedding(company, day, known, run, vector, chunk=chunk, trained_to=trained))
        learned = {"score": random.random() - 0.5, "probability": random.random(), "split": "test"}
        scores.append({**own, **learned, "trained_to": trained})
        counted = {"degree": 1, "k_core": 1, "degrees": {}, "graph_version": "g", "split": "none"}
        central.append({**own, **counted, **{name: random.random() for name in figures}, "known_at": close_of(day)})
        why.append({**own, "module": "M", "feature": "f", "attribution": random.random()})
    put(database, "node_embeddings", vectors)
    put(database, "graph_predictions", scores)
    put(database, "explanations", why)
    if chunk == 0:
        put(database, "centrality_history", central)


def test_honest_graph_factors_pass_and_cheats_are_caught(database: Database, filled: Market) -> None:
    factors = factors_in(Path(__file__).with_name("graph_cheats.py"))
    days = [filled.day(430), filled.day(705)]
    results = {result.factor.name: result for result in canaries(database, list(factors.values()), days)}
    assert set(results) == {*HONEST, *CHEATS}
    for name in HONEST:
        assert results[name].passed, str(results[name])
        assert results[name].compared >= 50
    for name in CHEATS:
        assert results[name].moved > 0, name
