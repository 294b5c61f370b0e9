"""The battery: what is asked of every module, whoever wrote it. Each check raises AssertionError with a sentence."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pandas as pd
from contract import trials
from contract.children import Child, start
from contract.trials import Found, Trial
from sqlalchemy import text

from nexus.contract.module import Learned
from nexus.contract.reading import Calendar, chunks_of, days_of
from nexus.contract.splits import Chunk
from nexus.db import admin
from nexus.db.engine import Database
from nexus.db.outputs import day_of, output_table
from nexus.db.poison import disarm, poison
from nexus.settings import settings

SIMULATED = {"NEXUS_UNIVERSE": "SIM500", "NEXUS_SECTORS": "SIM", "NEXUS_MARKET": "SIMX"}


@dataclass(frozen=True)
class Evidence:
    """What came of the trials of one module.

    here : on the facts as they are; asked : again, with weights that are there
    poisoned : with what was known after `day` made wrong; retrained : with what was known after the training made wrong
    killed : exit status of a training that was to be killed; resumed : what came of going on with it
    rows : as they stand in the database
    """

    trial: Trial
    chunk: Chunk | None
    days: list[date]
    day: date
    here: Found
    poisoned: Found
    retrained: Found
    killed: int
    resumed: Found
    rows: pd.DataFrame
    closes: Mapping[date, Any]

    @property
    def is_learned(self) -> bool:
        return isinstance(self.trial.module, Learned)


def gather(template: Database, path: str, params: Mapping[str, Any], folder: Path) -> Evidence:
    """Run the trials of one module, two at a time, each on a copy of the template."""
    trial = Trial(path, params, folder / "models")
    with copied(template) as here, copied(template) as there:
        module = trial.module
        chunk = chunks_of(here, module, trials.PLAN)[trials.CHUNK] if isinstance(module, Learned) else None
        days = list(chunk.predicted) if chunk else days_of(here, module, trials.PLAN)[-9:]
        day = days[len(days) // 2]
        here.dispose()
        writing = begin(trials.write, here, folder / "here", trial)
        disarm(there)
        poison(there, settings().calendar, day)
        there.dispose()
        assert writing.ended == 0
        killed, resumed = 0, Found()
        asking = begin(trials.ask, there, folder / "there", trial, day)
        if chunk:
            anew = replace(trial, models=folder / "killed")
            killed = begin(trials.learn, here, folder / "kill", anew, True).ended
            resuming = begin(trials.learn, here, folder / "resume", anew, False)
            assert resuming.ended == 0
            resumed = trials.left(folder / "resume")
        assert asking.ended == 0
        retrained = Found()
        if chunk:
            poison(there, settings().calendar, chunk.trained_to, day)
            there.dispose()
            again = replace(trial, models=folder / "again")
            assert begin(trials.learn, there, folder / "retrain", again, False).ended == 0
            retrained = trials.left(folder / "retrain")
        rows, closes = _rows(here, trial, chunk), _closes(here, days, chunk)
    found, poisoned = trials.left(folder / "here"), trials.left(folder / "there")
    return Evidence(trial, chunk, days, day, found, poisoned, retrained, killed, resumed, rows, closes)


def begin(work: Callable[..., Any], database: Database, home: Path, *arguments: Any) -> Child:
    """A trial in a process of its own."""
    return start(work, database, home, *arguments, **SIMULATED)


@contextmanager
def copied(template: Database) -> Iterator[Database]:
    """A copy of the template, dropped in any case."""
    copy = template.sibling(f"nexus_battery_{uuid4().hex[:12]}")
    with ExitStack() as stack, template.sibling("postgres").autocommit() as connection:
        connection.execute(text(f'CREATE DATABASE "{copy.url.database}" TEMPLATE "{template.url.database}"'))
        stack.callback(admin.drop, copy)
        yield copy


def repeats(evidence: Evidence) -> None:
    """Asked twice, the module says the same to the bit."""
    for day, (first, second) in evidence.here.frames.items():
        assert same(first, second), f"{evidence.trial.path}: predict() said two things of {day}; seed what is random"


def resumes(evidence: Evidence) -> None:
    """Killed after an epoch and resumed in another process, training ends with the same weights to the bit."""
    if evidence.is_learned:
        assert evidence.killed == -signal.SIGKILL, f"{evidence.trial.path}: was to be killed, ended {evidence.killed}"
        assert evidence.resumed.weights == evidence.here.weights, (
            f"{evidence.trial.path}: other weights after a kill and a resume; save() leaves something out, or training "
            "draws from what is not seeded"
        )


def is_blind(evidence: Evidence) -> None:
    """What is said at t does not move by a bit when everything known after t is made wrong."""
    (before, _), (after,) = evidence.here.frames[evidence.day], evidence.poisoned.frames[evidence.day]
    assert len(before) >= 10, f"{evidence.trial.path}: {len(before)} rows on {evidence.day}; there is nothing to move"
    assert same(before, after), (
        f"{evidence.trial.path}: what predict() says of {evidence.day} moved when what was known after it was "
        "poisoned; read through data.at(day) only"
    )


def learns_blind(evidence: Evidence) -> None:
    """Weights and normalisers do not move by a bit when everything known after `trained_to` is made wrong."""
    if evidence.is_learned:
        assert evidence.retrained.weights == evidence.here.weights, (
            f"{evidence.trial.path}: weights or normalisers moved when what was known after the training was "
            "poisoned; they have seen test days"
        )


def is_stamped(evidence: Evidence) -> None:
    """Rows of every day, whole, with the stamps of their weights, and known when day and weights were."""
    rows, chunk, module = evidence.rows, evidence.chunk, evidence.trial.module
    about = day_of(output_table(module.output))
    assert set(rows[about]) == set(evidence.days), f"{evidence.trial.path}: no rows of some days"
    assert not rows.isna().any(axis=None) and set(rows["model_version"]) == {module.version}
    for day, of_day in rows.groupby(about):
        split, known = chunk.split(day) if chunk else "none", evidence.closes[day]
        if chunk:
            known = max(known, evidence.closes[chunk.trained_to])
            assert set(of_day["trained_to"]) == {chunk.trained_to}
        assert set(of_day["split"]) == {split} and set(of_day["known_at"]) == {known}
        assert set(of_day["chunk"]) == {chunk.number if chunk else 0}


def is_explained(evidence: Evidence) -> None:
    """Company, feature and a finite figure, each pair once, of companies that were predicted, and not all zero."""
    told, said = evidence.here.explained, evidence.here.frames[evidence.day][0]
    assert told is not None and list(told.columns) == ["company_id", "feature", "attribution"], evidence.trial.path
    assert len(told) and np.isfinite(told["attribution"]).all() and (told["attribution"] != 0).any()
    assert not told.duplicated(["company_id", "feature"]).any()
    assert set(told["company_id"]) <= set(said["company_id"])
    assert told["feature"].map(type).eq(str).all()


CHECKS = (repeats, resumes, is_blind, learns_blind, is_stamped, is_explained)


def same(one: pd.DataFrame, other: pd.DataFrame) -> bool:
    """Whether two frames are equal to the bit, whatever the order of their rows."""
    if list(one.columns) != list(other.columns) or len(one) != len(other):
        return False
    frames = [frame.sort_values("company_id", kind="stable") for frame in (one, other)]
    return all(_bits(frames[0][name]) == _bits(frames[1][name]) for name in one.columns)


def _bits(values: pd.Series[Any]) -> list[Any]:
    if values.dtype.kind in "fiu":
        return [values.to_numpy().tobytes()]
    return [value.tobytes() if isinstance(value, np.ndarray) else value for value in values]


def _rows(database: Database, trial: Trial, chunk: Chunk | None) -> pd.DataFrame:
    module = trial.module
    with database.read() as connection:
        statement = text(f"SELECT * FROM {module.output} WHERE model_version = :version AND chunk = :chunk")
        result = connection.execute(statement, {"version": module.version, "chunk": chunk.number if chunk else 0})
        return pd.DataFrame(result.all(), columns=list(result.keys()))


def _closes(database: Database, days: list[date], chunk: Chunk | None) -> dict[date, Any]:
    calendar = Calendar.read(database)
    return {day: calendar.close(day) for day in [*days, *([chunk.trained_to] if chunk else [])]}
