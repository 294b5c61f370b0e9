"""Graphs, embeddings, centrality and predictions through a panel: what is known at the close, and no more."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from made_rows import SUPPLY, edges, embedding, graph, put, some_loads, some_run
from numpy.testing import assert_array_equal
from world import CALENDAR, CLOSES, DAYS, World

from nexus.db.engine import Database
from nexus.db.graph import Graph
from nexus.db.graph_store import write_graphs
from nexus.db.inputs import check_inputs
from nexus.db.panel import Panel
from nexus.errors import InputError

pytestmark = pytest.mark.usefixtures("configured")
N_COMPANIES, DIM = 4, 3
AT = dict(zip(DAYS, CLOSES, strict=True))


class Made(World):
    """A world whose graphs, runs and outputs carry its own names, so that tests share a database."""

    def __init__(self, database: Database, tiers: tuple[str | None, ...] = ("A", "A", "A")) -> None:
        super().__init__(database, n_companies=N_COMPANIES)
        self.name = self.sources[0].replace(" ", "-")
        self.loads = some_loads(database, len(tiers))
        self.runs = [some_run(database, load_id, tier) for load_id, tier in zip(self.loads, tiers, strict=True)]

    def snapshots(self, *days: date, load: int = 0, late: timedelta = timedelta(), **more: Any) -> list[Graph]:
        made = [graph(day, self.companies, name=self.name, **more) for day in days]
        with self.database.write() as connection:
            closes = {day: AT[day] + late for day in days}
            write_graphs(connection, made, builder=f"{late.microseconds} late", load_id=self.loads[load], closes=closes)
        return made

    def panel(self, *inputs: str, **more: Any) -> Panel:
        terms = {"start": DAYS[0], "end": DAYS[-1], "calendar": CALENDAR, **more}
        return Panel.open(self.database, inputs=inputs, **terms)


@pytest.fixture
def made(database: Database) -> Made:
    return Made(database)


def test_declared_inputs_are_checked() -> None:
    with pytest.raises(InputError, match='centrality_history has no "pagerenk"; did you mean "pagerank"'):
        check_inputs(["centrality_history.pagerenk"])
    with pytest.raises(InputError, match=r'no readable table "node_embedding"; did you mean "node_embeddings"'):
        check_inputs(["node_embedding.hgt-1"])
    with pytest.raises(InputError, match=r'name what is read of it, as in "graph_snapshots.<graph>"'):
        check_inputs(["graph_snapshots"])
    names = ("centrality_history.katz", "graph_predictions.r-1.2", "graph_snapshots.monthly", "node_embeddings.h-1.0")
    assert check_inputs(names).names == names


def test_graphs_end_at_the_day(made: Made) -> None:
    put_in = made.snapshots(*DAYS[2:9:2])
    panel = made.panel(f"graph_snapshots.{made.name}")
    assert panel.companies.tolist() == made.companies
    assert panel.at(DAYS[5]).graph(made.name).content_hash == put_in[1].content_hash
    assert [one.day for one in panel.at(DAYS[5]).graphs(made.name, 2)] == [np.datetime64(d) for d in (DAYS[2], DAYS[4])]
    assert len(panel.at(DAYS[5]).graphs(made.name, 9)) == 2
    assert panel.at(DAYS[1]).graphs(made.name, 3) == []
    with pytest.raises(InputError, match=f'"{made.name}": no snapshot is known on 2020-01-03'):
        panel.at(DAYS[1]).graph(made.name)
    with pytest.raises(InputError, match=r'"graph_snapshots.other" is not among the declared inputs'):
        panel.at(DAYS[1]).graph("other")
    read = panel.at(DAYS[5]).graph(made.name).nodes["company"]
    assert read.base is None and not read.flags.writeable


def test_a_better_snapshot_of_a_day_is_unknown_until_it_is(made: Made) -> None:
    """Another builder's, known a moment after the close: neither it nor a gap is seen at the close."""
    (first,) = made.snapshots(DAYS[4])
    (second,) = made.snapshots(
        DAYS[4], late=timedelta(microseconds=1), kinds={SUPPLY: edges([tuple(made.companies[:2])])}
    )
    assert first.content_hash != second.content_hash
    panel = made.panel(f"graph_snapshots.{made.name}")
    assert panel.at(DAYS[4]).graph(made.name).content_hash == first.content_hash
    assert panel.at(DAYS[5]).graph(made.name).content_hash == second.content_hash


def test_a_later_load_is_seen_only_by_who_asks_for_it(made: Made) -> None:
    (old,) = made.snapshots(DAYS[4], load=0)
    name = f"graph_snapshots.{made.name}"
    before = made.panel(name)
    (new,) = made.snapshots(DAYS[4], load=1, kinds={SUPPLY: edges([tuple(made.companies[:2])])})
    assert made.panel(name).at(DAYS[4]).graph(made.name).content_hash == new.content_hash
    again = made.panel(name, load_id=made.loads[0])
    assert again.at(DAYS[4]).graph(made.name).content_hash == old.content_hash
    assert again.fingerprint == made.panel(name, load_id=made.loads[0]).fingerprint
    assert before.fingerprint != made.panel(name).fingerprint


Row = dict[str, Any]


def random_rows(made: Made, random: np.random.Generator) -> list[Row]:
    """Embeddings of four chunks, each trained further than the last; known at the close, or when they were trained."""
    rows = []
    for chunk, trained in enumerate(sorted(random.choice(len(DAYS), 4))):
        for row, day in enumerate(DAYS):
            if random.random() < 0.3:
                continue
            known = max(AT[day], AT[DAYS[trained]]) if random.random() < 0.8 else AT[DAYS[random.integers(len(DAYS))]]
            for company in made.companies:
                if random.random() < 0.8:
                    stamps = {"chunk": chunk, "trained_to": DAYS[trained], "model_version": made.name}
                    run = made.runs[int(random.integers(3))]
                    rows.append(embedding(company, day, known, run, random.standard_normal(DIM).tolist(), **stamps))
            del row
    return rows


def plain(rows: list[Row], loads: dict[UUID, int], load_id: int, day: date, n: int) -> dict[date, dict[int, Any]]:
    """The rule, spelled out: what is known, then the one chunk with the latest training, then its newest days."""
    known = [
        row
        for row in rows
        if row["known_at"] <= AT[day] and row["snapshot_date"] <= day and loads[row["run_id"]] <= load_id
    ]
    trained = [(row["trained_to"], row["chunk"]) for row in known if row["trained_to"] < day]
    if not trained:
        return {}
    chosen = [row for row in known if (row["trained_to"], row["chunk"]) == max(trained)]
    days = sorted({row["snapshot_date"] for row in chosen})[-n:]
    return {d: {r["company_id"]: r["embedding"] for r in chosen if r["snapshot_date"] == d} for d in days}


@pytest.mark.parametrize("seed", range(6))
def test_embeddings_are_those_of_the_slow_twin(database: Database, seed: int) -> None:
    made, random = Made(database), np.random.default_rng(seed)
    rows = random_rows(made, random)
    put(database, "node_embeddings", rows)
    loads = dict(zip(made.runs, made.loads, strict=True))
    seen = 0
    for load_id in made.loads:
        panel = made.panel(f"node_embeddings.{made.name}", load_id=load_id, companies=made.companies)
        for day in DAYS:
            for n in (1, 2, 5):
                expected = plain(rows, loads, load_id, day, n)
                days, vectors = panel.at(day).embeddings(made.name, n)
                assert days.tolist() == list(expected)
                for place, (_, told) in enumerate(expected.items()):
                    for column, company in enumerate(made.companies):
                        wanted = told.get(company, [np.nan] * DIM)
                        assert_array_equal(vectors[place, column], np.float32(wanted))
                seen += len(days)
                assert vectors.base is None or not vectors.flags.writeable
                assert vectors.shape[1] == N_COMPANIES
    assert seen > 100


def test_the_companion_of_the_training_window_makes_the_first_pair(made: Made) -> None:
    """Trained to day 4, which the chunk embeds too: the day after has both, of the same weights."""
    stamps = {"model_version": made.name, "chunk": 0, "trained_to": DAYS[0]}
    older = [embedding(made.companies[0], day, AT[day], made.runs[0], [1.0, float(row)], **stamps)
             for row, day in enumerate(DAYS) if row > 0]  # fmt: skip
    stamps |= {"chunk": 1, "trained_to": DAYS[4]}
    newer = [embedding(made.companies[0], DAYS[row], AT[DAYS[row]], made.runs[0], [2.0, float(row)], **stamps)
             for row in (4, 5, 6)]  # fmt: skip
    put(made.database, "node_embeddings", [*older, *newer])
    panel = made.panel(f"node_embeddings.{made.name}")
    assert panel.at(DAYS[4]).embeddings(made.name, 2)[1].tolist() == [[[1.0, 3.0]], [[1.0, 4.0]]]
    assert panel.at(DAYS[5]).embeddings(made.name, 2)[1].tolist() == [[[2.0, 4.0]], [[2.0, 5.0]]]
    assert panel.at(DAYS[0]).embeddings(made.name, 2)[1].shape == (0, 1, 2)
    with pytest.raises(InputError, match="0 days of a module's rows: ask for one at least"):
        panel.at(DAYS[4]).embeddings(made.name, 0)


def test_chunks_may_differ_in_dimension(made: Made) -> None:
    company, run = made.companies[0], made.runs[0]
    put(made.database, "node_embeddings", [
        embedding(company, DAYS[2], AT[DAYS[2]], run, [1.0], model_version=made.name, chunk=0, trained_to=DAYS[1]),
        embedding(company, DAYS[5], AT[DAYS[5]], run, [2.0, 3.0], model_version=made.name, chunk=1, trained_to=DAYS[4]),
    ])  # fmt: skip
    panel = made.panel(f"node_embeddings.{made.name}")
    assert panel.at(DAYS[3]).embeddings(made.name)[1].tolist() == [[[1.0]]]
    assert panel.at(DAYS[5]).embeddings(made.name)[1].tolist() == [[[2.0, 3.0]]]


def centrality(made: Made, company: int, day: date, pagerank: float, run: UUID, **more: Any) -> Row:
    figures = {name: 0.0 for name in ("eigenvector", "betweenness", "clustering", "katz")}
    row = {"company_id": company, "as_of": day, "model_version": "centrality-9", "chunk": 0, "graph_version": "none"}
    stamps = {"split": "none", "known_at": AT[day], "run_id": run}
    return {**row, **figures, "degree": 1, "degrees": {}, "k_core": 1, "pagerank": pagerank, **stamps, **more}


def test_centrality_is_of_the_newest_version(made: Made) -> None:
    first, second = made.companies[:2]
    rows = [centrality(made, first, day, float(row), made.runs[0]) for row, day in enumerate(DAYS)]
    rows.append(centrality(made, second, DAYS[5], 50.0, made.runs[0]))
    put(made.database, "centrality_history", rows)
    names = "centrality_history.pagerank", "centrality_history.degree"
    panel = made.panel(*names, companies=made.companies[:2])
    days, values = panel.at(DAYS[6]).centrality("pagerank", 3)
    assert days.tolist() == DAYS[4:7]
    assert_array_equal(values, [[4.0, np.nan], [5.0, 50.0], [6.0, np.nan]])
    assert_array_equal(panel.at(DAYS[0]).centrality("degree")[1], [[1.0, np.nan]])
    newer = [centrality(made, first, DAYS[3], -1.0, made.runs[1], model_version="centrality-10")]
    put(made.database, "centrality_history", newer)
    assert made.panel(*names).at(DAYS[6]).centrality("pagerank", 3)[1][:, 0].tolist() == [-1.0]
    old = made.panel(*names, load_id=made.loads[0], companies=made.companies[:2])
    assert_array_equal(old.at(DAYS[6]).centrality("pagerank", 3)[1], values)
    assert old.fingerprint == panel.fingerprint or panel.load_id != old.load_id


def prediction(made: Made, company: int, row: int, score: float, trained: int, chunk: int, run: int = 0) -> Row:
    known = AT[DAYS[max(row, trained)]]
    return {
        "company_id": company, "as_of": DAYS[row], "model_version": made.name, "chunk": chunk, "score": score,
        "probability": 0.5, "trained_to": DAYS[trained], "split": "test", "known_at": known, "run_id": made.runs[run],
    }  # fmt: skip


def test_predictions_of_one_chunk(made: Made) -> None:
    first, second = made.companies[:2]
    rows = [prediction(made, first, row, float(row), 0, 0) for row in range(1, 9)]
    rows += [prediction(made, second, row, 100.0 + row, 4, 1) for row in (2, 5)]
    put(made.database, "graph_predictions", rows)
    panel = made.panel(f"graph_predictions.{made.name}")
    assert_array_equal(panel.at(DAYS[0]).predictions(made.name), [np.nan, np.nan])
    assert_array_equal(panel.at(DAYS[4]).predictions(made.name), [4.0, np.nan])
    assert_array_equal(panel.at(DAYS[7]).predictions(made.name), [np.nan, 105.0])


def test_nothing_stale_is_served(made: Made) -> None:
    """Rewritten in place, by the same run at the same load: the next panel has the new values, and says so."""
    row = prediction(made, made.companies[0], 3, 0.25, 0, 0)
    name = f"graph_predictions.{made.name}"
    put(made.database, "graph_predictions", [row])
    before = made.panel(name)
    assert made.panel(name).fingerprint == before.fingerprint
    put(made.database, "graph_predictions", [row | {"score": 0.5}])
    after = made.panel(name)
    assert after.load_id == before.load_id
    assert after.fingerprint != before.fingerprint
    assert (before.at(DAYS[4]).predictions(made.name)[0], after.at(DAYS[4]).predictions(made.name)[0]) == (0.25, 0.5)


def test_tiers_come_from_what_was_read(database: Database) -> None:
    """A graph by its snapshots; an output by its run, and by the snapshots that it is of."""
    made = Made(database, ("A", "B", None))
    company = made.companies[0]
    made.snapshots(DAYS[1], tier="A")
    name = f"graph_snapshots.{made.name}"
    assert made.panel(name).tier == "A"
    made.snapshots(DAYS[2], tier="C")
    assert (made.panel(name).tier, made.panel(name, end=DAYS[1]).tier) == ("C", "A")
    version = f"{made.name}.0 late@{made.loads[0]}"
    rows = [
        embedding(company, DAYS[row], AT[DAYS[row]], made.runs[row - 1], [1.0], model_version=f"{made.name}/{row}",
                  graph_version=version)
        for row in (1, 2, 3)
    ]  # fmt: skip
    put(database, "node_embeddings", rows)
    tiers = [made.panel(f"node_embeddings.{made.name}/{row}").tier for row in (1, 2, 3)]
    assert tiers == ["A", "C", "C"]  # the third: neither its run nor its snapshot tells
    both = made.panel(name, f"node_embeddings.{made.name}/1")
    assert (both.tier, both.tier_of([f"node_embeddings.{made.name}/1"])) == ("C", "A")
    assert both.missing == ()
    assert made.panel("node_embeddings.unheard-of").missing == ("node_embeddings.unheard-of",)


def test_beside_prices_the_axis_is_that_of_the_prices(made: Made) -> None:
    bars = [
        {"company_id": made.companies[place], "session": DAYS[row], "source": made.sources[0],
         "known_at": CLOSES[row], "close": 10.0, "volume": 1.0}
        for place in (1, 3) for row in range(len(DAYS))
    ]  # fmt: skip
    made.load("prices", bars)
    made.snapshots(DAYS[2])
    rows = [embedding(company, DAYS[3], CLOSES[3], made.runs[0], [float(company)], model_version=made.name)
            for company in made.companies]  # fmt: skip
    put(made.database, "node_embeddings", rows)
    inputs = "prices.close", f"graph_snapshots.{made.name}", f"node_embeddings.{made.name}"
    panel = made.panel(*inputs, sources=made.sources)
    asked = [made.companies[1], made.companies[3]]
    assert panel.companies.tolist() == asked
    assert panel.at(DAYS[4]).embeddings(made.name)[1][0, :, 0].tolist() == asked
    assert panel.at(DAYS[4]).graph(made.name).nodes["company"].tolist() == made.companies
    with pytest.raises(InputError, match="is not among the declared inputs"):
        panel.blind(["prices.close"]).at(DAYS[4]).graph(made.name)
