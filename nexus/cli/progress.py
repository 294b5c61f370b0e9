"""Progress bars on standard error; lines without a terminal, so that logs stay readable."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any, TypeVar

T = TypeVar("T")
Walk = Callable[[Iterable[Any]], Iterable[Any]]


@contextmanager
def bar(what: str) -> Iterator[Walk]:
    """A wrapper for the items of a long walk: it shows how many are done, and which is under way."""
    if not sys.stderr.isatty():
        yield lambda items: _lines(what, items)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    from rich.console import Console

    with Progress(*columns, console=Console(stderr=True, legacy_windows=False)) as progress:

        def walk(items: Iterable[Any]) -> Iterator[Any]:
            known = list(items)
            task = progress.add_task(what, total=len(known))
            for item in known:
                progress.update(task, description=f"{what}: {_name(item)}")
                yield item
                progress.advance(task)
            progress.update(task, description=what)

        yield walk


def _lines(what: str, items: Iterable[T]) -> Iterator[T]:
    known = list(items)
    start = perf_counter()
    for done, item in enumerate(known, 1):
        print(f"{what} {done}/{len(known)} {_name(item)} ({perf_counter() - start:.0f} s)", file=sys.stderr, flush=True)
        yield item


def _name(item: object) -> str:
    return str(getattr(item, "name", None) or getattr(item, "signal", None) or item)
