"""Embeddings month by month through the database: point in time, resumed after a kill, and done once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner, Result
from graph.node_market import UNIVERSE, NodeMarket, build_market, own_settings
from sqlalchemy import text

from nexus.contract.params import write_best_params
from nexus.contract.reading import Calendar, chunks_of, read_prediction
from nexus.contract.runner import restore
from nexus.contract.splits import SINGLE_FIT, Plan
from nexus.db.engine import Database
from nexus.db.graph import EdgeType, Graph
from nexus.db.graph_store import Snapshots
from nexus.db.panel import Panel
from nexus.errors import InputError
from nexus.graph.backfill import backfill
from nexus.graph.gnn.data import HISTORY, tensors
from nexus.graph.gnn.trainer import HGT
from nexus.graph.gnn.verdicts import link_verdicts, sentences
from nexus.graph.gnn.weights import WEIGHTS
from nexus.settings import settings
from research._validate_embeddings import main as validate

PLAN = Plan(first_train_months=15, validation_months=6, test_months=6)
PARAMS = {"hidden": 16, "heads": 2, "epochs": 3}
ARGUMENTS = [
    "--train-months", "15", "--validation-months", "6", "--test-months", "6", "--set", "hidden=16", "--set", "heads=2",
    "--epochs", "3",
]  # fmt: skip
KEY = ["snapshot_date", "chunk", "company_id"]


@pytest.fixture(scope="module")
def market(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeMarket]:
    with own_settings(database, tmp_path_factory.mktemp("home")):
        yield build_market(database, listed=30, sessions=860)


def run(*more: str) -> Result:
    done = CliRunner().invoke(backfill, [*ARGUMENTS, *more], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done


def rows(database: Database) -> pd.DataFrame:
    with database.read() as connection:
        found = pd.DataFrame(connection.execute(text("SELECT * FROM node_embeddings")).mappings())
    return found.sort_values(KEY, ignore_index=True) if len(found) else found


@pytest.fixture(scope="module")
def filled(market: NodeMarket) -> tuple[str, pd.DataFrame]:
    """What an uninterrupted backfill says and writes."""
    output = run().output
    return output, rows(market.database)


def test_without_snapshots_it_says_what_to_do(template: Database, server: Database) -> None:
    from nexus.db import admin

    name = f"nexus_test_bare_{os.getpid()}"
    with server.autocommit() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template.url.database}"))
    bare = server.sibling(name)
    try:
        with pytest.raises(InputError, match="no rows; run `nexus graph snapshots` first"):
            chunks_of(bare, HGT, PLAN)
    finally:
        admin.drop(bare)


def test_every_test_month_and_the_month_before_is_embedded_by_weights_that_had_not_seen_it(
    market: NodeMarket, filled: tuple[str, pd.DataFrame]
) -> None:
    _, found = filled
    chunks = chunks_of(market.database, HGT, PLAN)
    assert len(chunks) >= 3
    snapshots = Snapshots.open(market.database, "monthly")
    for chunk in chunks:
        mine = found[found["chunk"] == chunk.number]
        assert sorted(set(mine["snapshot_date"])) == sorted({chunk.companion, *chunk.test})
        assert set(mine["trained_to"]) == {chunk.trained_to}
        tested = mine[mine["split"] == "test"]
        assert set(tested["snapshot_date"]) == set(chunk.test) and (tested["snapshot_date"] > chunk.trained_to).all()
        for day, rows_of in mine.groupby("snapshot_date"):
            assert sorted(rows_of["company_id"]) == snapshots.at(day).nodes["company"].tolist()
            assert set(rows_of["graph_version"]) == {snapshots.at(day).version}
    days = [day for chunk in chunks for day in chunk.test]
    assert days == sorted(set(days)) and days[-1] == market.days[-1]
    assert set(found["embedding_dim"]) == {16} and np.isfinite(np.stack(found["embedding"])).all()
    assert (np.stack(found["embedding"]).std(axis=0) > 1e-6).any()


def test_it_says_how_each_edge_type_was_judged(market: NodeMarket, filled: tuple[str, pd.DataFrame]) -> None:
    output, _ = filled
    verdicts = link_verdicts(market.database, PLAN, params=PARAMS, seed=0)
    assert {"supplies", "holds", "board", "correlation"} <= {one.edge_type[1] for one in verdicts}
    assert all(sentence in output for sentence in sentences(verdicts))
    for one in verdicts:
        assert one.n_new == 0 or one.sentence in output
        assert "-".join(one.edge_type) in output
        assert one.verdict != "pass" or (one.auc >= 0.6 and one.interval[0] > 0 and one.n_new >= 50)
    (supply,) = [one for one in verdicts if one.edge_type == ("company", "supplies", "company")]
    assert supply.n_new == new_edges(market, supply.edge_type)
    (sector,) = [one for one in verdicts if one.edge_type == ("company", "sector", "company")]
    assert sector.verdict == "undecidable" and "the graph is static" in sector.sentence


def new_edges(market: NodeMarket, edge_type: tuple[str, str, str]) -> int:
    """Of the test months of all chunks, counted over sets."""
    snapshots, count = Snapshots.open(market.database, "monthly"), 0
    for chunk in chunks_of(market.database, HGT, PLAN):
        for day in chunk.test:
            later = [each for each in market.days if each > day]
            if later:
                before, after = snapshots.at(day), snapshots.at(later[0])
                old, new = (
                    set(zip(graph.edges[edge_type].src.tolist(), graph.edges[edge_type].dst.tolist(), strict=True))
                    for graph in (before, after)
                )
                there = set(before.nodes["company"].tolist())
                count += sum(a in there and b in there for a, b in new - old)
    return count


def test_a_second_run_has_nothing_to_do(market: NodeMarket, filled: tuple[str, pd.DataFrame]) -> None:
    before = filled[1]
    begun = time.perf_counter()
    params, done = run().output.splitlines()
    assert params == "hgt: parameters are the module's defaults: epochs=3, heads=2, hidden=16"
    assert done.startswith("nothing to do: ") and time.perf_counter() - begun < 30
    built, _, done = run("--build").output.splitlines()
    assert built.startswith(f"monthly: 0 written, {len(market.days)} unchanged") and done.startswith("nothing to do: ")
    pd.testing.assert_frame_equal(rows(market.database), before)


def test_the_weights_of_the_latest_chunk_are_left_with_their_run(
    market: NodeMarket, filled: tuple[str, pd.DataFrame]
) -> None:
    saved = torch.load(settings().home / "models" / WEIGHTS, weights_only=True)
    about, last = json.loads(saved["about"]), chunks_of(market.database, HGT, PLAN)[-1]
    assert about["chunk"] == last.number and about["trained_to"] == str(last.trained_to)
    with market.database.read() as connection:
        row = connection.execute(
            text("SELECT module, model_version, status FROM model_runs WHERE run_id = :run"), {"run": about["run_id"]}
        ).one()
    assert tuple(row) == ("hgt", "hgt-1", "done")
    state = HGT.build({**json.loads(saved["params"]), "device": "cpu"})
    state.network.load_state_dict(saved["network"])
    snapshots = Snapshots.open(market.database, "monthly")
    *previous, graph = snapshots.last(last.test[0], HISTORY + 1)
    (embedded,) = HGT.embeddings(state, [tensors(graph, previous)])
    written = filled[1]
    mine = written[(written["chunk"] == last.number) & (written["snapshot_date"] == last.test[0])]
    assert np.array_equal(np.stack(mine["embedding"]).astype(np.float32), embedded["company"])


def test_a_reader_sees_one_chunk_and_never_weights_of_its_future(
    market: NodeMarket, filled: tuple[str, pd.DataFrame]
) -> None:
    chunks = chunks_of(market.database, HGT, PLAN)
    panel = Panel.open(
        market.database, start=market.days[0], end=market.days[-1], inputs=["node_embeddings.hgt-1"]
    )  # fmt: skip
    days, vectors = panel.at(chunks[0].companion).embeddings("hgt-1", 2)
    assert not len(days)
    days, vectors = panel.at(chunks[1].test[0]).embeddings("hgt-1", 2)
    assert [day.item() for day in days] == [chunks[1].companion, chunks[1].test[0]]
    mine = filled[1][(filled[1]["chunk"] == 1) & (filled[1]["snapshot_date"] == chunks[1].companion)]
    places = np.searchsorted(panel.companies, mine["company_id"].to_numpy())
    assert np.array_equal(vectors[0, places].astype(np.float32), np.stack(mine["embedding"]).astype(np.float32))


def test_killed_in_the_middle_it_ends_with_the_same_rows_to_the_bit(
    market: NodeMarket, filled: tuple[str, pd.DataFrame], tmp_path: Path
) -> None:
    empty(market.database)
    command = [
        sys.executable, "-m", "nexus.graph.backfill", *ARGUMENTS, "--chunks", "0-1", "--no-verdicts", "--home",
        str(tmp_path),
    ]  # fmt: skip
    environment = {**os.environ, "NEXUS_THREADS": "1", "NEXUS_UNIVERSE": UNIVERSE}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and days_written(market.database) < 2:
        time.sleep(0.005)
    killed = process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    expected = filled[1][filled[1]["chunk"] <= 1].reset_index(drop=True)
    assert killed and 2 <= days_written(market.database) < len(expected[["chunk", "snapshot_date"]].drop_duplicates())
    finished = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    after = rows(market.database)
    assert after["run_id"].nunique() > expected["run_id"].nunique()
    pd.testing.assert_frame_equal(after.drop(columns="run_id"), expected.drop(columns="run_id"))


def test_a_single_fit_is_hidden_until_its_weights_are_known(
    market: NodeMarket, filled: tuple[str, pd.DataFrame]
) -> None:
    walked = rows(market.database)
    output = run("--single-fit").output
    assert "one late fit" in output and "hides them" in output
    found = rows(market.database)
    late = found[found["chunk"] == SINGLE_FIT]
    pd.testing.assert_frame_equal(found[found["chunk"] != SINGLE_FIT].reset_index(drop=True), walked)
    assert len(set(late["snapshot_date"])) > len(set(walked["snapshot_date"]))
    close = pd.Timestamp(late["trained_to"].iloc[0], tz="UTC")
    assert (late["known_at"] > close).all()
    day = chunks_of(market.database, HGT, PLAN)[0].test[2]
    panel = Panel.open(market.database, start=market.days[0], end=market.days[-1], inputs=["node_embeddings.hgt-1"])
    _, vectors = panel.at(day).embeddings("hgt-1")
    mine = walked[(walked["chunk"] == 0) & (walked["snapshot_date"] == day)]
    places = np.searchsorted(panel.companies, mine["company_id"].to_numpy())
    assert np.array_equal(vectors[0, places].astype(np.float32), np.stack(mine["embedding"]).astype(np.float32))


def without(graph: Graph, edge_type: EdgeType) -> Graph:
    return replace(graph, edges={kind: each for kind, each in graph.edges.items() if kind != edge_type})


def test_an_explanation_is_how_far_the_embedding_moves_without_an_edge_type(
    market: NodeMarket, filled: tuple[str, pd.DataFrame]
) -> None:
    chunk = chunks_of(market.database, HGT, PLAN)[0]
    state = restore(HGT, chunk, params=PARAMS).state
    day = chunk.test[0]
    panel = read_prediction(market.database, HGT, [day])
    told = HGT.explain(state, panel.blind(), day)
    told = told[~told["feature"].str.startswith("edge:")]
    graph = panel.at(day).graph("monthly")
    assert set(told["feature"]) == {"-".join(kind) for kind in graph.edges}
    assert not told.duplicated(["company_id", "feature"]).any()
    previous = panel.at(day).graphs("monthly", HISTORY + 1)[:-1]
    kind = ("company", "supplies", "company")
    (whole,) = HGT.embeddings(state, [tensors(graph, previous)])
    (less,) = HGT.embeddings(state, [tensors(without(graph, kind), [without(g, kind) for g in previous])])
    moved = np.linalg.norm(whole["company"] - less["company"], axis=1) / np.linalg.norm(whole["company"], axis=1)
    mine = told[told["feature"] == "company-supplies-company"].sort_values("company_id")
    np.testing.assert_allclose(mine["attribution"], moved, rtol=1e-4, atol=1e-6)
    assert moved.max() > 1e-3


def test_a_day_without_a_snapshot_has_nothing_to_say(market: NodeMarket, filled: tuple[str, pd.DataFrame]) -> None:
    chunk = chunks_of(market.database, HGT, PLAN)[0]
    state = restore(HGT, chunk, params=PARAMS).state
    panel = read_prediction(market.database, HGT, [chunk.test[0], chunk.test[1]])
    between = chunk.test[0] + timedelta(days=7)
    while np.datetime64(between) not in panel.sessions:
        between += timedelta(days=1)
    assert not len(HGT.predict(state, panel.blind(), between)) and not len(HGT.explain(state, panel.blind(), between))


def test_what_was_written_is_validated(
    market: NodeMarket, filled: tuple[str, pd.DataFrame], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEXUS_SECTORS", "SIM")
    settings.cache_clear()
    try:
        done = CliRunner().invoke(validate, ["--map", str(tmp_path / "map.png")])
    finally:
        monkeypatch.undo()
        settings.cache_clear()
    verdicts = {line.split()[1].rstrip(":"): line.split()[0] for line in done.output.splitlines() if line.isascii()}
    assert verdicts["norms"] == "PASS" and verdicts["peers"] == "UNDECIDABLE"
    assert verdicts["supply"] in ("PASS", "FAIL") and verdicts["sectors"] in ("PASS", "FAIL")
    assert done.exit_code == int("FAIL" in verdicts.values()) and (tmp_path / "map.png").exists()


def test_parameters_chosen_on_later_days_give_embeddings_that_no_earlier_day_sees(
    market: NodeMarket, filled: tuple[str, pd.DataFrame], tmp_path: Path
) -> None:
    """And no verdict: their test days are none. It writes other rows of the first chunk, so it comes last."""
    first, *_, last = chunks_of(market.database, HGT, PLAN)
    write_best_params(tmp_path, HGT, PARAMS, [last], loss=0.5)
    output = run("--home", str(tmp_path), "--chunks", "0", "--verdicts").output
    assert f"chose these parameters on data up to {last.trained_to}, test days of chunk 0 among them" in output
    assert "undecidable" not in output and "undecidable" in filled[0]
    found = rows(market.database)
    found = found[found["chunk"] == 0]
    assert set(found["snapshot_date"]) == set(first.predicted) and set(found["trained_to"]) == {last.trained_to}
    assert "test" not in set(found["split"])
    assert set(found["known_at"]) == {pd.Timestamp(Calendar.read(market.database).close(last.trained_to))}


def days_written(database: Database) -> int:
    with database.read() as connection:
        return int(connection.scalar(text("SELECT count(DISTINCT (chunk, snapshot_date)) FROM node_embeddings")) or 0)


def empty(database: Database) -> None:
    """As the owner may; the program never does."""
    with database.autocommit() as connection:
        connection.execute(text("TRUNCATE node_embeddings"))
