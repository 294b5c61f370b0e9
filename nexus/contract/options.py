"""Options of the verbs, and what was asked with them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from nexus.errors import InputError

if TYPE_CHECKING:
    from nexus.contract.module import Learned
    from nexus.contract.params import Best
    from nexus.contract.splits import Chunk, Plan

DAY = click.DateTime(["%Y-%m-%d"])
Command = Callable[..., None]

PLAN = (
    click.option("--from", "start", type=DAY, help="First day  [default: of the inputs]"),
    click.option("--to", "end", type=DAY, help="Last day  [default: of the inputs]"),
    click.option(
        "--days", default="month", show_default=True, help="`month`: the last session of each complete one; K: every K."
    ),
    click.option("--train-months", type=int, help="Of the first chunk  [default: 36]"),
    click.option("--validation-months", type=int, help="Of each chunk  [default: 12]"),
    click.option("--test-months", type=int, help="From one refit to the next  [default: 12]"),
    click.option(
        "--single-fit", is_flag=True, help="One late fit that predicts everything: to look, never to be judged."
    ),
    click.option("--load-id", type=click.IntRange(min=1), help="See facts up to this load only."),
)
FIT = (
    click.option("--params", help="Parameters as JSON, or a file of it  [default: what hpo left, else the module's]"),
    click.option("--set", "settings_", metavar="KEY=VALUE", multiple=True, help="One parameter; may be given again."),
    click.option("--epochs", type=click.IntRange(min=1), help="The same as --set epochs=N."),
    click.option("--seed", type=int, default=0, show_default=True, help="Of all that is drawn."),
    click.option(
        "--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True, help="To compute on."
    ),
    click.option("--home", type=click.Path(path_type=Path), help="Where checkpoints are kept  [default: NEXUS_HOME]"),
)
ONE = (click.option("--chunk", "number", type=click.IntRange(min=0), help="Which  [default: the latest]"),)
MANY = (click.option("--chunks", "numbers", help="Which, as 0-3,7  [default: all]"),)
TRAIN = (
    click.option("--fresh", is_flag=True, help="Forget checkpoints of the same training."),
    click.option("--tensorboard", type=click.Path(path_type=Path), help="Folder for scalars of each epoch."),
)
PREDICT = (
    click.option("--again", is_flag=True, help="Compute also what is written."),
    click.option("--explain", is_flag=True, help="Write explanations of those days too."),
)
HPO = (
    click.option("--trials", type=click.IntRange(min=1), default=20, show_default=True, help="Of each chunk."),
    click.option("--storage", help="Optuna's  [default: the database]"),
)


def with_options(*groups: tuple[Callable[[Command], Command], ...]) -> Callable[[Command], Command]:
    """Add groups of options to a command, in order."""

    def add(command: Command) -> Command:
        for option in reversed([option for group in groups for option in group]):
            command = option(command)
        return command

    return add


@dataclass(frozen=True)
class Asked:
    """What was asked on the command line, of all verbs alike."""

    start: datetime | None = None
    end: datetime | None = None
    days: str = "month"
    train_months: int | None = None
    validation_months: int | None = None
    test_months: int | None = None
    single_fit: bool = False
    load_id: int | None = None
    params: str | None = None
    settings_: tuple[str, ...] = ()
    epochs: int | None = None
    seed: int = 0
    device: str = "auto"
    home: Path | None = None
    number: int | None = None
    numbers: str | None = None
    fresh: bool = False
    tensorboard: Path | None = None
    again: bool = False
    explain: bool = False
    trials: int = 20
    storage: str | None = None

    @property
    def plan(self) -> Plan:
        """How days are cut into chunks."""
        from nexus.contract.splits import Plan

        months = {
            "first_train_months": self.train_months, "validation_months": self.validation_months,
            "test_months": self.test_months,
        }  # fmt: skip
        return Plan(
            start=_date(self.start),
            end=_date(self.end),
            days=_every(self.days),
            single_fit=self.single_fit,
            **{name: value for name, value in months.items() if value is not None},
        )

    @property
    def folder(self) -> Path:
        """Where checkpoints are kept."""
        from nexus.settings import settings

        return self.home or settings().home

    def best(self, module: Learned[Any, Any]) -> Best | None:
        """What hpo left, as far as that is to be used: in its own place, or in a file that is given."""
        from nexus.contract.params import Best, best_params

        if self.params is None:
            return best_params(self.folder, module)
        content = _json(self.params)
        return Best.of(content, self.params) if "trained_to" in content else None

    def source(self, module: Learned[Any, Any]) -> str:
        """Where parameters are from, for people."""
        best = self.best(module)
        if best is not None:
            return f"the best that hpo left, chosen on data to {best.trained_to}"
        return "the module's defaults" if self.params is None else "given"

    def told(self, module: Learned[Any, Any]) -> str:
        """The same with what differs from the module's own."""
        given = ", ".join(f"{name}={value}" for name, value in sorted(self.given(module).items()))
        return f"{self.source(module)}{f': {given}' if given else ''}"

    @property
    def by_hand(self) -> dict[str, Any]:
        """The parameters that the command line gives, without what hpo left."""
        given = {} if self.params is None else _json(self.params)
        base = given["params"] if isinstance(given.get("params"), dict) else given
        single = {} if self.epochs is None else {"epochs": self.epochs}
        return {**base, **dict(map(_pair, self.settings_)), **single}

    def given(self, module: Learned[Any, Any]) -> dict[str, Any]:
        """Every parameter that differs from the module's own."""
        best = self.best(module)
        return {**(best.params if best else {}), **self.by_hand}

    def chosen(self, chunks: Sequence[Chunk]) -> list[Chunk]:
        """The chunks of `--chunks`, default all."""
        wanted = None if self.numbers is None else _numbers(self.numbers)
        return [_one(chunks, number) for number in wanted] if wanted is not None else list(chunks)

    def only(self, chunks: Sequence[Chunk]) -> Chunk:
        """The chunk of `--chunk`, default the latest."""
        return chunks[-1] if self.number is None else _one(chunks, self.number)


def _one(chunks: Sequence[Chunk], number: int) -> Chunk:
    for chunk in chunks:
        if chunk.number == number:
            return chunk
    raise InputError(f"chunk {number}: there is none, they go from {chunks[0].number} to {chunks[-1].number}")


def _numbers(text: str) -> list[int]:
    found: set[int] = set()
    try:
        for part in text.split(","):
            first, _, last = part.partition("-")
            span = range(int(first), int(last or first) + 1)
            if not span:
                raise ValueError(f"{part} is empty")
            found.update(span)
    except ValueError as error:
        raise InputError(f"chunks {text!r}: write numbers and spans, as 0-3,7 ({error})") from error
    return sorted(found)


def _json(given: str) -> dict[str, Any]:
    try:
        text = given if given.lstrip().startswith("{") else Path(given).read_text(encoding="utf-8")
        params = json.loads(text)
    except (OSError, ValueError) as error:
        raise InputError(f"params {given}: {error}; give a JSON object, or a file that holds one") from error
    if not isinstance(params, dict):
        raise InputError(f"params {given}: a {type(params).__name__}; give a JSON object")
    return params


def _pair(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise InputError(f"set {text!r}: write key=value")
    if value.lower() in ("true", "false"):
        return name, value.lower() == "true"
    for read in (json.loads, float):
        try:
            return name, read(value)
        except ValueError:
            continue
    return name, value


def _every(text: str) -> Literal["month"] | int:
    if text == "month":
        return "month"
    if not text.isdigit():
        raise InputError(f"days {text!r}: write `month`, or a number of sessions")
    return int(text)


def _date(moment: datetime | None) -> date | None:
    return None if moment is None else moment.date()
