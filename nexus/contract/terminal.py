"""Commands at a terminal: errors as sentences, progress on standard error, as lines where nobody watches."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING, Any, TypeVar

import click

from nexus.errors import NexusError

if TYPE_CHECKING:
    from rich.progress import Progress

    from nexus.contract.fit import Epoch

MOST_FIGURES = 12
"""More than these are no line that anybody reads."""
T = TypeVar("T")
Walk = Callable[[Iterable[Any]], Iterable[Any]]


def run(command: click.Command) -> None:
    """Run `command` on the arguments of the process, and leave with its status."""
    try:
        # click hands back the status of Exit here, and what the command returned otherwise: ours return nothing
        sys.exit(command(standalone_mode=False))
    except NexusError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_status)
    except OSError as error:  # it names the file
        click.echo(f"error: {error}", err=True)
        sys.exit(1)
    except click.exceptions.Abort:
        click.echo("interrupted", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)


@contextmanager
def bar(what: str) -> Iterator[Walk]:
    """A wrapper for the items of a long walk: it shows how many are done, and which is under way."""
    if not sys.stderr.isatty():
        yield lambda items: _lines(what, items)
        return
    with _progress() as progress:

        def walk(items: Iterable[Any]) -> Iterator[Any]:
            known = list(items)
            task = progress.add_task(what, total=len(known))
            for item in known:
                progress.update(task, description=f"{what}: {_name(item)}")
                yield item
                progress.advance(task)
            progress.update(task, description=what)

        yield walk


@contextmanager
def epochs(what: str) -> Iterator[Callable[[Epoch], None]]:
    """Shows the epochs of a training: a bar, or a line for each that has metrics."""
    if not sys.stderr.isatty():
        yield lambda epoch: click.echo(f"{what}: {_told(epoch)}", err=True) if epoch.metrics_due else None
        return
    with _progress() as progress:
        task = progress.add_task(what)

        def show(epoch: Epoch) -> None:
            told = f"{what}: loss {epoch.validation:.4f}, best {epoch.best_loss:.4f}"
            progress.update(task, total=epoch.of, completed=epoch.number, description=told)

        yield show


def _progress() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True, legacy_windows=False))


def _lines(what: str, items: Iterable[T]) -> Iterator[T]:
    known = list(items)
    start = perf_counter()
    for done, item in enumerate(known, 1):
        print(f"{what} {done}/{len(known)} {_name(item)} ({perf_counter() - start:.0f} s)", file=sys.stderr, flush=True)
        yield item


def _told(epoch: Epoch) -> str:
    figures = "".join(f", {name} {value:.4g}" for name, value in epoch.metrics.items())
    if len(epoch.metrics) > MOST_FIGURES:
        figures = f", {len(epoch.metrics)} figures"
    return (
        f"epoch {epoch.number}/{epoch.of}, loss {epoch.training:.4f}, validation {epoch.validation:.4f}, "
        f"best {epoch.best_loss:.4f}{figures}"
    )


def _name(item: object) -> str:
    return str(getattr(item, "name", None) or getattr(item, "signal", None) or item)
