"""What a process does that trains or predicts and is killed by the kernel at a given point.

point : epoch (after count were reported), step (in the middle of one), best (between saving the best and the latest),
    day (before the count-th day is predicted), or never
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from contract.linear import LINEAR, Linear
from contract.plans import PLAN

from nexus.contract import checkpoint
from nexus.contract.fit import Epoch
from nexus.contract.reading import chunks_of
from nexus.contract.runner import predict, train
from nexus.db.engine import Database


class Fuse:
    """Burns down with every call, then kills."""

    def __init__(self, count: int) -> None:
        self.left = count

    def burn(self, *_: Any) -> None:
        self.left -= 1
        if not self.left:
            os.kill(os.getpid(), signal.SIGKILL)


def main(home: Path, told: Path, point: str, count: int) -> None:
    """Train the first chunk, say which weights came of it and from which epoch it went on."""
    fuse = Fuse(count)
    if point == "best":
        save = checkpoint.Checkpoints.save

        def saving(self: checkpoint.Checkpoints, name: str, saved: checkpoint.Saved) -> None:
            save(self, name, saved)
            if name == checkpoint.BEST:
                fuse.burn()

        checkpoint.Checkpoints.save = saving  # type: ignore[method-assign]
    if point == "step":
        objective = Linear.objective

        def asking(self: Linear, *given: Any) -> Any:
            fuse.burn()
            return objective(self, *given)

        Linear.objective = asking  # type: ignore[method-assign]

    def report(epoch: Epoch) -> None:
        if point == "epoch":
            fuse.burn()

    def walk(days: Iterable[Any]) -> Iterator[Any]:
        for day in days:
            if point == "day":
                fuse.burn()
            yield day

    database = Database.configured()
    chunk = chunks_of(database, LINEAR, PLAN)[0]
    trained = train(database, LINEAR, chunk, home=home / "killed", report=report)
    told.write_text(f"{trained.weights} {trained.resumed_from}")
    if point == "day":
        predict(database, LINEAR, chunk, home=home / "killed", progress=walk)
