"""What a module is given to read: days of its inputs, and panels that end where its knowledge may end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nexus.contract import splits
from nexus.contract.module import Learned, Module
from nexus.contract.splits import Chunk, Plan
from nexus.db.engine import Database
from nexus.db.extent import inputs_extent
from nexus.db.fingerprint import digest
from nexus.db.inputs import MADE
from nexus.db.panel import Panel
from nexus.db.sessions import read_sessions
from nexus.errors import InputError
from nexus.settings import settings


@dataclass(frozen=True)
class Calendar:
    """Sessions and the instants at which they closed, (n,) each."""

    days: NDArray[np.datetime64]
    closes_at: NDArray[np.datetime64]

    @classmethod
    def read(cls, database: Database) -> Calendar:
        """The calendar of the settings."""
        sessions = read_sessions(database, settings().calendar)
        return cls(sessions.days, sessions.closes_at)

    def close(self, day: date) -> datetime:
        """When a session closed; InputError where the day is none."""
        row = self._row(day)
        return self.closes_at[row].astype(datetime).replace(tzinfo=UTC)  # type: ignore[no-any-return]

    def later(self, day: date, sessions: int) -> date:
        """The session so many later."""
        return self.days[self._row(day) + sessions].astype(object)  # type: ignore[no-any-return]

    def _row(self, day: date) -> int:
        row = int(np.searchsorted(self.days, np.datetime64(day)))
        if row == len(self.days) or self.days[row] != np.datetime64(day):
            raise InputError(f"{day} is no session of {settings().calendar}; take a trading day")
        return row


@dataclass(frozen=True)
class Training:
    """Panels of a training: each ends, also in what is known, with the last label of its part."""

    train: Panel
    validation: Panel

    @property
    def fingerprint(self) -> str:
        """Of both."""
        return digest(self.train.fingerprint, self.validation.fingerprint)


def days_of(database: Database, module: Module[Any], plan: Plan, load_id: int | None = None) -> list[date]:
    """The days of the plan on which there are the module's inputs, ascending."""
    first, last = inputs_extent(database, module.inputs, load_id)
    calendar = Calendar.read(database)
    return splits.days_of(calendar.days, max(first, plan.start or first), min(last, plan.end or last), plan.days)


def chunks_of(database: Database, module: Learned[Any, Any], plan: Plan, load_id: int | None = None) -> list[Chunk]:
    """The chunks of the plan for a module; labels end with its inputs."""
    days = days_of(database, module, plan, load_id)
    _, last = inputs_extent(database, module.inputs, load_id)
    sessions = Calendar.read(database).days
    return splits.chunks(days, sessions[sessions <= np.datetime64(last)], module.horizon, plan)


def read_training(database: Database, module: Learned[Any, Any], chunk: Chunk, load_id: int | None = None) -> Training:
    """Panels of the days on which a chunk is trained and chosen, as both were known when their labels were over.

    The first knows nothing of validation, neither knows anything of the test days: a normaliser cannot see them. Of
    outputs of other learned modules they hold what their weights were not fitted to.
    """
    calendar = Calendar.read(database)
    fitted_to, tried_to = (calendar.later(part[-1], module.horizon) for part in (chunk.train, chunk.validation))
    train = _open(database, module, chunk.train[0], fitted_to, calendar, load_id)
    return Training(train, _open(database, module, chunk.train[0], tried_to, calendar, train.load_id))


def read_prediction(database: Database, module: Module[Any], days: Sequence[date], load_id: int | None = None) -> Panel:
    """The panel of days to be predicted, ascending."""
    return _open(database, module, days[0], days[-1], None, load_id)


def _open(
    database: Database, module: Module[Any], first: date, last: date, known_by: Calendar | None, load_id: int | None
) -> Panel:
    panel = Panel.open(
        database,
        start=first - timedelta(module.warm_up),
        end=last,
        inputs=module.inputs,
        load_id=load_id,
        as_of=known_by.close(last) if known_by else None,
        calendar=settings().calendar,
        in_sample=False,
    )
    lacking = [name for name in panel.missing if name.partition(".")[0] in MADE]
    if lacking:
        raise InputError(
            f"{module.name}: from {panel.sessions[0]} to {panel.sessions[-1]} there is no row of {lacking[0]} that its "
            "own weights were not fitted to; build or predict those days first"
        )
    return panel
