"""Running a module: read what it may know, train with resume, predict with stamps, one commit per day."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

from nexus.contract.checkpoint import BEST, Checkpoints, Identity, finished, told, weights_digest
from nexus.contract.code import class_hash
from nexus.contract.fit import Report, device_of, fit, numerical_threads, silent
from nexus.contract.module import Learned, Module
from nexus.contract.params import settled
from nexus.contract.reading import Calendar, chunks_of, read_prediction, read_training
from nexus.contract.splits import Chunk, Plan
from nexus.contract.stamps import stamped
from nexus.db.engine import Database
from nexus.db.outputs import write_day, written_days
from nexus.db.panel import Panel
from nexus.db.runs import Run, begin_run, finish_run
from nexus.errors import InputError
from nexus.settings import settings

Walk = Callable[[Iterable[Any]], Iterable[Any]]


@dataclass(frozen=True)
class Trained:
    """What came of a training.

    params : settled, with the seed; loss : of validation, the best; metrics : as the run's row has them
    weights : digest of the best ones, of what they were normalised by, and of the last day that they depend on
    resumed_from : epochs that earlier processes had finished
    anew : False where the same training had been finished before
    """

    chunk: Chunk
    params: dict[str, Any]
    epochs: int
    best_epoch: int
    loss: float
    metrics: dict[str, Any]
    weights: str
    folder: Path
    run_id: UUID
    resumed_from: int = 0
    anew: bool = True

    def __str__(self) -> str:
        """One sentence."""
        went_on = f", resumed from epoch {self.resumed_from}" if self.resumed_from else ""
        before = "" if self.anew else " (trained before, nothing done)"
        return (
            f"{self.chunk.name} trained to {self.chunk.trained_to}: best of {self.epochs} epochs is "
            f"{self.best_epoch}, loss {self.loss:.6g}{went_on}{before}"
        )


@dataclass(frozen=True)
class Restored:
    """A module's state with the best weights of a chunk; None of both where it is not learned."""

    state: Any
    chunk: Chunk | None
    params: dict[str, Any]
    weights: str | None = None
    device: str = "cpu"


@dataclass(frozen=True)
class Predicted:
    """What was written.

    days : predicted now; kept : that had been before; rows : inserted or changed; silent : days of which the module
    had nothing to say
    """

    chunk: int
    days: int
    kept: int
    rows: int
    silent: int
    run_id: UUID | None

    def __str__(self) -> str:
        """One sentence."""
        mute = f", {self.silent} days without anything to say" if self.silent else ""
        return f"{self.days} days predicted, {self.rows} rows new or changed, {self.kept} days kept{mute}"


def train(
    database: Database,
    module: Learned[Any, Any],
    chunk: Chunk,
    *,
    params: Mapping[str, Any] | None = None,
    seed: int = 0,
    device: str = "auto",
    home: Path | None = None,
    fresh: bool = False,
    load_id: int | None = None,
    report: Report = silent,
) -> Trained:
    """Train a chunk, or go on where it was interrupted: the weights end the same to the bit on a CPU.

    params : where they differ from the module's own
    home : holds the checkpoints, default the settings'
    fresh : forget what was trained of the same chunk, parameters and data
    report : called after each epoch

    Raises
    ------
    InputError
        When the checkpoints there are of other code.
    BusyError
        When another process is training the same.
    """
    chosen, used = {**settled(module, params or {}), "seed": seed}, device_of(module, device)
    panels = read_training(database, module, chunk, load_id)
    identity = _identity(module, chunk, chosen, panels.fingerprint)
    store = Checkpoints(home or settings().home, identity)
    with store.locked():
        if fresh:
            store.discard()
        done = store.outcome()
        if done is not None:
            return Trained(chunk, chosen, **{**done, "run_id": UUID(done["run_id"])}, folder=store.folder, anew=False)
        run = run_of(module, panels.validation, {**chosen, "chunk": chunk.number}, panels.fingerprint)
        with recorded(database, run, used, chunk.trained_to) as running:
            train_on = module.examples(panels.train, chunk.train)
            tried_on = module.examples(panels.validation, chunk.validation)
            fitted = fit(module, train_on, tried_on, chosen, device=used, store=store, report=report, figures=True)
            progress = fitted.progress
            # with the day, so that rows of the same weights that were known from another day are written again
            of = {"described": fitted.described, "trained_to": str(chunk.trained_to)}
            weights = weights_digest({**of, **module.save(fitted.state)})
            running.metrics = {
                **{name: float(value) for name, value in module.metrics(fitted.state, tried_on).items()},
                "loss": progress.best_loss, "epochs": progress.epoch,
                "best_epoch": progress.best_epoch, "weights": weights,
            }  # fmt: skip
        outcome: dict[str, Any] = {
            "epochs": progress.epoch, "best_epoch": progress.best_epoch, "loss": progress.best_loss,
            "metrics": running.metrics, "weights": weights,
        }  # fmt: skip
        about = {"run_id": str(running.run_id), "chunk": chunk.number, "trained_to": str(chunk.trained_to)}
        module.leave(fitted.state, store.home, {**about, "params": chosen, **outcome})
        store.finish({**outcome, "run_id": str(running.run_id)})
    return Trained(
        chunk, chosen, **outcome, folder=store.folder, run_id=running.run_id, resumed_from=fitted.resumed_from
    )


def restore(
    module: Module[Any],
    chunk: Chunk | None,
    *,
    params: Mapping[str, Any] | None = None,
    seed: int = 0,
    device: str = "auto",
    home: Path | None = None,
) -> Restored:
    """The state that `predict` and `explain` take: the newest training of the chunk with these parameters.

    Raises
    ------
    InputError
        When there is none, or it is of other code or other days.
    """
    if not isinstance(module, Learned):
        return Restored(None, None, {})
    if chunk is None:
        raise InputError(f"{module.name}: learned, so its weights are of a chunk; name one")
    root, chosen = home or settings().home, {**settled(module, params or {}), "seed": seed}
    there = finished(root, module.name, module.version, chunk, chosen)
    if not there:
        raise InputError(
            f"{module.name}: no checkpoint for {chunk.name} with these parameters in {root}; run train-best first"
        )
    store = Checkpoints(root, _identity(module, chunk, chosen, there[-1].fingerprint))
    saved, outcome = store.load(BEST), store.outcome()
    if saved is None or outcome is None:
        raise InputError(f"{store.folder}: the best weights are gone; train again with --fresh")
    used = device_of(module, device)
    state = module.build({**chosen, **saved.described, "device": used})
    module.load(state, saved.state)
    return Restored(state, chunk, chosen, outcome["weights"], used)


def predict(
    database: Database,
    module: Module[Any],
    chunk: Chunk | None = None,
    *,
    days: Sequence[date] | None = None,
    params: Mapping[str, Any] | None = None,
    seed: int = 0,
    device: str = "auto",
    home: Path | None = None,
    again: bool = False,
    load_id: int | None = None,
    progress: Walk = iter,
) -> Predicted:
    """Write a module's rows of some days, one commit per day; what these weights wrote before is kept.

    chunk : of a learned module; days : default the chunk's `predicted`; those that other weights wrote are written
        again in any case, since vectors of different weights do not compare
    again : compute also days that are written
    progress : wraps the days that are computed
    """
    restored = restore(module, chunk, params=params, seed=seed, device=device, home=home)
    if days is None and chunk is None:
        raise InputError(f"{module.name}: not learned, so it has no chunks; name the days to predict")
    asked = sorted(set(chunk.predicted if days is None and chunk else days or ()))
    number = chunk.number if chunk else 0
    with database.read() as connection:
        written = written_days(connection, module.output, module.version, number, restored.weights)
        others = written_days(connection, module.output, module.version, number) - written
    todo = sorted({day for day in asked if again or day not in written} | others)
    kept = len(set(asked) - set(todo))
    if not todo:
        return Predicted(number, 0, kept, 0, 0, None)
    calendar = Calendar.read(database)
    panel = read_prediction(database, module, todo, load_id)
    told_of = {**restored.params, "chunk": number, "weights": restored.weights}
    run = run_of(module, panel, told_of, panel.fingerprint)
    trained_to = chunk.trained_to if chunk else None
    with recorded(database, run, restored.device, trained_to) as running, numerical_threads():
        rows, mute = 0, 0
        for day in progress(todo):
            found = module.predict(restored.state, panel.blind(), day)
            mute += len(found) == 0
            said = stamped(module, found, day, chunk, calendar, running.run_id) if len(found) else found
            with database.write() as connection:
                rows += write_day(connection, module.output, said, day=day, model_version=module.version, chunk=number)
        running.metrics = {"days": len(todo), "rows": rows, "silent": mute}
    return Predicted(number, len(todo), kept, rows, mute, running.run_id)


def walk(
    database: Database,
    module: Module[Any],
    plan: Plan,
    *,
    numbers: Sequence[int] | None = None,
    **options: Any,
) -> Iterator[tuple[Trained, Predicted]]:
    """Train and predict the chunks of a plan, one after the other; what is done already is passed over.

    numbers : of the chunks, default all
    options : of `train`, as far as they are of `predict` also of that
    """
    if not isinstance(module, Learned):
        raise InputError(f"{module.name}: not learned, so there is nothing to walk forward; predict its days")
    shared = {name: options[name] for name in ("params", "seed", "device", "home", "load_id") if name in options}
    for chunk in chunks_of(database, module, plan, options.get("load_id")):
        if numbers is None or chunk.number in numbers:
            yield train(database, module, chunk, **options), predict(database, module, chunk, **shared)


@dataclass
class Recorded:
    """A run that is under way; `metrics` are written at its end."""

    run_id: UUID
    metrics: dict[str, Any]


@contextmanager
def recorded(database: Database, run: Run, device: str, trained_to: date | None) -> Iterator[Recorded]:
    """The row of a run, from its beginning to its end; no connection is held meanwhile."""
    with database.write() as connection:
        running = Recorded(begin_run(connection, run, trained_to=trained_to, device=_named(device)), {})
    try:
        yield running
    except BaseException:
        with database.write() as connection:
            finish_run(connection, running.run_id, {}, status="failed")
        raise
    with database.write() as connection:
        finish_run(connection, running.run_id, running.metrics)


def _identity(module: Learned[Any, Any], chunk: Chunk, params: dict[str, Any], fingerprint: str) -> Identity:
    return Identity(module.name, module.version, class_hash(type(module), Module), params, told(chunk), fingerprint)


def run_of(module: Module[Any], panel: Panel, params: Mapping[str, Any], fingerprint: str) -> Run:
    """The row of a run on what a panel holds."""
    code = class_hash(type(module), Module)
    return Run(module.name, module.version, code, params, panel.load_id, fingerprint, panel.tier)


def _named(device: str) -> str:
    if device != "cuda":
        return device
    import torch

    return f"cuda: {torch.cuda.get_device_name()}"
