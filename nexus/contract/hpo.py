"""Search for hyper-parameters: Optuna's TPE with pruning, resumable, by as many processes as like to."""

from __future__ import annotations

import logging
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from nexus.contract.checkpoint import told
from nexus.contract.code import class_hash, params_hash
from nexus.contract.fit import Epoch, device_of, fit
from nexus.contract.module import Learned, Module
from nexus.contract.params import module_home, settled, write_best_params, write_json
from nexus.contract.reading import Training, read_training
from nexus.contract.splits import Chunk
from nexus.db.engine import Database
from nexus.db.fingerprint import digest
from nexus.db.runs import Run, begin_run, finish_run
from nexus.db.studies import opening_studies
from nexus.errors import InputError
from nexus.settings import settings

if TYPE_CHECKING:
    import optuna

HEARTBEAT, GRACE = 15, 60
"""Seconds: a trial that has not been heard of for so long was killed, and counts no more."""
ALL_TRIALS = "all_trials.json"
_logger = logging.getLogger(__name__)
Walk = Callable[[Iterable[Any]], Iterable[Any]]


@dataclass(frozen=True)
class Found:
    """What a search came to.

    params : those that were searched or set by hand; loss : of validation, the mean over the chunks
    states : how many trials there are of each, in the whole study
    """

    module: str
    study: str
    params: dict[str, Any]
    loss: float
    states: Mapping[str, int]
    path: Path

    def __str__(self) -> str:
        """One sentence."""
        states = ", ".join(f"{count} {name}" for name, count in sorted(self.states.items()))
        return f"{self.module}: validation loss {self.loss:.6g} with {self.params} ({states}); written to {self.path}"


def run_hpo(
    database: Database,
    module: Learned[Any, Any],
    chunks: Sequence[Chunk],
    trials: int,
    storage: str | None = None,
    *,
    params: Mapping[str, Any] | None = None,
    seed: int = 0,
    device: str = "auto",
    home: Path | None = None,
    load_id: int | None = None,
    progress: Walk = iter,
) -> Found:
    """Search until the study has `trials` that came to an end; what it had before, from any process, counts.

    A trial that fails is made up for; its parameters may have been to blame.

    chunks : a trial's loss is the mean of their validation losses; test days are never read
    storage : of Optuna, by URL; default the database's own schema
    params : where they differ from the module's own; of those that are not searched

    The best parameters are left for `train-best` as best_params.json, with all_trials.json beside them. Each trial is a
    row of `model_runs`, so that it is counted.

    Raises
    ------
    InputError
        When `params` names what is searched; when more trials failed here than were asked for, with what the last one
        said; when all were given up.
    """
    search = _Search(
        database, module, list(chunks), dict(params or {}), seed, device_of(module, device), load_id,
        home or settings().home,
    )  # fmt: skip
    with open_storage(storage or database) as opened:
        study = search.study(opened)
        for number in progress(range(1, trials + 1)):
            while _ended(study) < number:
                study.optimize(search.objective, n_trials=1, catch=(InputError,), callbacks=[search.note])
                search.require_fewer_failures(trials)
        return search.conclude(study)


@dataclass
class _Search:
    """One study of a module on some chunks, parameters and data."""

    database: Database
    module: Learned[Any, Any]
    chunks: list[Chunk]
    given: dict[str, Any]
    seed: int
    device: str
    load_id: int | None
    home: Path
    examples: dict[int, tuple[Any, Any]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    @cached_property
    def panels(self) -> list[Training]:
        """What each chunk is trained and chosen on."""
        return [read_training(self.database, self.module, chunk, self.load_id) for chunk in self.chunks]

    @cached_property
    def fixed(self) -> dict[str, Any]:
        """What was set by hand; InputError where it is searched, since the search would not heed it."""
        import optuna

        drawn = self.module.space(optuna.create_study().ask())
        both = [name for name in self.given if name in drawn]
        if both:
            raise InputError(
                f"{self.module.name}: {', '.join(both)}: searched, so not to be set by hand here; leave it out, or "
                "give it to train-best"
            )
        return self.given

    @cached_property
    def name(self) -> str:
        """Of the study: other code, chunks, days, data, parameters or seed are another one."""
        numbers = "-".join(str(chunk.number) for chunk in self.chunks)
        of = digest(
            class_hash(type(self.module), Module), params_hash({**settled(self.module, self.fixed), "seed": self.seed}),
            *map(told, self.chunks), *(panels.fingerprint for panels in self.panels),
        )  # fmt: skip
        return f"{self.module.name} {self.module.version} chunk {numbers} {of[:12]}"

    def study(self, storage: optuna.storages.RDBStorage) -> optuna.Study:
        """The study, begun or gone on with."""
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)  # of a trial that failed it would print the traceback
        epochs = settled(self.module, self.fixed)["epochs"]
        return optuna.create_study(
            storage=storage,
            study_name=self.name,
            load_if_exists=True,
            direction="minimize",
            pruner=optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=max(1, epochs // 10)),
        )

    def objective(self, trial: optuna.Trial) -> float:
        """Mean validation loss of a trial's parameters over the chunks."""
        import optuna

        # each trial draws by its number: another draw in each process and after each interruption
        drawn = int(digest(self.seed, trial.number)[:8], 16)
        trial.study.sampler = optuna.samplers.TPESampler(seed=drawn, n_startup_trials=8)
        params = {**settled(self.module, self.fixed, self.module.space(trial)), "seed": self.seed}
        run = self._run(trial, params)
        with self.database.write() as connection:
            run_id = begin_run(connection, run, trained_to=self.trained_to, device=self.device)
        metrics: dict[str, Any] = {}
        try:
            losses = _Losses(trial, int(params["epochs"]))
            for place in range(len(self.chunks)):
                losses.add(self._fitted(place, params, losses.report))
            metrics["loss"] = losses.mean
            return losses.mean
        except optuna.TrialPruned:
            metrics["pruned"] = True
            raise
        except BaseException as error:
            metrics["failed"] = str(error) if isinstance(error, InputError) else repr(error)
            trial.set_user_attr("failed", metrics["failed"])
            raise
        finally:
            with self.database.write() as connection:
                status: Literal["done", "failed"] = "failed" if "failed" in metrics else "done"
                finish_run(connection, run_id, metrics, status=status)

    def note(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        """Keep in mind how a trial failed, and say it."""
        if trial.state.name == "FAIL":
            self.failures.append(trial.user_attrs.get("failed", "its loss is no number"))
            _logger.warning("trial %d of %s failed: %s", trial.number, study.study_name, self.failures[-1])

    def require_fewer_failures(self, trials: int) -> None:
        """InputError where more trials failed here than are asked for: the next ones would hardly do better."""
        if len(self.failures) > trials:
            raise InputError(
                f"{self.module.name}: {len(self.failures)} trials failed, more than the {trials} asked for; the last "
                f"said: {self.failures[-1]}; change what is searched or what is set by hand"
            )

    @property
    def trained_to(self) -> date:
        """The last day that any trial has seen."""
        return max(chunk.trained_to for chunk in self.chunks)

    def conclude(self, study: optuna.Study) -> Found:
        """Write down the best parameters and all trials; InputError where none came to its end."""
        import optuna

        trials = study.get_trials(deepcopy=False)
        states = Counter(trial.state.name.lower() for trial in trials)
        if not states["complete"]:
            raise InputError(f"{self.module.name}: all of {len(trials)} trials were given up; ask for more --trials")
        best = {**self.fixed, **self.module.space(optuna.trial.FixedTrial(study.best_params))}
        about = {"study": study.study_name, "loss": study.best_value, "trials": dict(states), "seed": self.seed}
        path = write_best_params(self.home, self.module, best, self.chunks, **about)
        write_json(module_home(self.home, self.module) / ALL_TRIALS, [_told(trial) for trial in trials])
        return Found(self.module.name, study.study_name, best, study.best_value, states, path)

    def _fitted(self, place: int, params: dict[str, Any], report: Callable[[Epoch], None]) -> float:
        if place not in self.examples:
            chunk, panels = self.chunks[place], self.panels[place]
            self.examples[place] = (
                self.module.examples(panels.train, chunk.train),
                self.module.examples(panels.validation, chunk.validation),
            )
        fitted = fit(self.module, *self.examples[place], params, device=self.device, report=report)
        return fitted.progress.best_loss

    def _run(self, trial: optuna.Trial, params: dict[str, Any]) -> Run:
        return Run(
            module=self.module.name,
            model_version=self.module.version,
            code_hash=class_hash(type(self.module), Module),
            params={**params, "hpo_study": self.name, "hpo_trial": trial.number},
            load_id=self.panels[0].train.load_id,
            fingerprint=digest(*(panels.fingerprint for panels in self.panels)),
            tier=max(panels.validation.tier for panels in self.panels),
        )


@dataclass
class _Losses:
    """Losses of the chunks of one trial so far, told to Optuna epoch by epoch."""

    trial: optuna.Trial
    epochs: int
    ended: list[float] = field(default_factory=list)

    @property
    def mean(self) -> float:
        """Over the chunks that ended."""
        return sum(self.ended) / len(self.ended)

    def add(self, loss: float) -> None:
        """A chunk came to its end."""
        self.ended.append(loss)

    def report(self, epoch: Epoch) -> None:
        """Give the trial up where the study says that it will not do."""
        import optuna

        losses = [*self.ended, epoch.best_loss]
        self.trial.report(sum(losses) / len(losses), len(self.ended) * self.epochs + epoch.number)
        if self.trial.should_prune():
            raise optuna.TrialPruned


@contextmanager
def open_storage(where: str | Database) -> Iterator[optuna.storages.RDBStorage]:
    """Optuna's storage, its tables made where they are missing; its connections are closed at the end.

    where : a URL, or the database whose schema of studies it is

    Raises
    ------
    InputError
        When it cannot be opened.
    """
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    opening = nullcontext(where) if isinstance(where, str) else opening_studies(where)
    try:
        with opening as url, warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # of the heartbeat
            storage = optuna.storages.RDBStorage(url, heartbeat_interval=HEARTBEAT, grace_period=GRACE)
    except (SQLAlchemyError, ImportError, ValueError) as error:
        cause = str(error).strip().splitlines()[0]
        raise InputError(f"storage {str(where).split('@')[-1]}: {cause}; give a URL as sqlite:///studies.db") from error
    try:
        yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _ended(study: optuna.Study) -> int:
    import optuna

    states = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED)
    return len(study.get_trials(deepcopy=False, states=states))


def _told(trial: optuna.trial.FrozenTrial) -> dict[str, Any]:
    return {
        "number": trial.number,
        "state": trial.state.name.lower(),
        "loss": trial.value if trial.state.name == "COMPLETE" else None,
        "last": trial.intermediate_values.get(max(trial.intermediate_values, default=-1)),
        "params": trial.params,
        "epochs": max(trial.intermediate_values, default=0),
        "started": trial.datetime_start,
        "seconds": trial.duration.total_seconds() if trial.duration else None,
        **({"failed": trial.user_attrs["failed"]} if "failed" in trial.user_attrs else {}),
    }
