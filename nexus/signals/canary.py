"""The canary: scores at t must not move by a bit when everything that became known after t is poisoned."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import numpy as np

from nexus.db import admin
from nexus.db.canaries import record_canary, spread_days
from nexus.db.engine import Database
from nexus.db.poison import disarm, poison
from nexus.errors import InputError, LeakError
from nexus.maths.types import Bools, Floats
from nexus.settings import settings
from nexus.signals.factor import Factor
from nexus.signals.probe import Answer, Request
from nexus.signals.scores import WARM_UP_DAYS, Progress

SHARES = (0.5, 0.8, 0.97)
"""Where the default days lie between the first price and the last."""
AHEAD_DAYS = 400
SHOWN = 5


@dataclass(frozen=True)
class Move:
    """One score that moved; NaN where there was none."""

    day: date
    company_id: int
    before: float
    after: float


@dataclass(frozen=True)
class CanaryResult:
    """What the poison did to one factor.

    compared : scores compared, at least one of the two not NaN
    moved : how many of them differ in any bit
    moves : the first SHOWN of them
    repeatable : whether the factor gives the same scores twice on the same facts
    """

    factor: Factor
    days: tuple[date, ...]
    load_id: int
    compared: int
    moved: int
    moves: tuple[Move, ...]
    repeatable: bool

    @property
    def passed(self) -> bool:
        """Whether no score moved, and there were scores."""
        return self.compared > 0 and self.moved == 0

    def __str__(self) -> str:
        """One sentence."""
        name = f"factor {self.factor.name}"
        days = ", ".join(map(str, self.days))
        if not self.compared:
            return f"{name}: no score on {days}, so nothing was tested; name days on which it has an opinion"
        if not self.moved:
            return f"{name}: {self.compared} scores on {days} did not move by a bit"
        if not self.repeatable:
            return f"{name}: scores differ from one computation to the next; seed what is random by the day"
        first = self.moves[0]
        return (
            f"{name}: {self.moved} of {self.compared} scores moved when facts known after the day were poisoned; "
            f"company {first.company_id} on {first.day} went from {first.before:.6g} to {first.after:.6g}; "
            "read through data.at(day) only"
        )

    def require(self) -> None:
        """Raise LeakError where a score moved, InputError where there was none to move."""
        if self.moved:
            raise LeakError(str(self))
        if not self.compared:
            raise InputError(str(self))


def canary(database: Database, factor: Factor, days: Sequence[date] | None = None) -> CanaryResult:
    """`canaries` of one factor."""
    return canaries(database, [factor], days)[0]


def canaries(
    database: Database, factors: Sequence[Factor], days: Sequence[date] | None = None, progress: Progress = iter
) -> list[CanaryResult]:
    """Score the factors on `days` (default: three, spread) here and in a poisoned clone; record what differs.

    progress : wraps the days, latest first, as each is poisoned and scored

    Raises
    ------
    InputError
        When a factor cannot be computed, or its scores are a file of another program.
    LeakError
        When one can be computed here but not on the clone.
    DatabaseError
        When the database cannot be cloned because another session is connected to it.
    """
    by_hand = [factor.name for factor in factors if not isinstance(factor, Factor)]
    if by_hand:
        raise InputError(f"{by_hand[0]}: scores computed elsewhere cannot be put through the canary; they are tier C")
    chosen = sorted(set(days)) if days else spread_days(database, settings().calendar, SHARES)
    with TemporaryDirectory(prefix="nexus-canary-") as folder, _clone(database) as clone:
        trial = _Trial(factors, chosen, Path(folder))
        here = trial.probe(database, "here", chosen)
        there = trial.poisoned(clone, here, progress)
    results = [_compare(factor, chosen, here, there, place) for place, factor in enumerate(factors)]
    for result in results:
        record_canary(database, _row(result))
    return results


@contextmanager
def _clone(database: Database) -> Iterator[Database]:
    """A clone without guards, dropped in any case."""
    clone = admin.clone(database, f"{database.url.database}"[:40] + f"_canary_{uuid4().hex[:8]}")
    try:
        disarm(clone)
        yield clone
    finally:
        admin.drop(clone)


@dataclass(frozen=True)
class _Trial:
    """The same factors, days and panel on the original and on the clone."""

    factors: Sequence[Factor]
    days: list[date]
    folder: Path

    def poisoned(self, clone: Database, here: Answer, progress: Progress) -> Floats:
        """Scores on the clone, (n_factors, n_days, n_companies), the latest day first: its poison serves the others."""
        there = np.full(here.values[0].shape, np.nan)
        later = None
        for day in progress(self.days[::-1]):
            poison(clone, settings().calendar, day, later)
            try:
                answer = self.probe(clone, f"after {day}", [day], here)
            except InputError as error:
                raise LeakError(f"with all that was known after {day} poisoned: {error}") from error
            there[:, self.days.index(day)] = answer.values[0, :, 0]
            later = day
        return there

    def probe(self, database: Database, name: str, days: Sequence[date], before: Answer | None = None) -> Answer:
        """Scores in a process whose database this is.

        It has a cache of its own, since the loads of the clone have the uuids of the original's.
        """
        home = self.folder / name
        home.mkdir()
        request = Request(
            factors=[(str(factor.file), factor.name, dict(factor.params)) for factor in self.factors],
            days=[str(day) for day in days],
            start=str(self.days[0] - timedelta(WARM_UP_DAYS)),
            end=str(self.days[-1] + timedelta(AHEAD_DAYS)),
            companies=None if before is None else before.companies.tolist(),
            calendar=settings().calendar,
            times=2 if before is None else 1,
            answer=str(home / "answer.npz"),
        )
        request.write(home / "request.json")
        environment = {**os.environ, "NEXUS_DATABASE_URL": database.dsn, "NEXUS_HOME": str(home)}
        command = [sys.executable, "-m", "nexus.signals.probe", str(home / "request.json")]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise InputError((done.stderr.strip().splitlines() or [f"the probe ended with {done.returncode}"])[-1])
        return Answer.read(Path(request.answer))


def _compare(factor: Factor, days: Sequence[date], here: Answer, there: Floats, place: int) -> CanaryResult:
    before, after = here.values[0, place], there[place]
    moved = _differ(before, after)
    moves = tuple(
        Move(days[row], int(here.companies[column]), float(before[row, column]), float(after[row, column]))
        for row, column in np.argwhere(moved)[:SHOWN]
    )
    return CanaryResult(
        factor=factor,
        days=tuple(days),
        load_id=here.load_id,
        compared=int((np.isfinite(before) | np.isfinite(after)).sum()),
        moved=int(moved.sum()),
        moves=moves,
        repeatable=not _differ(before, here.values[1, place]).any(),
    )


def _differ(one: Floats, other: Floats) -> Bools:
    """Which numbers differ in a bit; NaN is NaN."""
    bits = [np.ascontiguousarray(values).view(np.int64) for values in (one, other)]
    return np.asarray((bits[0] != bits[1]) & ~(np.isnan(one) & np.isnan(other)))


def _row(result: CanaryResult) -> dict[str, Any]:
    """The row of table `canaries`."""
    return {
        "factor": result.factor.name,
        "version": result.factor.version,
        "code_hash": result.factor.code_hash,
        "params_hash": result.factor.params_hash,
        "passed": result.passed,
        "days": list(result.days),
        "load_id": result.load_id,
        "detail": {
            "sentence": str(result),
            "compared": result.compared,
            "moved": result.moved,
            "repeatable": result.repeatable,
            "moves": [[str(m.day), m.company_id, repr(m.before), repr(m.after)] for m in result.moves],
        },
    }
