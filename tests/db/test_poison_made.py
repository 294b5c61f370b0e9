"""Poison reaches graphs and outputs: what is known at t stays, row by row, and nothing after it does."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from made_rows import SUPPLY, edges, embedding, graph, put, some_loads, some_run
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from world import CALENDAR, CLOSES, DAYS, World

from nexus.db.engine import Database
from nexus.db.graph_store import Snapshots, write_graphs
from nexus.db.panel import Panel
from nexus.db.poison import disarm, poison
from nexus.db.tables import OUTPUTS

pytestmark = pytest.mark.usefixtures("configured")
AT = dict(zip(DAYS, CLOSES, strict=True))
EARLY, LATE = DAYS[4], DAYS[8]
ARRAYS = ("graph_node_arrays", "graph_edge_arrays")


@pytest.fixture(scope="module")
def world(database: Database) -> World:
    """Snapshots and outputs of every day, of two chunks, the second trained to day 3."""
    made = World(database, n_companies=16)
    (load_id,) = some_loads(database, 1)
    run = some_run(database, load_id)
    random = np.random.default_rng(3)

    def drawn(day: date, name: str) -> Any:
        pairs = np.argwhere(random.random((16, 16)) < 0.3) + made.companies[0]
        return graph(day, made.companies, {SUPPLY: edges([tuple(pair) for pair in pairs])}, name)

    with database.write() as connection:
        graphs = [drawn(day, name) for day in DAYS for name in ("one", "two")]
        write_graphs(connection, graphs, builder="test", load_id=load_id, closes=AT)
    for chunk, trained in ((0, DAYS[0]), (1, DAYS[3])):
        for day in DAYS:
            fill(
                made, run, random, day, {"chunk": chunk, "known_at": max(AT[day], AT[trained]), "run_id": run}, trained
            )
    return made


def fill(made: World, run: Any, random: np.random.Generator, day: date, stamps: dict[str, Any], trained: date) -> None:
    own = {"as_of": day, "model_version": "m", **stamps}
    learned = {"split": "test", "trained_to": trained}
    figures = ("eigenvector", "betweenness", "clustering", "katz", "pagerank")
    rows: dict[str, list[dict[str, Any]]] = {table: [] for table in OUTPUTS}
    for company in made.companies:
        own["company_id"] = company
        values = {name: float(random.random()) for name in figures}
        more = {"degree": 2, "k_core": 1, "degrees": {"a": 1}, "graph_version": "g", "split": "none"}
        rows["centrality_history"].append({**own, **values, **more})
        rows["graph_predictions"].append({**own, **learned, "score": random.random(), "probability": random.random()})
        rows["explanations"].append({**own, "module": "M", "feature": "f", "attribution": random.random()})
        vector = random.standard_normal(3).tolist()
        rows["node_embeddings"].append(
            embedding(company, day, stamps["known_at"], run, vector, **learned, chunk=stamps["chunk"])
        )
    for table, listed in rows.items():
        put(made.database, table, [{k: v for k, v in row.items() if k in OUTPUTS[table].columns} for row in listed])


def rows(database: Database, comparison: str, day: date) -> dict[str, Counter[str]]:
    """Rows known up to (<=) or after (>) the close of `day`, as text; arrays by their snapshot."""
    found = {}
    with database.read() as connection:
        for table in ("graph_snapshots", *OUTPUTS, *ARRAYS):
            joined = "JOIN graph_snapshots USING (snapshot_date, graph_version)" if table in ARRAYS else ""
            statement = f"SELECT {table}::text FROM {table} {joined} WHERE known_at {comparison} :close"
            found[table] = Counter(connection.scalars(text(statement), {"close": AT[day]}))
    return found


def seen(world: World, day: date) -> list[Any]:
    """All that an honest reader at the close can read of it."""
    inputs = ["graph_snapshots.one", "node_embeddings.m", "graph_predictions.m", "centrality_history.katz"]
    panel = Panel.open(
        world.database, start=DAYS[0], end=DAYS[-1], inputs=inputs, calendar=CALENDAR, companies=world.companies
    )
    view = panel.at(day)
    arrays = [*view.embeddings("m", 9), *view.centrality("katz", 9), view.predictions("m")]
    return [[one.content_hash for one in view.graphs("one", 9)], *(array.tobytes() for array in arrays)]


def test_what_is_known_stays_and_nothing_after_it(world: World) -> None:
    database = world.database
    with pytest.raises(DBAPIError, match=r"insert-only|was not opened"):
        poison(database, CALENDAR, LATE)
    days = (LATE, EARLY)
    before = {day: seen(world, day) for day in days}
    original = {day: (rows(database, "<=", day), rows(database, ">", day)) for day in days}
    disarm(database)
    for day, until in ((LATE, None), (EARLY, LATE)):
        poison(database, CALENDAR, day, until)
        known, after = original[day]
        assert rows(database, "<=", day) == known
        poisoned = rows(database, ">", day)
        for table, there in poisoned.items():
            assert sum(there.values()) > 0, table
            left = there & after[table]
            assert sum(left.values()) == 0, (table, left.most_common(1))
        assert seen(world, day) == before[day]


def test_what_never_was_is_newer_and_better_than_what_was(world: World) -> None:
    """After the poison of the test before: a reader who does not ask when it was known takes what was invented."""
    moment = AT[EARLY] + timedelta(microseconds=1)

    def only(statement: str, **more: Any) -> list[Any]:
        with world.database.read() as connection:
            return list(connection.scalars(text(statement), {"moment": moment, "day": EARLY, **more}))

    heads = "SELECT snapshot_date FROM graph_snapshots WHERE graph = 'one' AND known_at = :moment ORDER BY 1"
    assert only(heads) == [EARLY, EARLY + timedelta(61)]
    best = Snapshots.open(world.database, "one", end=EARLY).at(EARLY)
    assert best.version.endswith("!")
    trained = only("SELECT DISTINCT trained_to FROM node_embeddings WHERE known_at = :moment AND chunk > 999")
    assert trained == [EARLY - timedelta(1)]
    later = only("SELECT DISTINCT as_of FROM graph_predictions WHERE known_at = :moment AND chunk < 999")
    assert later == [EARLY + timedelta(61)]
    companies = only("SELECT DISTINCT company_id FROM node_embeddings WHERE snapshot_date > :day")
    assert 0 < len(companies) < len(world.companies)


def test_a_poisoned_snapshot_can_still_be_read(world: World) -> None:
    """Every edge still ends at a node: a cheat is given wrong scores, not an error."""
    for made in Snapshots.open(world.database, "two").last(datetime.max.date(), 99):
        for (source, _, target), one in made.edges.items():
            made.places(source, one.src)
            made.places(target, one.dst)
