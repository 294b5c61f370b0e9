"""Modules that the battery must catch, and the honest one they are made from."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import date
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from contract.linear import Linear, Rows
from sqlalchemy import text

from nexus.contract.torch import TorchState
from nexus.db.engine import Database
from nexus.db.panel import Observations


def asked(statement: str) -> float:
    """A number out of a connection of the module's own."""
    database = Database.configured()
    with database.read() as connection:
        number = float(connection.scalar(text(statement)))
    database.dispose()
    return number


class Peeking(Linear):
    """Looks at the newest snapshot, and normalises by all prices there are."""

    version: ClassVar[str] = "peeking-1"

    def describe(self, examples: Rows) -> dict[str, Any]:
        return {**super().describe(examples), "level": asked("SELECT avg(close) FROM prices")}

    def predict(self, state: TorchState, data: Observations, day: date) -> pd.DataFrame:
        newest = asked("SELECT n_edges FROM graph_snapshots ORDER BY snapshot_date DESC, created_at DESC LIMIT 1")
        rows = super().predict(state, data, day)
        return rows.assign(score=rows["score"] * newest)


class FarSighted(Linear):
    """Reads the panel's last day, forgets its optimiser's moments, and explains with holes."""

    version: ClassVar[str] = "far-sighted-1"

    def predict(self, state: TorchState, data: Observations, day: date) -> pd.DataFrame:
        later = np.nanmean(data.at(data.sessions[-1]).prices("close", 1))
        rows = super().predict(state, data, day)
        return rows.assign(score=rows["score"] + 1e-9 * later)

    def save(self, state: TorchState) -> dict[str, Any]:
        return {name: value for name, value in super().save(state).items() if name != "optimiser"}

    def load(self, state: TorchState, saved: Mapping[str, Any]) -> None:
        super().load(state, {**saved, "optimiser": state.optimiser.state_dict()})

    def explain(self, state: TorchState, data: Observations, day: date) -> pd.DataFrame:
        told = super().explain(state, data, day)
        return told.assign(attribution=told["attribution"].mask(told.index == 3))


class Moody(Linear):
    """Draws from what nobody seeded, and says nothing in some months."""

    version: ClassVar[str] = "moody-1"

    def batches(self, state: TorchState, examples: Rows, train: bool) -> Any:
        state.generator.manual_seed(int.from_bytes(os.urandom(4), "big"))
        return super().batches(state, examples, train)

    def predict(self, state: TorchState, data: Observations, day: date) -> pd.DataFrame:
        rows = super().predict(state, data, day)
        if day.month == 6:
            return rows.head(0)
        return rows.assign(score=rows["score"] + 1e-12 * torch.rand(()).item() * (torch.seed() % 97))


HONEST, PEEKING, FAR_SIGHTED, MOODY = Linear(), Peeking(), FarSighted(), Moody()
