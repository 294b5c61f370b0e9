"""What the battery has done in processes of their own, on the database of the environment."""

from __future__ import annotations

import os
import pickle
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd

from nexus.contract.cli import load
from nexus.contract.fit import Epoch, Report, silent
from nexus.contract.module import Learned, Module
from nexus.contract.reading import chunks_of, days_of, read_prediction
from nexus.contract.runner import predict, restore, train
from nexus.contract.splits import Chunk, Plan
from nexus.db.engine import Database

PLAN = Plan(first_train_months=14, validation_months=6, test_months=8)
CHUNK = 1
KILLED_AFTER, EPOCHS = 1, 3


@dataclass(frozen=True)
class Trial:
    """A module, its parameters for the battery, and where its checkpoints are."""

    path: str
    params: Mapping[str, Any]
    models: Path
    device: str = "cpu"

    @property
    def module(self) -> Module[Any]:
        return load(self.path)

    @property
    def options(self) -> dict[str, Any]:
        if not isinstance(self.module, Learned):
            return {}
        params = {**self.params, "epochs": EPOCHS, "patience": EPOCHS}
        return {"params": params, "home": self.models, "device": self.device}


@dataclass
class Found:
    """What a trial came to.

    frames : by day, what `predict` said, asked twice; explained : what `explain` said of one day
    """

    weights: str = ""
    frames: dict[date, list[pd.DataFrame]] = field(default_factory=dict)
    explained: pd.DataFrame | None = None


def chunk_of(module: Module[Any]) -> Chunk | None:
    """The chunk that is tried."""
    return chunks_of(Database.configured(), module, PLAN)[CHUNK] if isinstance(module, Learned) else None


def days_tried(module: Module[Any], chunk: Chunk | None) -> list[date]:
    """Days to be predicted: the chunk's, or the last of those there are."""
    return list(chunk.predicted) if chunk else days_of(Database.configured(), module, PLAN)[-9:]


def learn(home: Path, trial: Trial, killed: bool) -> None:
    """Train; to be killed after the first epoch, or to leave the digest of the weights."""

    def report(epoch: Epoch) -> None:
        if killed and epoch.number == KILLED_AFTER:
            os.kill(os.getpid(), signal.SIGKILL)

    _leave(home, Found(_trained(trial, report)))


def write(home: Path, trial: Trial) -> None:
    """Train where there is something to train, and let the runner write the rows of all days."""
    found = Found(_trained(trial))
    module = trial.module
    chunk = chunk_of(module)
    days = days_tried(module, chunk)
    predict(Database.configured(), module, chunk, days=days, **trial.options)
    found.frames = _asked(trial, days[len(days) // 2], 2)
    found.explained = _explained(trial, days[len(days) // 2])
    _leave(home, found)


def ask(home: Path, trial: Trial, day: date) -> None:
    """Predict a day with weights that are there already; the panel goes on beyond it."""
    _leave(home, Found(frames=_asked(trial, day, 1)))


def left(home: Path) -> Found:
    """What a trial left."""
    return pickle.loads((home / "found").read_bytes())  # type: ignore[no-any-return]


def _leave(home: Path, found: Found) -> None:
    (home / "found").write_bytes(pickle.dumps(found))


def _trained(trial: Trial, report: Report = silent) -> str:
    module, chunk = trial.module, chunk_of(trial.module)
    if not isinstance(module, Learned) or chunk is None:
        return ""
    return train(Database.configured(), module, chunk, report=report, **trial.options).weights


def _asked(trial: Trial, day: date, times: int) -> dict[date, list[pd.DataFrame]]:
    module, chunk = trial.module, chunk_of(trial.module)
    panel = read_prediction(Database.configured(), module, days_tried(module, chunk))
    state = restore(module, chunk, **trial.options).state
    return {day: [module.predict(state, panel.blind(), day) for _ in range(times)]}


def _explained(trial: Trial, day: date) -> pd.DataFrame:
    module, chunk = trial.module, chunk_of(trial.module)
    panel = read_prediction(Database.configured(), module, [day])
    return module.explain(restore(module, chunk, **trial.options).state, panel.blind(), day)
