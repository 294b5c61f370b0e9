"""The seven verbs of a module, built once for every one there is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from nexus import log
from nexus.contract.options import FIT, HPO, MANY, ONE, PLAN, PREDICT, TRAIN, Asked, with_options
from nexus.contract.terminal import bar, epochs, run
from nexus.errors import InputError

if TYPE_CHECKING:
    from datetime import date

    from nexus.contract.module import Learned, Module
    from nexus.contract.splits import Chunk
    from nexus.db.engine import Database

    Get = Callable[[], Module[Any]]


class Verbs(click.Group):
    """The verbs of a module; without one, those arguments are of `train-best`, so that a file of a model trains it."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the verb where it is left out."""
        known = {*self.list_commands(ctx), "-h", "--help"}
        return super().parse_args(ctx, args if set(args[:1]) & known else ["train-best", *args])


def main(name: str, path: str) -> None:
    """`python -m` of a module's file; `path` is where the module lives, as file:attribute."""
    log.configure()
    run(verbs(name, lambda: load(path), kind=Verbs))


def load(path: str) -> Module[Any]:
    """The module that lives there, as file:attribute."""
    file, attribute = path.split(":")
    return getattr(import_module(file), attribute)  # type: ignore[no-any-return]


def verbs(name: str, get: Get, kind: type[click.Group] = click.Group) -> click.Group:
    """The commands of the module that `get` gives; it is asked for when one of them runs, not for their help."""
    group = kind(name, help=f"Train, look into and predict with {name}.", context_settings=_HELP)
    for command in (_inspect, _hpo, _hpo_all, _train, _train_all, _predict, _predict_all):
        group.add_command(command(get))
    return group


def _inspect(get: Get) -> click.Command:
    @click.command("inspect")
    @with_options(PLAN, FIT)
    def inspect(**options: Any) -> None:
        """Say what the module is: inputs, output, parameters, size, chunks, checkpoints, what is written."""
        from nexus.contract.module import Learned
        from nexus.contract.overview import overview
        from nexus.contract.params import settled

        module, asked = get(), Asked(**options)
        params, source = {}, ""
        if isinstance(module, Learned):
            params, source = {**settled(module, asked.given(module)), "seed": asked.seed}, asked.source(module)
        told = overview(
            _database(), module, asked.plan, params=params, source=source, home=asked.folder, load_id=asked.load_id
        )
        for line in told:
            click.echo(line)

    return inspect


def _hpo(get: Get) -> click.Command:
    @click.command("hpo")
    @with_options(ONE, HPO, PLAN, FIT)
    def hpo(**options: Any) -> None:
        """Search hyper-parameters on one chunk, by its validation loss.

        What is not searched is the module's own or set by hand. Chunks before this one cannot be judged with what it
        finds: --chunk 0 serves them all.
        """
        _search(get, "hpo", options, lambda asked, chunks: [asked.only(chunks)])

    return hpo


def _hpo_all(get: Get) -> click.Command:
    @click.command("hpo-all")
    @with_options(MANY, HPO, PLAN, FIT)
    def hpo_all(**options: Any) -> None:
        """Search hyper-parameters on all chunks, for one set that does well on all."""
        _search(get, "hpo-all", options, Asked.chosen)

    return hpo_all


def _train(get: Get) -> click.Command:
    @click.command("train-best")
    @with_options(ONE, TRAIN, PLAN, FIT)
    def train_best(**options: Any) -> None:
        """Train one chunk with the best parameters there are; an interrupted training goes on where it was."""
        _fit(get, "train-best", options, lambda asked, chunks: [asked.only(chunks)])

    return train_best


def _train_all(get: Get) -> click.Command:
    @click.command("train-best-all")
    @with_options(MANY, TRAIN, PLAN, FIT)
    def train_best_all(**options: Any) -> None:
        """Train all chunks; those that are trained already are passed over."""
        _fit(get, "train-best-all", options, Asked.chosen)

    return train_best_all


def _predict(get: Get) -> click.Command:
    @click.command("predict")
    @with_options(ONE, PREDICT, PLAN, FIT)
    def predict(**options: Any) -> None:
        """Write the rows of one chunk's test days and the day before them; the last day's where nothing is learned."""
        _write(get, options, lambda asked, chunks: [asked.only(chunks)], last_day=True)

    return predict


def _predict_all(get: Get) -> click.Command:
    @click.command("predict-all")
    @with_options(MANY, PREDICT, PLAN, FIT)
    def predict_all(**options: Any) -> None:
        """Write the rows of all chunks; days that are written already are passed over."""
        _write(get, options, Asked.chosen, last_day=False)

    return predict_all


def as_chosen(module: Learned[Any, Any], asked: Asked, chunks: Sequence[Chunk]) -> list[Chunk]:
    """The chunks as of the last day that their parameters were chosen on; where that is in test days, it is said."""
    best = asked.best(module)
    if best is None:
        return list(chunks)
    chosen = [chunk.chosen_on(best.trained_to) for chunk in chunks]
    late = [chunk for chunk in chosen if chunk.late and not chunk.single_fit]
    if late:
        click.echo(
            f"{module.name}: hpo chose these parameters on data up to {best.trained_to}, test days of "
            f"{', '.join(chunk.name for chunk in late)} among them: what they give there is known from then only, and "
            f"hidden from every judgement of an earlier day; search on the first chunk (hpo --chunk {late[0].number}) "
            "or take the module's own parameters (--params '{}') for rows that can be judged"
        )
    return chosen


Choose = Callable[[Asked, "Sequence[Chunk]"], "list[Chunk]"]


def _search(get: Get, verb: str, options: dict[str, Any], choose: Choose) -> None:
    from nexus.contract.hpo import run_hpo
    from nexus.contract.reading import chunks_of

    module, asked, database = _learned(get, verb), Asked(**options), _database()
    chunks = choose(asked, chunks_of(database, module, asked.plan, asked.load_id))
    with bar(f"{module.name} {verb}") as walk:
        found = run_hpo(
            database, module, chunks, asked.trials, asked.storage, params=asked.by_hand, seed=asked.seed,
            device=asked.device, home=asked.folder, load_id=asked.load_id, progress=walk,
        )  # fmt: skip
    click.echo(str(found))


def _fit(get: Get, verb: str, options: dict[str, Any], choose: Choose) -> None:
    from nexus.contract.reading import chunks_of
    from nexus.contract.runner import train

    module, asked, database = _learned(get, verb), Asked(**options), _database()
    chunks = as_chosen(module, asked, choose(asked, chunks_of(database, module, asked.plan, asked.load_id)))
    params = asked.given(module)
    click.echo(f"{module.name}: parameters are {asked.told(module)}")
    for chunk in chunks:
        with ExitStack() as stack:
            report = stack.enter_context(epochs(f"{module.name} {chunk.name}"))
            if asked.tensorboard is not None:
                from nexus.contract.board import board

                report = stack.enter_context(board(asked.tensorboard, module, chunk, report))
            trained = train(
                database, module, chunk, params=params, seed=asked.seed, device=asked.device, home=asked.folder,
                fresh=asked.fresh, load_id=asked.load_id, report=report,
            )  # fmt: skip
        click.echo(f"{module.name}: {trained}")


def _write(get: Get, options: dict[str, Any], choose: Choose, *, last_day: bool) -> None:
    from nexus.contract.module import Learned
    from nexus.contract.reading import chunks_of, days_of
    from nexus.contract.runner import predict

    module, asked, database = get(), Asked(**options), _database()
    common: dict[str, Any] = {"again": asked.again, "load_id": asked.load_id}
    if not isinstance(module, Learned):
        if asked.by_hand:
            raise InputError(
                f"{module.name}: not learned, so it has no parameters; leave out {', '.join(asked.by_hand)}"
            )
        days = days_of(database, module, asked.plan, asked.load_id)
        if not days:
            raise asked.plan.empty()
        with bar(module.name) as walk:
            done = predict(database, module, days=days[-1:] if last_day else days, progress=walk, **common)
        click.echo(f"{module.name}: {done}")
        _explain(database, module, asked, None, days[-1:] if last_day else days)
        return
    common |= {"params": asked.given(module), "seed": asked.seed, "device": asked.device, "home": asked.folder}
    chunks = as_chosen(module, asked, choose(asked, chunks_of(database, module, asked.plan, asked.load_id)))
    for chunk in chunks:
        with bar(f"{module.name} {chunk.name}") as walk:
            done = predict(database, module, chunk, progress=walk, **common)
        click.echo(f"{module.name} {chunk.name}: {done}")
        _explain(database, module, asked, chunk, chunk.test)


def _explain(database: Database, module: Module[Any], asked: Asked, chunk: Chunk | None, days: Sequence[date]) -> None:
    """Explain those days, where that was asked for."""
    if not asked.explain:
        return
    from nexus.contract.explain import explain

    weights: dict[str, Any] = {"params": asked.given(module), "seed": asked.seed} if chunk else {}  # type: ignore[arg-type]
    with bar(f"{module.name} explained") as walk:
        done = explain(
            database, module, chunk, days, device=asked.device, home=asked.folder, load_id=asked.load_id, progress=walk,
            **weights,
        )  # fmt: skip
    click.echo(f"{module.name}: {done}")


def _learned(get: Get, verb: str) -> Learned[Any, Any]:
    from nexus.contract.module import Learned

    module = get()
    if not isinstance(module, Learned):
        raise InputError(f"{module.name} is not learned, so there is nothing to {verb}; use predict or predict-all")
    return module


def _database() -> Database:
    from nexus.db import admin
    from nexus.db.engine import Database

    return admin.ready(Database.configured())


_HELP = {"help_option_names": ["-h", "--help"]}
