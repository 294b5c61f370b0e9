"""Every arm fitted with every seed on every chunk, and what it says of the test days; one file each, never twice."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from nexus.contract.checkpoint import told
from nexus.contract.code import class_hash
from nexus.contract.fit import device_of, fit, numerical_threads
from nexus.contract.module import Module
from nexus.contract.reading import chunks_of, read_prediction, read_training
from nexus.contract.splits import Chunk, Plan
from nexus.db.engine import Database
from nexus.db.fingerprint import digest
from nexus.db.panel import Panel
from nexus.graph.gnn.node_task import NodeExamples
from nexus.graph.gnn.role_aware import ROLE_AWARE
from research.role_aware.arms import Arm, arms

COLUMNS = ["arm", "seed", "as_of", "company_id", "score"]
Walk = Callable[[Iterable["Fit"]], Iterable["Fit"]]


@dataclass(frozen=True)
class Asked:
    """What of the ablation was asked for.

    common : parameters of every arm; only : arms beside the full model, default all
    folder : keeps a file per fit
    """

    plan: Plan
    seeds: int
    common: Mapping[str, Any]
    folder: Path
    only: Sequence[str] | None = None
    device: str = "auto"


@dataclass(frozen=True)
class Readied:
    """A chunk with what its arms are given, the same to each; training knows nothing of the test days."""

    chunk: Chunk
    train: NodeExamples
    validation: NodeExamples
    test: Panel
    data: str

    @classmethod
    def of(cls, database: Database, chunk: Chunk) -> Readied:
        """Read it."""
        panels = read_training(database, ROLE_AWARE, chunk)
        test = read_prediction(database, ROLE_AWARE, chunk.test)
        return cls(
            chunk=chunk,
            train=ROLE_AWARE.examples(panels.train, chunk.train),
            validation=ROLE_AWARE.examples(panels.validation, chunk.validation),
            test=test,
            data=digest(panels.fingerprint, test.fingerprint, [str(day) for day in chunk.test]),
        )

    @property
    def relations(self) -> list[str]:
        """Those of the training graphs."""
        return sorted({relation for each in self.train.dates for relation in each.nodes.ends})


@dataclass(frozen=True)
class Fit:
    """An arm with a seed on a chunk."""

    arm: Arm
    seed: int
    ready: Readied

    @property
    def name(self) -> str:
        """Its arm, chunk and seed."""
        return f"{self.arm.name}-chunk{self.ready.chunk.number:03d}-seed{self.seed:03d}"

    def path(self, folder: Path, device: str) -> Path:
        """Where its scores are kept; of other code, data or parameters, or of another device, it is another file."""
        code, used = class_hash(type(self.arm.module), Module), device_of(self.arm.module, device)
        key = digest(code, dict(self.arm.params), told(self.ready.chunk), self.ready.data, used)
        return folder / f"{self.name}-{key[:12]}.parquet"

    def run(self, folder: Path, device: str) -> pd.DataFrame:
        """COLUMNS, of the test days; as kept, where it was done before."""
        path = self.path(folder, device)
        if not path.exists():
            _write(path, self._scores(device))
        return pd.read_parquet(path)

    def _scores(self, device: str) -> pd.DataFrame:
        module = self.arm.module
        params = {**self.arm.params, "seed": self.seed}
        fitted = fit(module, self.ready.train, self.ready.validation, params, device=device_of(module, device))
        frames = []
        with numerical_threads():
            for day in self.ready.chunk.test:
                said = module.predict(fitted.state, self.ready.test.blind(), day)
                frames.append(said.assign(arm=self.arm.name, seed=self.seed, as_of=day)[COLUMNS])
        return pd.concat(frames, ignore_index=True)


def scores(database: Database, asked: Asked, walk: Walk = iter) -> pd.DataFrame:
    """COLUMNS of every arm, seed and test day; what was done before is read, not done again.

    walk : wraps the fits of a chunk, for progress
    """
    asked.folder.mkdir(parents=True, exist_ok=True)
    found: list[pd.DataFrame] = []
    chosen: list[Arm] = []
    for chunk in reversed(chunks_of(database, ROLE_AWARE, asked.plan)):
        ready = Readied.of(database, chunk)
        # the latest chunk trains on what all others do, so it knows every relation
        chosen = chosen or arms(ready.relations, asked.common, asked.only)
        fits = [Fit(arm, seed, ready) for seed in range(asked.seeds) for arm in chosen]
        found += [each.run(asked.folder, asked.device) for each in walk(fits)]
    made = pd.concat(found, ignore_index=True)
    # a day that two chunks predict is told by the later one, as a reader of that day would find it
    told_by = made.drop_duplicates(["arm", "seed", "as_of", "company_id"], keep="first")
    return told_by.reset_index(drop=True)


def _write(path: Path, rows: pd.DataFrame) -> None:
    new = path.with_suffix(f".{os.getpid()}")
    rows.to_parquet(new, index=False)
    new.replace(path)
