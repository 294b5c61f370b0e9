"""Training by itself, without a database: epochs, early stopping, the best weights restored, resume to the bit."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from nexus.contract.checkpoint import BEST, LATEST, Checkpoints, Progress, Saved
from nexus.contract.module import Learned
from nexus.contract.params import plain
from nexus.errors import InputError
from nexus.settings import settings


@dataclass(frozen=True)
class Epoch:
    """What is told of each epoch, counted from 1.

    best_loss : of validation so far; metrics : the module's, where they are due
    metrics_due : every `report_every` epochs and at the last
    """

    number: int
    of: int
    training: float
    validation: float
    best_loss: float
    metrics_due: bool
    metrics: Mapping[str, float]


Report = Callable[[Epoch], None]


@dataclass(frozen=True)
class Fitted:
    """A state with the best weights restored.

    resumed_from : epochs that an earlier process had finished
    """

    state: Any
    progress: Progress
    described: dict[str, Any]
    resumed_from: int


def silent(epoch: Epoch) -> None:
    """Report nothing."""


def fit(
    module: Learned[Any, Any],
    train: Any,
    validation: Any,
    params: Mapping[str, Any],
    *,
    device: str = "cpu",
    store: Checkpoints | None = None,
    report: Report = silent,
    figures: bool = False,
) -> Fitted:
    """Train until `epochs`, or until validation has not improved for `patience` epochs.

    train, validation : what `module.examples` gave; `describe` sees the first only
    params : settled, with `seed`
    store : where to save after each epoch and go on from; None: nowhere
    report : called after each epoch; what it raises ends the training, as a pruned trial's does
    figures : whether the module's metrics are computed for it where they are due
    """
    described = plain(module.name, module.describe(train))
    clash = sorted(set(described) & set(params))
    if clash:
        raise InputError(f"{module.name}: describe() gives {clash[0]!r}, which is a parameter; name it otherwise")
    with numerical_threads():
        try:
            state = module.build({**params, **described, "device": device})
        except (ValueError, ArithmeticError) as error:
            raise InputError(f"{module.name}: cannot be built with parameters {dict(params)}: {error!r}") from error
        fitting = _Fitting(module, state, train, validation, params, described, store, report, figures)
        resumed_from = fitting.resume()
        while not fitting.is_over:
            fitting.epoch()
        fitting.restore()
    return Fitted(state, fitting.progress, described, resumed_from)


@contextmanager
def numerical_threads() -> Iterator[None]:
    """As many threads as the settings say, on any machine: sums of other partitions differ in their last bits."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(settings().threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def device_of(module: Learned[Any, Any], device: str) -> str:
    """`auto`, `cpu` or `cuda` as the name of a device that is there and that the module can use.

    Raises
    ------
    InputError
        When a GPU was asked for and is not there, or the module cannot use one.
    """
    import torch

    there = torch.cuda.is_available()
    if device == "auto":
        return "cuda" if there and "cuda" in module.devices else "cpu"
    if device not in module.devices:
        raise InputError(f"{module.name}: device {device!r}; it runs on {', '.join(module.devices)}")
    if device == "cuda" and not there:
        raise InputError(f"{module.name}: no GPU is available to torch; leave out --device cuda")
    return device


@dataclass
class _Fitting:
    """A training under way."""

    module: Learned[Any, Any]
    state: Any
    train: Any
    validation: Any
    params: Mapping[str, Any]
    described: dict[str, Any]
    store: Checkpoints | None
    report: Report
    figures: bool
    progress: Progress = field(default_factory=Progress)
    best: dict[str, Any] | None = None

    @property
    def is_over(self) -> bool:
        """Whether all epochs are done, or the last improvement is too long ago."""
        stale = self.progress.epoch - self.progress.best_epoch
        return bool(self.progress.epoch >= self.params["epochs"] or stale >= self.params["patience"])

    def resume(self) -> int:
        """Go on where an earlier process was killed; the epochs it had finished."""
        saved = self.store.load(LATEST) if self.store else None
        if saved is None or self.store is None:
            return 0
        if saved.described != self.described:
            raise InputError(
                f"{self.store.folder}: the training examples are described otherwise now; train again with --fresh"
            )
        self.module.load(self.state, saved.state)
        self.progress = saved.progress
        return saved.progress.epoch

    def epoch(self) -> None:
        """Train, validate, save, report."""
        training = self.module.step(self.state, self.train)
        loss = self.module.loss(self.state, self.validation)
        done = self.progress
        if not math.isfinite(loss):
            raise InputError(f"{self.module.name}: validation loss {loss} at epoch {done.epoch + 1}; try a lower lr")
        self.module.after(self.state, loss)
        improved = loss < done.best_loss
        done.epoch += 1
        done.losses.append([training, loss])
        if improved:
            done.best_loss, done.best_epoch = loss, done.epoch
        self._save(improved)
        due = done.epoch % self.params["report_every"] == 0 or self.is_over
        metrics = self.module.metrics(self.state, self.validation) if due and self.figures else {}
        self.report(Epoch(done.epoch, self.params["epochs"], training, loss, done.best_loss, due, metrics))

    def restore(self) -> None:
        """Put the best weights into the state."""
        saved = self.store.load(BEST) if self.store else None
        best = saved.state if saved else self.best
        if best is None:
            raise InputError(f"{self.module.name}: not trained for a single epoch; set epochs to 1 or more")
        self.module.load(self.state, best)

    def _save(self, improved: bool) -> None:
        if self.store is None:
            self.best = deepcopy(self.module.save(self.state)) if improved else self.best
            return
        saved = Saved(self.module.save(self.state), self.progress, self.described)
        if improved:  # the best before the latest: killed between the two, this epoch is trained again
            self.store.save(BEST, saved)
        self.store.save(LATEST, saved)
