"""What a module is: it reads declared inputs as they were known, and gives rows of one declared output."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

if TYPE_CHECKING:
    import pandas as pd

    from nexus.db.panel import Observations, Panel

State = TypeVar("State")
Examples = TypeVar("Examples")


class Module(ABC, Generic[State]):
    """Computes rows of `output`; the runner reads, stamps and writes.

    name : as in `nexus.modules.MODULES`
    version : the `model_version` of its rows, bumped by hand when they change meaning
    inputs : declared as a factor's; output : a table of `nexus.db.tables.OUTPUTS`
    warm_up : calendar days that are read before the first day asked for
    """

    name: ClassVar[str]
    version: ClassVar[str]
    inputs: ClassVar[tuple[str, ...]]
    output: ClassVar[str]
    warm_up: ClassVar[int] = 800

    @abstractmethod
    def predict(self, state: State, data: Observations, day: date) -> pd.DataFrame:
        """Rows of the output for `day`, key and values without stamps; an empty frame where there is nothing to say."""

    @abstractmethod
    def explain(self, state: State, data: Observations, day: date) -> pd.DataFrame:
        """Columns company_id, feature, attribution: why `predict` says what it says on `day`."""


class Learned(Module[State], Generic[State, Examples]):
    """A module that is trained, chunk by chunk.

    basics : what every module of its kind understands; `epochs`, `patience` and `report_every` are the runner's
    defaults : the module's own hyper-parameters, and where its basics differ: plain JSON values
    horizon : sessions that a label looks ahead; sets the embargo between training, validation and test
    devices : those it can be trained on
    """

    basics: ClassVar[Mapping[str, Any]] = {"epochs": 100, "patience": 20, "report_every": 20}
    defaults: ClassVar[Mapping[str, Any]]
    horizon: ClassVar[int]
    devices: ClassVar[tuple[str, ...]] = ("cpu",)

    @abstractmethod
    def space(self, trial: Any) -> dict[str, Any]:
        """Hyper-parameters drawn from an Optuna trial; the others keep their defaults."""

    @abstractmethod
    def examples(self, data: Panel, days: Sequence[date]) -> Examples:
        """Features and labels of `days`, ascending: the only place that may open `Panel.ahead`."""

    def describe(self, examples: Examples) -> dict[str, Any]:
        """What of the data the model's shape and normalisers depend on, as plain JSON values.

        Of training examples only. It joins the parameters before `build`, and is stored with them.
        """
        return {}

    @abstractmethod
    def build(self, params: Mapping[str, Any]) -> State:
        """A new state; needs no data beyond what `describe` said of them.

        params : basics, defaults and what was set, what `describe` said, and the runner's `seed` and `device`
        """

    def size(self, state: State) -> int | None:
        """How many weights there are, for people; None where the method has none to count."""
        return None

    @abstractmethod
    def save(self, state: State) -> dict[str, Any]:
        """Everything that training goes on from: tensors, plain values, dicts and lists of them; no objects."""

    @abstractmethod
    def load(self, state: State, saved: Mapping[str, Any]) -> None:
        """Put what `save` gave into a state of the same parameters."""

    @abstractmethod
    def step(self, state: State, examples: Examples) -> float:
        """Train one epoch; the mean loss on the way, NaN where the method knows none."""

    @abstractmethod
    def loss(self, state: State, examples: Examples) -> float:
        """What early stopping and HPO minimise, without training."""

    def after(self, state: State, loss: float) -> None:
        """Told the loss of validation after each epoch, as a schedule of the learning rate wants to be."""

    def metrics(self, state: State, examples: Examples) -> dict[str, float]:
        """Figures for people, every `report_every` epochs and at the end; nothing is decided by them."""
        return {}

    def leave(self, state: State, home: Path, about: Mapping[str, Any]) -> None:
        """Handed the best weights when a training is over: may leave a copy of them under `home` for others.

        about : chunk, trained_to, run_id, parameters, loss and metrics, plain JSON values
        """
