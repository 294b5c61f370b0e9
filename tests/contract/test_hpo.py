"""A search on a small simulated market: counted, resumed, shared between processes, and left for `train-best`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from click.testing import CliRunner
from contract.children import start
from contract.linear import Linear
from sqlalchemy import text

from nexus.cli.hpo import _known, table
from nexus.cli.hpo import hpo as watched
from nexus.contract.fit import fit
from nexus.contract.hpo import ALL_TRIALS, _told, open_storage, run_hpo
from nexus.contract.params import Best, best_params, module_home, settled, write_best_params
from nexus.contract.reading import chunks_of, read_training
from nexus.contract.splits import Chunk, Plan
from nexus.contract.torch import TorchState
from nexus.db import admin
from nexus.db.engine import Database
from nexus.errors import InputError
from nexus.ingest.run import ingest_frames
from nexus.ingest.simulate import simulate, tables
from nexus.settings import Settings

LINEAR = Linear()
PLAN = Plan(first_train_months=18, validation_months=6, test_months=6)
FAST = {"epochs": 4, "batch": 512}


@pytest.fixture(scope="module")
def market(database: Database) -> Database:
    """Prices of twenty companies over three years."""
    frames = {name: frame for name, frame in tables(simulate(seed=4, sessions=800, listed=20)).items()}
    ingest_frames(database, frames, "simulated-4")
    return database


@pytest.fixture
def chunks(market: Database, configured: Settings) -> Iterator[list[Chunk]]:
    yield chunks_of(market, LINEAR, PLAN)


def test_a_search_leaves_the_best_of_its_trials(market: Database, chunks: list[Chunk], configured: Settings) -> None:
    found = run_hpo(market, LINEAR, chunks[-1:], 3, params=FAST, seed=11, home=configured.home)
    assert best_params(configured.home, LINEAR) == Best(found.params, chunks[-1].trained_to)
    told = json.loads((module_home(configured.home, LINEAR) / ALL_TRIALS).read_text())
    assert [trial["number"] for trial in told] == [0, 1, 2]
    losses = [trial["loss"] for trial in told if trial["state"] == "complete"]
    assert found.loss == min(losses)
    # the same parameters, fitted by themselves: the loss is what it was said to be
    panels = read_training(market, LINEAR, chunks[-1])
    examples = [LINEAR.examples(panels.train, chunks[-1].train)]
    examples += [LINEAR.examples(panels.validation, chunks[-1].validation)]
    fitted = fit(LINEAR, *examples, {**settled(LINEAR, found.params), "seed": 11})
    assert fitted.progress.best_loss == found.loss


def test_every_trial_is_counted(market: Database, chunks: list[Chunk], configured: Settings) -> None:
    before = _runs(market)
    run_hpo(market, LINEAR, chunks[:1], 2, params=FAST, seed=12, home=configured.home)
    after = _runs(market)
    assert len(after) == len(before) + 2
    assert {(run.status, run.trained_to) for run in after[len(before) :]} == {("done", chunks[0].trained_to)}


def test_a_search_goes_on_with_what_there_is(market: Database, chunks: list[Chunk], configured: Settings) -> None:
    first = run_hpo(market, LINEAR, chunks[:1], 1, params=FAST, seed=13, home=configured.home)
    listed = module_home(configured.home, LINEAR) / ALL_TRIALS
    inode = listed.stat().st_ino
    second = run_hpo(market, LINEAR, chunks[:1], 3, params=FAST, seed=13, home=configured.home)
    assert second.study == first.study
    assert sum(second.states.values()) == 3
    assert listed.stat().st_ino != inode, "replaced, not written over"
    assert second.loss <= first.loss
    again = run_hpo(market, LINEAR, chunks[:1], 3, params=FAST, seed=13, home=configured.home)
    assert again == second


def test_all_chunks_together_are_a_mean(market: Database, chunks: list[Chunk], configured: Settings) -> None:
    found = run_hpo(market, LINEAR, chunks, 1, params=FAST, seed=14, home=configured.home)
    losses = []
    for chunk in chunks:
        panels = read_training(market, LINEAR, chunk)
        train, tried = LINEAR.examples(panels.train, chunk.train), LINEAR.examples(panels.validation, chunk.validation)
        losses.append(fit(LINEAR, train, tried, {**settled(LINEAR, found.params), "seed": 14}).progress.best_loss)
    assert len(losses) > 1
    assert found.loss == sum(losses) / len(losses)


def test_a_search_computes_no_figures(market: Database, chunks: list[Chunk], configured: Settings) -> None:
    class Figured(Linear):
        name = "figured"

        def metrics(self, state: object, examples: object) -> dict[str, float]:
            raise AssertionError("figures are for people, and nobody reads those of a trial")

    found = run_hpo(market, Figured(), chunks[:1], 1, params=FAST, home=configured.home)
    assert found.states == {"complete": 1}


def test_other_data_code_or_seed_are_another_study(market: Database, chunks: list[Chunk], configured: Settings) -> None:
    first = chunks[:1]
    names = {
        run_hpo(market, LINEAR, chosen, 1, params=params, seed=seed, home=configured.home).study
        for chosen, params, seed in (
            (first, FAST, 15), (first, FAST, 16), (chunks[-1:], FAST, 15), (first, {**FAST, "batch": 64}, 15)
        )
    }  # fmt: skip
    assert len(names) == 4


def test_other_days_between_the_same_ends_are_another_study(
    market: Database, chunks: list[Chunk], configured: Settings
) -> None:
    first = chunks[0]
    fewer = replace(first, train=first.train[::2] if len(first.train) % 2 else (first.train[0], *first.train[1::2]))
    assert (fewer.train[0], fewer.train[-1]) == (first.train[0], first.train[-1]) and fewer.train != first.train
    searched = [run_hpo(market, LINEAR, [each], 1, params=FAST, home=configured.home) for each in (first, fewer)]
    assert searched[0].study != searched[1].study


def test_what_is_searched_cannot_be_set_by_hand(market: Database, chunks: list[Chunk], configured: Settings) -> None:
    with pytest.raises(InputError, match="linear: lr: searched, so not to be set by hand here; leave it out"):
        run_hpo(market, LINEAR, chunks[:1], 1, params={**FAST, "lr": 0.05}, home=configured.home)


def test_trials_that_fail_say_why(
    market: Database, chunks: list[Chunk], configured: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    class Diverging(Linear):
        name = "diverging"

        def space(self, trial: optuna.Trial) -> dict[str, object]:
            return {"lr": trial.suggest_float("lr", 1e30, 1e35)}

    optuna.logging.enable_propagation()
    with pytest.raises(
        InputError, match=r"diverging: 3 trials failed, more than the 2 asked for; the last said: .*loss"
    ):
        run_hpo(market, Diverging(), chunks[:1], 2, params={**FAST, "clip_norm": 0}, home=configured.home)
    optuna.logging.disable_propagation()
    assert [(record.name, record.exc_info) for record in caplog.records] == [("nexus.contract.hpo", None)] * 3
    assert [status for status, _ in _ends(market, "diverging")] == ["failed"] * 3


def test_trials_that_fail_are_made_up_for(market: Database, chunks: list[Chunk], configured: Settings) -> None:
    class Fickle(Linear):
        name = "fickle"

        def build(self, params: Mapping[str, Any]) -> TorchState:
            if len(_ends(market, "fickle")) % 2:
                raise InputError("fickle: not today")
            return super().build(params)

    found = run_hpo(market, Fickle(), chunks[:1], 3, params=FAST, home=configured.home)
    assert found.states == {"complete": 3, "fail": 3}


@pytest.mark.parametrize("error", [RuntimeError("out of memory"), KeyboardInterrupt(), optuna.TrialPruned()])
def test_only_pruned_trials_are_called_pruned(
    market: Database, chunks: list[Chunk], configured: Settings, error: BaseException
) -> None:
    class Ending(Linear):
        name = f"ending-{type(error).__name__.lower()}"

        def build(self, params: Mapping[str, Any]) -> TorchState:
            raise error if len(_ends(market, self.name)) == 1 else InputError("enough")

    with pytest.raises((type(error), InputError)) as raised:
        run_hpo(market, Ending(), chunks[:1], 1, params=FAST, home=configured.home)
    (status, metrics), *_ = _ends(market, Ending.name)
    if isinstance(error, optuna.TrialPruned):
        assert (status, metrics) == ("done", {"pruned": True}) and "all of 1 trials were given up" in str(raised.value)
    else:
        assert raised.value is error and (status, metrics) == ("failed", {"failed": repr(error)})


def test_sqlite_for_those_who_want_it(
    market: Database, chunks: list[Chunk], configured: Settings, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'studies.db'}"
    found = run_hpo(market, LINEAR, chunks[:1], 2, url, params=FAST, home=configured.home)
    with open_storage(url) as opened:
        assert optuna.load_study(study_name=found.study, storage=opened).best_value == found.loss
    with pytest.raises(InputError, match="give a URL as sqlite"), open_storage("nonsense://x"):
        pass


def test_processes_share_a_study_and_one_is_killed(market: Database, chunks: list[Chunk], configured: Settings) -> None:
    """One dies in the middle of its first trial; the others do what was asked for, each trial its own draw."""
    command = [sys.executable, str(Path(__file__).with_name("search_linear.py")), str(configured.home), "17", "4"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, Path(__file__).parents[1:3]))}
    ends = ((), (), ("killed",))
    children = [subprocess.Popen([*command, *end], env=environment) for end in ends]
    assert [child.wait(timeout=240) for child in children] == [0, 0, -signal.SIGKILL]
    with open_storage(market) as opened:
        study = optuna.load_study(study_name=_study(market, 17), storage=opened)
        before = study.trials
    states = Counter(trial.state.name for trial in before)
    assert states["COMPLETE"] + states["PRUNED"] >= 4 and states["RUNNING"] == 1
    assert len({json.dumps(trial.params, sort_keys=True) for trial in before}) == len(before)
    told = json.loads((module_home(configured.home, LINEAR) / ALL_TRIALS).read_text())
    assert {trial["number"] for trial in told} <= {trial.number for trial in before}
    found = run_hpo(market, LINEAR, chunks[:1], 4, params=FAST, seed=17, home=configured.home)
    assert found.study == study.study_name and sum(found.states.values()) == len(before), "nothing was left to do"


def test_searches_begun_together_draw_apart(market: Database, chunks: list[Chunk], configured: Settings) -> None:
    def walk(items: Iterable[Any]) -> Iterator[Any]:
        # the outer search has opened the study; the inner one finds it just as new
        run_hpo(market, LINEAR, chunks[:1], 2, params=FAST, seed=19, home=configured.home)
        yield from items

    found = run_hpo(market, LINEAR, chunks[:1], 4, params=FAST, seed=19, home=configured.home, progress=walk)
    told = json.loads((module_home(configured.home, LINEAR) / ALL_TRIALS).read_text())
    assert sum(found.states.values()) == len({trial["params"]["lr"] for trial in told}) == 4


def test_processes_that_begin_on_a_new_database(template: Database, server: Database, tmp_path: Path) -> None:
    """Optuna makes its tables where there are none; two that do so at once would meet."""
    bare = server.sibling(f"nexus_test_studies_{os.getpid()}")
    with server.autocommit() as connection:
        connection.execute(text(f"CREATE DATABASE {bare.url.database} TEMPLATE {template.url.database}"))
    try:
        children = [start(opens, bare, tmp_path / str(number), tmp_path / "go") for number in range(4)]
        while len(list(tmp_path.glob("*/ready"))) < len(children):
            time.sleep(0.01)
        (tmp_path / "go").touch()
        assert [child.ended for child in children] == [0] * len(children)
    finally:
        bare.dispose()
        admin.drop(bare)


def opens(home: Path, go: Path) -> None:
    """In a process of its own: wait for the others, then open the studies."""
    (home / "ready").touch()
    while not go.exists():
        time.sleep(0.001)
    with open_storage(Database.configured()):
        pass


def test_two_that_write_at_once_do_not_meet(chunks: list[Chunk], tmp_path: Path) -> None:
    class Meanwhile:
        def __str__(self) -> str:
            write_best_params(tmp_path, LINEAR, {"width": 3}, chunks[:1])
            return "written after the other"

    path = write_best_params(tmp_path, LINEAR, {"width": 4}, chunks[:1], about=Meanwhile())
    assert best_params(tmp_path, LINEAR) == Best({"width": 4}, chunks[0].trained_to)
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_watch_shows_the_trials(
    market: Database, chunks: list[Chunk], configured: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = run_hpo(market, LINEAR, chunks[:1], 2, params=FAST, seed=18, home=configured.home)
    shown = CliRunner().invoke(watched, ["watch", found.study, "--once"], catch_exceptions=False).output
    assert found.study.split()[0] in shown
    assert "best" in shown and shown.isascii()
    monkeypatch.setenv("COLUMNS", "50")
    narrow = CliRunner().invoke(watched, ["watch", found.study, "--once"], catch_exceptions=False).output
    assert narrow.isascii(), "what does not fit goes on in the next line"
    listed = CliRunner().invoke(watched, ["list"], catch_exceptions=False).output
    assert found.study in listed
    with open_storage(market) as opened:
        assert optuna.load_study(study_name=found.study, storage=opened).best_value == found.loss


def test_a_pruned_trial_is_never_the_best() -> None:
    def objective(trial: optuna.Trial) -> float:
        drawn = trial.suggest_float("x", 0, 1)
        trial.report(0.4 if trial.number == 1 else 0.9, 1)
        if trial.number == 1:
            raise optuna.TrialPruned
        return 0.7 + drawn / 10

    study = optuna.create_study()
    study.optimize(objective, n_trials=3)
    rows = list(zip(*(column.cells for column in table(study).columns), strict=True))
    assert rows[0][0] == f"best {study.best_trial.number}" and rows[0][3] == f"{study.best_value:.6g}"
    assert [row[3] for row in rows if row[0] == "1"] == ["(0.4)"]
    assert [_told(trial)["loss"] for trial in study.trials] == [study.trials[0].value, None, study.trials[2].value]


def test_a_study_that_is_not_there_is_named(market: Database, chunks: list[Chunk], configured: Settings) -> None:
    run_hpo(market, LINEAR, chunks[:1], 1, params=FAST, seed=20, home=configured.home)
    with (
        open_storage(market) as opened,
        pytest.raises(InputError, match="study 'nope': there is none; `nexus hpo list`"),
    ):
        _known(opened, "nope")


def _ends(database: Database, module: str) -> list[tuple[str, dict[str, Any]]]:
    """Status and metrics of each trial, the oldest first."""
    with database.read() as connection:
        statement = text("SELECT status, metrics FROM model_runs WHERE module = :module ORDER BY started_at")
        return [(row.status, row.metrics) for row in connection.execute(statement, {"module": module})]


def _runs(database: Database) -> list[object]:
    with database.read() as connection:
        rows = connection.execute(
            text("SELECT status, trained_to FROM model_runs WHERE params ? 'hpo_trial' ORDER BY started_at")
        )
        return list(rows)


def _study(database: Database, seed: int) -> str:
    """The one study that drew with this seed."""
    with database.read() as connection:
        statement = (
            "SELECT DISTINCT params ->> 'hpo_study' FROM model_runs WHERE CAST(params ->> 'seed' AS int) = :seed"
        )
        return str(connection.execute(text(statement), {"seed": seed}).scalar_one())
