"""The runner on a real database: what is trained on, resumed, stamped, written, refused."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from contract import killed
from contract.children import Child, start
from contract.linear import LINEAR, Linear, Rows
from contract.plans import PLAN
from small_market import Market, close_of
from sqlalchemy import text

from nexus.contract.code import class_hash
from nexus.contract.fit import Epoch, fit
from nexus.contract.module import Module
from nexus.contract.params import settled
from nexus.contract.reading import Calendar, chunks_of, days_of, read_training
from nexus.contract.runner import Predicted, predict, restore, train, walk
from nexus.contract.splits import Chunk, Plan
from nexus.contract.torch import TorchState
from nexus.db.engine import Database
from nexus.db.load import begin_run, load
from nexus.db.panel import Observations, Panel
from nexus.errors import InputError


@pytest.fixture(scope="module")
def chunks(database: Database, market: Market) -> list[Chunk]:
    return chunks_of(database, LINEAR, PLAN)


def query(database: Database, statement: str, **parameters: Any) -> pd.DataFrame:
    with database.read() as connection:
        result = connection.execute(text(statement), parameters)
        return pd.DataFrame(result.all(), columns=list(result.keys()))


def written(database: Database, chunk: int, version: str = "linear-1") -> pd.DataFrame:
    return query(
        database,
        "SELECT * FROM graph_predictions WHERE model_version = :version AND chunk = :chunk ORDER BY as_of, company_id",
        chunk=chunk,
        version=version,
    )


def child(database: Database, home: Path, point: str, count: int = 0) -> Child:
    return start(killed.main, database, home, home / "told", point, count)


def test_chunks_end_with_the_data(database: Database, market: Market, chunks: list[Chunk]) -> None:
    days = days_of(database, LINEAR, PLAN)
    assert days[0] == date(2016, 1, 29)
    assert days[-1] == date(2019, 5, 31)  # June is not over
    assert [chunk.number for chunk in chunks] == [0, 1, 2, 3]
    assert chunks[-1].test[-1] == days[-1]


def test_a_training_is_a_run_with_its_figures(database: Database, chunks: list[Chunk], home: Path) -> None:
    told: list[Epoch] = []
    done = train(database, LINEAR, chunks[1], home=home, seed=5, params={"epochs": 5}, report=told.append)
    run = query(database, "SELECT * FROM model_runs WHERE run_id = :run", run=done.run_id).iloc[0]
    assert (run["module"], run["model_version"], run["status"], run["device"]) == ("linear", "linear-1", "done", "cpu")
    assert run["trained_to"] == chunks[1].trained_to and run["tier"] == "A"
    assert run["code_hash"] == class_hash(Linear, Module)
    assert run["params"] == {**settled(LINEAR, {"epochs": 5}), "seed": 5, "chunk": 1}
    assert run["metrics"] == done.metrics
    assert done.metrics["loss"] == done.loss == min(epoch.validation for epoch in told)
    assert done.metrics["weights"] == done.weights
    assert [epoch.number for epoch in told] == [1, 2, 3, 4, 5]
    assert [epoch.number for epoch in told if "correlation" in epoch.metrics] == [2, 4, 5]
    again = train(database, LINEAR, chunks[1], home=home, seed=5, params={"epochs": 5})
    assert not again.anew and (again.weights, again.run_id, again.loss) == (done.weights, done.run_id, done.loss)
    anew = train(database, LINEAR, chunks[1], home=home, seed=5, params={"epochs": 5}, fresh=True)
    assert anew.anew and anew.weights == done.weights and anew.run_id != done.run_id


def test_the_best_weights_are_the_ones_kept(database: Database, chunks: list[Chunk], home: Path) -> None:
    params = {"lr": 0.3, "epochs": 40, "patience": 4}
    told: list[Epoch] = []
    done = train(database, LINEAR, chunks[0], home=home, params=params, report=told.append)
    losses = [epoch.validation for epoch in told]
    assert done.best_epoch == int(np.argmin(losses)) + 1
    assert done.epochs == len(losses) == done.best_epoch + 4 < 40
    kept = restore(LINEAR, chunks[0], params=params, home=home)
    validation = LINEAR.examples(read_training(database, LINEAR, chunks[0]).validation, chunks[0].validation)
    assert LINEAR.loss(kept.state, validation) == done.loss == min(losses)
    assert kept.weights == done.weights
    # the same without a folder to save in, as a search of parameters does it
    examples = LINEAR.examples(read_training(database, LINEAR, chunks[0]).train, chunks[0].train)
    fitted = fit(LINEAR, examples, validation, {**settled(LINEAR, params), "seed": 0})
    assert LINEAR.loss(fitted.state, validation) == done.loss


@pytest.mark.parametrize(
    ("point", "count", "resumed"), [("epoch", 1, 1), ("step", 20, 2), ("best", 2, 1), ("epoch", 6, 6)]
)
def test_killed_and_resumed_the_weights_are_the_same_to_the_bit(
    database: Database, chunks: list[Chunk], home: Path, point: str, count: int, resumed: int
) -> None:
    whole = train(database, LINEAR, chunks[0], home=home / "whole")
    assert child(database, home, point, count).ended == -signal.SIGKILL
    assert not list(home.rglob("killed/**/finished.json"))
    assert child(database, home, "never").ended == 0
    assert (home / "told").read_text().split() == [whole.weights, str(resumed)]
    states = query(database, "SELECT status FROM model_runs ORDER BY started_at DESC LIMIT 2")["status"].tolist()
    assert states == ["done", "running"]


def test_examples_end_where_knowledge_ends(database: Database, chunks: list[Chunk], home: Path) -> None:
    """No panel shows what comes after its part's last label, so that no normaliser can know it."""
    spying = Spy()
    chunk = chunks[1]
    train(database, spying, chunk, home=home)
    calendar = Calendar.read(database)
    (train_panel, train_days), (validation_panel, validation_days) = spying.asked
    assert tuple(train_days) == chunk.train and tuple(validation_days) == chunk.validation
    assert train_panel.sessions[-1].astype(object) == calendar.later(chunk.train[-1], LINEAR.horizon)
    assert train_panel.sessions[-1].astype(object) < chunk.validation[0]
    assert validation_panel.sessions[-1].astype(object) == chunk.trained_to < chunk.test[0]
    assert train_panel.as_of == calendar.close(train_panel.sessions[-1].astype(object))
    assert validation_panel.as_of == calendar.close(chunk.trained_to)
    assert [len(each.labels) for each in spying.described] == [len(spying.made[0].labels)]


class Spy(Linear):
    """Notes what it is given."""

    version = "linear-spy"

    def __init__(self) -> None:
        self.asked: list[tuple[Panel, Sequence[date]]] = []
        self.made: list[Rows] = []
        self.described: list[Rows] = []

    def examples(self, data: Panel, days: Sequence[date]) -> Rows:
        self.asked.append((data, days))
        self.made.append(super().examples(data, days))
        return self.made[-1]

    def describe(self, examples: Rows) -> dict[str, Any]:
        self.described.append(examples)
        return super().describe(examples)


def test_other_code_other_days_and_other_data_are_not_mixed(
    database: Database, market: Market, chunks: list[Chunk], home: Path
) -> None:
    done = train(database, LINEAR, chunks[0], home=home)
    other = type("Other", (Changed,), {})()
    with pytest.raises(InputError, match=r"finished.json: made with another code, .* train again with --fresh"):
        train(database, other, chunks[0], home=home)
    with pytest.raises(InputError, match=r"best.pt: made with another code"):
        predict(database, other, chunks[0], home=home)
    later = chunks_of(database, LINEAR, Plan(start=date(2016, 3, 1), first_train_months=12, validation_months=6))
    with pytest.raises(InputError, match=r"best.pt: made with another chunk, 0: trained to 2017"):
        predict(database, LINEAR, later[0], home=home)
    with pytest.raises(InputError, match=r"linear: no checkpoint for chunk 0 with these parameters in .*train-best"):
        predict(database, LINEAR, chunks[0], home=home, params={"lr": 0.5})
    restate(database, market)
    on_more = train(database, LINEAR, chunks[0], home=home)
    assert on_more.anew and on_more.folder != done.folder
    assert on_more.weights == done.weights  # what became known later changes nothing
    assert not train(database, LINEAR, chunks[0], home=home, load_id=market_load(database)).anew


def restate(database: Database, market: Market) -> None:
    """A correction of an early price, known long after."""
    day = market.day(100)
    row = {"company_id": market.companies[0], "session": day, "known_at": close_of(market.day(890)), "close": 1.0}
    row |= dict.fromkeys(("open", "high", "low"), 1.0) | {"volume": 5.0}
    rows = pa.Table.from_pandas(pd.DataFrame([row]), preserve_index=False)
    done = load(database, begin_run(database, "test"), "prices", rows, source="test", file=None, known_at_given=True)
    assert done.rejected == 0


def market_load(database: Database) -> int:
    """The load before the last."""
    with database.read() as connection:
        return int(connection.scalar(text("SELECT max(load_id) - 1 FROM loads")))


class Changed(Linear):
    """Of another file by its bases: this one."""


def test_rows_are_stamped(database: Database, market: Market, chunks: list[Chunk], home: Path) -> None:
    chunk = chunks[1]
    train(database, LINEAR, chunk, home=home)
    done = predict(database, LINEAR, chunk, home=home)
    rows = written(database, 1)
    assert done.days == len(chunk.predicted) == rows["as_of"].nunique()
    assert done.rows == len(rows) > 150
    assert set(rows["run_id"]) == {done.run_id} and set(rows["trained_to"]) == {chunk.trained_to}
    split = rows.drop_duplicates("as_of").set_index("as_of")["split"].to_dict()
    assert split == {chunk.companion: "validation", **dict.fromkeys(chunk.test, "test")}
    known = rows.drop_duplicates("as_of").set_index("as_of")["known_at"].to_dict()
    assert known[chunk.companion] == close_of(chunk.trained_to)
    assert all(known[day] == close_of(day) for day in chunk.test)
    run = query(database, "SELECT * FROM model_runs WHERE run_id = :run", run=done.run_id).iloc[0]
    assert run["status"] == "done" and run["metrics"] == {"days": done.days, "rows": done.rows, "silent": 0}
    assert run["params"]["weights"] == train(database, LINEAR, chunk, home=home).weights


def test_predicting_twice_changes_nothing_and_other_weights_everything(
    database: Database, chunks: list[Chunk], home: Path
) -> None:
    chunk = chunks[2]
    train(database, LINEAR, chunk, home=home)
    beyond = chunk.train[-3:]
    first = predict(database, LINEAR, chunk, home=home, days=(*beyond, *chunk.predicted))
    before = written(database, 2)
    kept = predict(database, LINEAR, chunk, home=home)
    assert kept == Predicted(2, 0, len(chunk.predicted), 0, 0, None)
    again = predict(database, LINEAR, chunk, home=home, days=(*beyond, *chunk.predicted), again=True)
    assert (again.days, again.rows) == (first.days, 0)
    pd.testing.assert_frame_equal(before, written(database, 2))
    train(database, LINEAR, chunk, home=home, seed=1)
    other = predict(database, LINEAR, chunk, home=home, seed=1)
    after = written(database, 2)
    assert other.days == first.days and other.rows == len(before) == len(after)
    assert not (before["score"] == after["score"]).any()
    assert set(after["run_id"]) == {other.run_id}


class Picky(Linear):
    """Says something of those alone that it holds to be above the middle."""

    version = "picky-1"

    def predict(self, state: TorchState, data: Observations, day: date) -> pd.DataFrame:
        rows = super().predict(state, data, day)
        return rows[rows["score"] > 0].reset_index(drop=True)


def test_what_earlier_weights_said_of_companies_that_these_leave_out_is_gone(
    database: Database, chunks: list[Chunk], home: Path
) -> None:
    picky, chunk = Picky(), chunks[2]
    for seed in (0, 1):
        train(database, picky, chunk, home=home, seed=seed)
        done = predict(database, picky, chunk, home=home, seed=seed)
        statement = "SELECT * FROM graph_predictions WHERE model_version = :version"
        there = query(database, statement, version=picky.version)
        assert set(there["run_id"]) == {done.run_id}
        assert (there["score"] > 0).all() and set(there["as_of"]) == set(chunk.predicted)


def test_killed_while_predicting_the_days_written_are_kept(database: Database, chunks: list[Chunk], home: Path) -> None:
    chunk = chunks[0]
    train(database, LINEAR, chunk, home=home / "killed")
    assert child(database, home, "day", 4).ended == -signal.SIGKILL
    part = written(database, 0)
    assert part["as_of"].nunique() == 3
    done = predict(database, LINEAR, chunk, home=home / "killed")
    assert (done.days, done.kept) == (len(chunk.predicted) - 3, 3)
    whole = written(database, 0)
    assert whole["as_of"].nunique() == len(chunk.predicted)
    predict(database, LINEAR, chunk, home=home / "killed", again=True)
    pd.testing.assert_frame_equal(whole, written(database, 0))


def test_a_failure_is_told_in_the_run(database: Database, chunks: list[Chunk], home: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        train(database, LINEAR, chunks[3], home=home, params={"lr": 0.02}, report=lambda epoch: 1 / 0)
    run = query(database, "SELECT status, metrics FROM model_runs ORDER BY started_at DESC LIMIT 1").iloc[0]
    assert run["status"] == "failed"
    assert train(database, LINEAR, chunks[3], home=home, params={"lr": 0.02}).resumed_from == 1


def test_a_single_fit_predicts_everything_and_nobody_may_judge_it(
    database: Database, market: Market, home: Path
) -> None:
    module = type("Single", (Linear,), {"version": "linear-single"})()
    (chunk,) = chunks_of(database, module, Plan(single_fit=True, validation_months=4, test_months=4))
    train(database, module, chunk, home=home)
    predict(database, module, chunk, home=home)
    rows = written(database, chunk.number, "linear-single")
    assert rows["as_of"].nunique() > 30
    assert set(rows["split"]) >= {"train", "validation", "test"}
    before = rows[rows["as_of"] <= chunk.trained_to]
    assert set(before["known_at"]) == {close_of(chunk.trained_to)}
    panel = Panel.open(
        database, start=date(2018, 1, 1), end=market.day(899), inputs=("graph_predictions.linear-single",)
    )
    assert np.isnan(panel.at(chunk.validation[-1]).predictions("linear-single")).all()
    assert np.isfinite(panel.at(chunk.test[0]).predictions("linear-single")).sum() > 20


class Reader(Linear):
    """Reads the scores of another learned module beside the returns."""

    version = "reader-1"
    name = "reader"
    inputs = ("prices.close", "graph_predictions.linear-fed")

    def __init__(self) -> None:
        self.seen: dict[date, int] = {}

    def of_day(self, data: Panel, day: date) -> Any:
        self.seen[day] = int(np.isfinite(data.at(day).predictions("linear-fed")).sum())
        return super().of_day(data, day)


def test_a_reader_of_a_learned_module_trains_on_what_that_was_not_fitted_to(
    database: Database, market: Market, home: Path
) -> None:
    fed = type("Fed", (Linear,), {"version": "linear-fed"})()
    with pytest.raises(InputError, match=r"graph_predictions.linear-fed: no rows; run predict-all of the module that"):
        chunks_of(database, Reader(), PLAN)
    chunk = chunks_of(database, fed, Plan(first_train_months=6, validation_months=3, test_months=24))[0]
    train(database, fed, chunk, home=home)
    predict(database, fed, chunk, home=home)
    predict(database, fed, chunk, home=home, days=chunk.train)  # known once the weights were, and yet not to be used
    reader = Reader()
    small = Plan(first_train_months=6, validation_months=3, test_months=3, start=chunk.companion)
    train(database, reader, chunks_of(database, reader, small)[0], home=home)
    assert all(count > 20 for day, count in reader.seen.items() if day > chunk.trained_to)
    with database.read() as connection:
        assert connection.scalar(text("SELECT count(*) FROM graph_predictions WHERE split = 'train'"))
    late = Panel.open(database, start=chunk.test[0], end=chunk.test[3], inputs=Reader.inputs)
    blind = Panel.open(database, start=chunk.test[0], end=chunk.test[3], inputs=Reader.inputs, in_sample=False)
    seen, kept = (panel._data.made.rows["graph_predictions", "linear-fed"].arrays["day"] for panel in (late, blind))
    fitted = np.array(chunk.train[2:], "datetime64[D]")  # the first two have no quarter of prices before them
    assert np.isin(fitted, seen).all() and not np.isin(fitted, kept).any()


def test_where_every_row_was_fitted_to_there_is_nothing_to_train_on(
    database: Database, market: Market, home: Path
) -> None:
    fed = type("Overfed", (Linear,), {"version": "linear-overfed"})()
    reader = type("OverfedReader", (Reader,), {"inputs": ("prices.close", "graph_predictions.linear-overfed")})()
    chunk = chunks_of(database, fed, PLAN)[0]
    train(database, fed, chunk, home=home)
    predict(database, fed, chunk, home=home, days=chunk.train)
    small = Plan(first_train_months=4, validation_months=3, test_months=3)
    with pytest.raises(InputError, match=r"reader: .*no row of graph_predictions.linear-overfed that its own"):
        train(database, reader, chunks_of(database, reader, small)[0], home=home)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows, day: rows.assign(split="test"), r"predict\(\) gave split, which is the runner's to say"),
        (lambda rows, day: rows.assign(as_of=day - timedelta(1)), r"gave rows of as_of .*; only of the day asked"),
        (lambda rows, day: rows.assign(mood=1.0), r"unknown column mood"),
        (lambda rows, day: rows.drop(columns="score"), r"column score missing"),
        (lambda rows, day: pd.concat([rows, rows]), r"two rows of company_id"),
        (lambda rows, day: rows.assign(score=np.inf), r"no finite number"),
    ],
)
def test_rows_that_cannot_be_written_name_what_is_wrong(
    database: Database, chunks: list[Chunk], home: Path, change: Any, message: str
) -> None:
    class Wrong(Linear):
        version = "linear-wrong"

        def predict(self, state: TorchState, data: Observations, day: date) -> pd.DataFrame:
            return change(super().predict(state, data, day), day)  # type: ignore[no-any-return]

    train(database, Wrong(), chunks[0], home=home)
    with pytest.raises(InputError, match=message):
        predict(database, Wrong(), chunks[0], home=home)
    assert written(database, 0, "linear-wrong").empty


def test_walking_forward_does_what_is_left_to_do(database: Database, chunks: list[Chunk], home: Path) -> None:
    module = type("Walking", (Linear,), {"version": "linear-walk"})()
    first = list(walk(database, module, PLAN, home=home, numbers=[0, 1]))
    everything = list(walk(database, module, PLAN, home=home))
    assert [trained.chunk.number for trained, _ in first] == [0, 1]
    assert [trained.anew for trained, _ in everything] == [False, False, True, True]
    assert [predicted.days == 0 for _, predicted in everything] == [True, True, False, False]
    days = [day for number in range(4) for day in sorted(set(written(database, number, "linear-walk")["as_of"]))]
    assert set(days) == {day for chunk in chunks for day in chunk.predicted}


def test_parameters_are_the_modules_own(database: Database, chunks: list[Chunk], home: Path) -> None:
    with pytest.raises(InputError, match=r"linear: no parameter 'widht'; did you mean 'width'\?"):
        train(database, LINEAR, chunks[0], home=home, params={"widht": 4})
    with pytest.raises(InputError, match=r"linear: parameters .* use plain numbers"):
        train(database, LINEAR, chunks[0], home=home, params={"width": {1, 2}})
    with pytest.raises(InputError, match=r"linear: device 'tpu'; it runs on cpu, cuda"):
        train(database, LINEAR, chunks[0], home=home, device="tpu")
    clashing = type("Clashing", (Linear,), {"describe": lambda self, examples: {"lr": 1}})()
    with pytest.raises(InputError, match=r"describe\(\) gives 'lr', which is a parameter"):
        train(database, clashing, chunks[0], home=home)
