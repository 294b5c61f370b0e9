"""The seven verbs from the command line: what they do, what they say, and how they refuse."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner, Result
from contract.linear import LINEAR
from contract.plans import OPTIONS, PLAN
from small_market import Market
from sqlalchemy import text

from nexus.cli.module import module as nexus_module
from nexus.contract.cli import Verbs, verbs
from nexus.contract.module import Module
from nexus.contract.options import Asked
from nexus.contract.params import Best, best_params, settled, write_best_params
from nexus.contract.reading import Calendar, chunks_of
from nexus.contract.runner import train
from nexus.db.engine import Database
from nexus.db.panel import Observations, Panel
from nexus.errors import InputError
from nexus.modules import MODULES
from nexus.settings import Settings

ROOT = Path(__file__).resolve().parents[2]


class Sizes(Module[None]):
    """Not learned: how many companies had a bar, for each of them."""

    name = "sizes"
    version = "sizes-1"
    inputs = ("prices.close",)
    output = "centrality_history"

    def predict(self, state: None, data: Observations, day: date) -> pd.DataFrame:
        view = data.at(day)
        there = view.companies[~pd.isna(view.prices("close", 1)[-1])]
        count = float(len(there))
        named = dict.fromkeys(("pagerank", "eigenvector", "betweenness", "clustering", "katz"), 1 / count)
        whole = {"degree": len(there), "k_core": 1, "degrees": "{}", "graph_version": "none"}
        return pd.DataFrame({"company_id": there, **named, **whole})

    def explain(self, state: None, data: Observations, day: date) -> pd.DataFrame:
        rows = self.predict(state, data, day)
        return pd.DataFrame({"company_id": rows["company_id"], "feature": "bars", "attribution": 1.0})


@pytest.fixture(autouse=True)
def _configured(database: Database, market: Market, configured: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """One pool of connections, which the fixture closes."""
    monkeypatch.setattr(Database, "configured", lambda: database)


def call(*arguments: str, module: Module[Any] = LINEAR) -> Result:
    return CliRunner().invoke(verbs(module.name, lambda: module, kind=Verbs), [*arguments])


def said(*arguments: str, module: Module[Any] = LINEAR) -> str:
    result = call(*arguments, module=module)
    if result.exception is not None:
        raise result.exception
    return result.output


def runs(database: Database) -> list[str]:
    with database.read() as connection:
        return list(connection.scalars(text("SELECT module FROM model_runs")))


def test_without_a_verb_the_latest_chunk_is_trained(database: Database, configured: Settings) -> None:
    before = len(runs(database))
    told = said("--epochs", "2", *OPTIONS)
    assert "linear: parameters are the module's defaults" in told
    assert "linear: chunk 3 trained to 2019-01-29: best of 2 epochs is" in told
    assert len(runs(database)) == before + 1
    assert list(configured.home.rglob("linear/linear-1/chunk-003/*/best.pt"))
    assert "(trained before, nothing done)" in said("train-best", "--epochs", "2", *OPTIONS)
    assert len(runs(database)) == before + 1


def test_parameters_come_from_hpo_a_file_or_by_hand(configured: Settings, tmp_path: Path) -> None:
    first = chunks_of(Database.configured(), LINEAR, PLAN)[:1]
    write_best_params(configured.home, LINEAR, {"width": 3, "epochs": 2}, first, loss=0.5)
    assert best_params(configured.home, LINEAR) == Best({"width": 3, "epochs": 2}, first[0].trained_to)
    told = said(*OPTIONS, "--chunk", "0")
    assert "parameters are the best that hpo left, chosen on data to 2017-06-29" in told and "known from" not in told
    file = tmp_path / "params.json"
    file.write_text(json.dumps({"width": 5, "lr": 0.02}))
    told = said(
        "inspect", *OPTIONS, "--params", str(file), "--set", "lr=0.5", "--set", "schedule=cosine", "--epochs", "9"
    )
    assert "width=5" in told and "lr=0.5" in told and "schedule=cosine" in told and "epochs=9" in told
    assert "26 weights" in told  # 3 * 5 + 5 + 5 + 1
    assert "parameters are given" in said(*OPTIONS, "--params", '{"epochs": 1}', "--chunk", "0")
    trained = train(Database.configured(), LINEAR, chunks_of(Database.configured(), LINEAR, PLAN)[0],
                    params={"width": 3, "epochs": 2})  # fmt: skip
    assert not trained.anew and trained.params == {**settled(LINEAR, {"width": 3, "epochs": 2}), "seed": 0}


def test_parameters_chosen_on_later_days_give_rows_that_no_earlier_day_sees(
    database: Database, configured: Settings
) -> None:
    """What hpo found on the latest chunk is of the future for the first one, whatever its weights were fitted to."""
    first, *_, last = chunks_of(database, LINEAR, PLAN)
    found = {"width": 3, "epochs": 1}
    path = write_best_params(configured.home, LINEAR, found, [last], loss=0.5)
    told = said("train-best-all", *OPTIONS)
    assert "chose these parameters on data up to 2019-01-29, test days of chunk 0, chunk 1, chunk 2 among them" in told
    assert "hpo --chunk 0" in told and "chunk 0 trained to 2019-01-29" in told
    told = said("predict-all", "--explain", *OPTIONS)
    assert "known from then only" in told
    rows, explained = stamps(database, 0), stamps(database, 0, "explanations")
    assert len(rows) == len(first.predicted) and len(explained) == len(first.test)
    assert {(row.trained_to, row.run_to, row.split) for row in rows} == {(last.trained_to,) * 2 + ("validation",)}
    assert {row.known_at for row in (*rows, *explained)} == {Calendar.read(database).close(last.trained_to)}
    assert {(row.trained_to, row.split) for row in stamps(database, 3) if row.as_of in last.test} == {
        (last.trained_to, "test")
    }
    panel = Panel.open(database, start=first.test[0], end=last.test[-1], inputs=("graph_predictions.linear-1",))
    assert pd.isna(panel.at(first.test[2]).predictions("linear-1")).all()
    assert not pd.isna(panel.at(last.test[2]).predictions("linear-1")).all()
    # the same parameters in the file that hpo left are the same, by hand they are the user's to answer for
    assert "nothing done" in said("--chunk", "0", "--params", str(path), *OPTIONS)
    given = ["--chunk", "0", "--params", json.dumps(found), *OPTIONS]
    with pytest.raises(InputError, match=r"another chunk, 0: trained to 2019-01-29.* train again with --fresh"):
        said(*given)
    assert "chunk 0 trained to 2017-06-29" in said(*given, "--fresh")
    assert "8 days predicted" in said("predict", *given)
    assert {(row.trained_to, row.run_to) for row in stamps(database, 0)} == {(first.trained_to,) * 2}
    assert {row.split for row in stamps(database, 0)} == {"validation", "test"}


def test_what_a_search_left_is_no_base_of_the_next(database: Database, configured: Settings) -> None:
    said("hpo", "--chunk", "0", "--trials", "1", "--epochs", "1", *OPTIONS)
    assert "chosen on data to 2017-06-29: epochs=1" in said("inspect", *OPTIONS)
    said("hpo", "--chunk", "0", "--trials", "1", *OPTIONS)
    with database.read() as connection:
        statement = "SELECT params -> 'epochs' FROM model_runs WHERE params ? 'hpo_trial' ORDER BY started_at"
        assert list(connection.scalars(text(statement))) == [1, LINEAR.defaults["epochs"]]


def stamps(database: Database, chunk: int, table: str = "graph_predictions") -> Sequence[Any]:
    own = "o.trained_to, o.split, " if table == "graph_predictions" else ""
    statement = (
        f"SELECT DISTINCT o.as_of, {own}o.known_at, r.trained_to AS run_to FROM {table} o JOIN model_runs r "
        "USING (run_id) WHERE o.model_version = 'linear-1' AND o.chunk = :chunk"
    )
    with database.read() as connection:
        return connection.execute(text(statement), {"chunk": chunk}).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "widht=3"], r"linear: no parameter 'widht'; did you mean 'width'"),
        (["--set", "width"], r"set 'width': write key=value"),
        (["--set", "width=wide"], r"linear: width 'wide': a str; give a int, as 8"),
        (["--set", "width=2.5"], r"linear: width 2.5: a float; give a int, as 8"),
        (["--set", "amp=1"], r"linear: amp 1: a int; give a bool, as True"),
        (["--set", "lr=-1"], r"linear: cannot be built with parameters .*'lr': -1.*Invalid learning rate"),
        (["--set", "patience=0"], r"linear: patience 0: give 1 or more"),
        (["train-best-all", "--chunks", "3-1"], r"chunks '3-1': write numbers and spans, as 0-3,7 \(3-1 is empty\)"),
        (["--params", "nowhere.json"], r"params nowhere.json: .*; give a JSON object, or a file"),
        (["--params", "[1]"], r"params \[1\]: .*; give a JSON object"),
        (["--days", "weekly"], r"days 'weekly': write `month`, or a number of sessions"),
        (["--chunk", "17"], r"chunk 17: there is none, they go from 0 to 3"),
        (["train-best-all", "--chunks", "0-x"], r"chunks '0-x': write numbers and spans"),
        (["train-best-all", "--chunks", "2-4"], r"chunk 4: there is none"),
        (["predict", "--seed", "99"], r"no checkpoint for chunk 3 with these parameters in .*; run train-best first"),
        (["--from", "2018-01-01"], r"make no chunk: 12 months of training, 6 of validation"),
    ],
)
def test_what_cannot_be_done_is_a_sentence(arguments: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        said(*arguments, *OPTIONS)


def test_all_chunks_are_trained_and_predicted(database: Database, configured: Settings) -> None:
    quick = ["--epochs", "1", *OPTIONS]
    told = said("train-best-all", "--chunks", "0,2-3", *quick)
    assert [line.split(":")[1].split()[1] for line in told.splitlines() if "trained to" in line] == ["0", "2", "3"]
    told = said("predict-all", "--chunks", "0,2-3", *quick)
    assert "linear chunk 0: 8 days predicted" in told and "linear chunk 3: 6 days predicted" in told
    assert "linear chunk 3: 0 days predicted, 0 rows new or changed, 6 days kept" in said("predict", *quick)
    assert "6 days predicted, 0 rows new or changed" in said("predict", "--again", *quick)
    told = said("inspect", *quick)
    lines = {line.split()[1]: line for line in told.splitlines() if line.startswith("chunk")}
    assert list(lines) == ["0", "1", "2", "3"]
    assert "test 2017-06-30 to 2017-12-29 (7)" in lines["0"] and "companion 2017-05-31" in lines["0"]
    assert told.count("best of 1 epochs 1, loss") == 3 and "written 2018-12-31 to 2019-05-31 (6)" in told


def test_one_late_fit(database: Database) -> None:
    quick = ["--single-fit", "--epochs", "1", "--validation-months", "6", "--test-months", "6"]
    assert "linear: single fit trained to 2018-11-29" in said(*quick)
    assert "linear single fit: 41 days predicted" in said("predict", *quick)
    assert "single fit  train 2016-01-29 to 2018-04-30 (28)" in said("inspect", *quick)


def test_an_interrupted_training_is_told(configured: Settings) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(Database.configured(), LINEAR, chunks_of(Database.configured(), LINEAR, PLAN)[1], report=interrupt)
    assert "interrupted after epoch 2" in said("inspect", *OPTIONS)
    assert "resumed from epoch 2" in said("--chunk", "1", *OPTIONS)


def interrupt(epoch: Any) -> None:
    if epoch.number == 2:
        raise KeyboardInterrupt


def test_scalars_for_tensorboard(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    said("--epochs", "4", "--seed", "8", "--tensorboard", str(tmp_path / "board"), *OPTIONS)
    board = EventAccumulator(str(tmp_path / "board" / "linear" / "linear-1" / "chunk-003"))
    board.Reload()
    assert [event.step for event in board.Scalars("loss/validation")] == [1, 2, 3, 4]
    assert [event.step for event in board.Scalars("correlation")] == [2, 4]


def test_a_module_that_is_not_learned_predicts_and_says_that_it_learns_nothing(database: Database) -> None:
    sizes = Sizes()
    for verb in ("hpo", "hpo-all", "train-best", "train-best-all"):
        with pytest.raises(
            InputError, match=rf"sizes is not learned, so there is nothing to {verb}; use predict"
        ) as told:
            said(verb, module=sizes)
        assert told.value.exit_status == 2
    with pytest.raises(InputError, match="nothing to train-best"):
        said(module=sizes)
    assert "sizes: 1 days predicted" in said("predict", module=sizes)
    assert "sizes: 40 days predicted" in said("predict-all", module=sizes)
    told = said("inspect", module=sizes)
    assert "learned     no" in told and "written     2016-01-29 to 2019-05-31 (41)" in told
    with database.read() as connection:
        rows = connection.execute(text("SELECT * FROM centrality_history WHERE model_version = 'sizes-1'")).all()
    assert {row.split for row in rows} == {"none"} and {row.chunk for row in rows} == {0}
    assert all(row.known_at.date() == row.as_of for row in rows)
    with pytest.raises(InputError, match="sizes: not learned, so it has no parameters; leave out zz"):
        said("predict", "--set", "zz=3", module=sizes)
    with pytest.raises(InputError, match="no day between 2030-01-01 and the last; widen the window"):
        said("predict", "--from", "2030-01-01", module=sizes)


def test_the_verbs_of_every_module_hang_under_nexus() -> None:
    told = CliRunner().invoke(nexus_module, ["list"]).output
    assert [line.split()[0] for line in told.splitlines()] == sorted(MODULES)
    assert CliRunner().invoke(nexus_module, ["nothing"]).exit_code == 2
    for name in MODULES:
        found = CliRunner().invoke(nexus_module, [name, "--help"]).output
        assert all(verb in found for verb in ("inspect", "hpo-all", "train-best-all", "predict-all"))


def test_a_file_of_a_module_is_its_command_line(database: Database, configured: Settings) -> None:
    """As a user has it: python FILE, an error is one line and status 2."""
    environment = {
        "NEXUS_DATABASE_URL": database.dsn, "NEXUS_HOME": str(configured.home), "NEXUS_THREADS": "1",
        "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "PATH": "/usr/bin:/bin",
    }  # fmt: skip
    command = [sys.executable, "-m", "contract.linear", "--epochs", "2", *OPTIONS]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "linear: chunk 3 trained to 2019-01-29" in done.stdout
    assert "linear chunk 3: epoch 2/2, loss" in done.stderr
    again = said("--epochs", "2", *OPTIONS)  # as `nexus module` has it: the same module, by another road
    assert "nothing done" in again
    wrong = subprocess.run([*command, "--set", "x=1"], env=environment, capture_output=True, text=True, check=False)
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("error: linear: no parameter 'x'; there are epochs, ")
    assert len(wrong.stderr.splitlines()) == 1
    nowhere = [*command, "--home", "/dev/null/models"]
    wrong = subprocess.run(nowhere, env=environment, capture_output=True, text=True, check=False)
    assert wrong.returncode == 1 and wrong.stderr.splitlines()[-1].startswith("error: [Errno 20] Not a directory")
    assert "Traceback" not in wrong.stderr


@pytest.mark.parametrize(
    ("text", "value"),
    [("amp=False", False), ("amp=true", True), ("lr=.5", 0.5), ("lr=1", 1.0), ("schedule=cosine", "cosine")],
)
def test_a_parameter_is_read_as_people_write_it(text: str, value: object) -> None:
    name = text.partition("=")[0]
    given = settled(LINEAR, Asked(params="{}", settings_=(text,)).given(LINEAR))[name]
    assert given == value and type(given) is type(value)


def test_help_after_other_arguments_is_help() -> None:
    assert "--tensorboard" in said("--epochs", "2", "--help")
