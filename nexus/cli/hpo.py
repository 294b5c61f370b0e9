"""`nexus hpo`: what searches for hyper-parameters have found, and are finding now."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import optuna
    from rich.table import Table

STORAGE = click.option("--storage", help="Optuna's, by URL  [default: the database]")
NEWEST = 12


@click.group()
def hpo() -> None:
    """Look at searches for hyper-parameters; `nexus module NAME hpo` runs one."""


@hpo.command("list")
@STORAGE
def list_(storage: str | None) -> None:
    """List the studies, the newest first, with their trials and the best loss."""
    import optuna

    with _storage(storage) as opened:
        summaries = optuna.get_all_study_summaries(opened)
    for summary in sorted(summaries, key=lambda one: str(one.datetime_start), reverse=True):
        best = summary.best_trial
        loss = f"best {best.value:.6g}" if best is not None and best.value is not None else "none ended yet"
        click.echo(f"{summary.study_name}: {summary.n_trials} trials, {loss}")
    if not summaries:
        click.echo("no search has begun; run `nexus module NAME hpo`")


@hpo.command()
@click.argument("study", required=False)
@STORAGE
@click.option("--every", type=click.FloatRange(min=0.1), default=2.0, show_default=True, help="Seconds.")
@click.option("--once", is_flag=True, help="Print the table and leave.")
def watch(study: str | None, storage: str | None, every: float, once: bool) -> None:
    """Show a live table of STUDY (default: the newest): its state, the best trials and the newest."""
    import optuna
    from rich.console import Console
    from rich.live import Live

    console = Console()
    with _storage(storage) as opened:
        found = optuna.load_study(study_name=_known(opened, study), storage=opened)
        if once or not console.is_terminal:
            console.print(table(found))
            return
        with Live(table(found), console=console, refresh_per_second=4) as live, suppress(KeyboardInterrupt):
            while True:
                time.sleep(every)
                live.update(table(found))


def table(study: optuna.Study) -> Table:
    """The best trial, then the newest ones; plain characters only."""
    from rich import box
    from rich.table import Table

    trials = study.get_trials(deepcopy=False)
    ended = [trial for trial in trials if _complete(trial)]
    best = min(ended, key=lambda trial: trial.value or 0.0, default=None)
    names = sorted({name for trial in trials for name in trial.params})
    shown = Table(title=f"{study.study_name}: {len(trials)} trials", box=box.ASCII)
    for name in ("trial", "state", "epochs", "loss", *names):
        shown.add_column(name, justify="right", overflow="fold")
    newest = [trial for trial in trials[::-1] if trial is not best][:NEWEST]
    for trial in ([best] if best is not None else []) + newest:
        shown.add_row(
            f"{'best ' if trial is best else ''}{trial.number}", trial.state.name.lower(),
            str(max(trial.intermediate_values, default=0)), _loss(trial),
            *(_brief(trial.params.get(name)) for name in names),
        )  # fmt: skip
    return shown


def _complete(trial: optuna.trial.FrozenTrial) -> bool:
    """Whether its value is its loss: Optuna gives one that was pruned the last that it reported."""
    return trial.state.name == "COMPLETE"


def _loss(trial: optuna.trial.FrozenTrial) -> str:
    if _complete(trial):
        return f"{trial.value:.6g}"
    last = max(trial.intermediate_values, default=None)
    return "" if last is None else f"({trial.intermediate_values[last]:.6g})"


def _brief(value: object) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


@contextmanager
def _storage(url: str | None) -> Iterator[optuna.storages.RDBStorage]:
    from nexus.contract.hpo import open_storage
    from nexus.db import admin
    from nexus.db.engine import Database

    where = url or admin.ready(Database.configured())
    try:
        with open_storage(where) as opened:
            yield opened
    finally:
        if isinstance(where, Database):
            where.dispose()


def _known(storage: optuna.storages.RDBStorage, name: str | None) -> str:
    """The study of that name, default the newest."""
    import optuna

    from nexus.errors import InputError

    summaries = optuna.get_all_study_summaries(storage)
    if not summaries:
        raise InputError("no search has begun; run `nexus module NAME hpo`")
    if name is not None:
        if name not in {each.study_name for each in summaries}:
            raise InputError(f"study {name!r}: there is none; `nexus hpo list` names the {len(summaries)} there are")
        return name
    return max(summaries, key=lambda one: str(one.datetime_start)).study_name
