"""Compute an evaluation again from what it recorded, and compare to the last digit, or say what changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from sqlalchemy import Connection, text

from nexus.db import runs
from nexus.db.engine import Database
from nexus.db.ledger import Declaration
from nexus.errors import InputError
from nexus.signals.evaluate import needed, score, varied
from nexus.signals.ground import Choice
from nexus.signals.judge import Judged
from nexus.signals.power import power
from nexus.signals.scores import Scorable
from nexus.signals.software import code_hash, libraries
from nexus.signals.survey import ground, open_panel
from nexus.signals.sweep import MODULE, trial
from nexus.signals.trial import Trial

OF_THE_SWEEP = "sweep"
"""The entry of `details` that other trials of the same sweep decide."""


@dataclass(frozen=True)
class Difference:
    """A figure that came out another one."""

    field: str
    recorded: Any
    computed: Any


@dataclass(frozen=True)
class Reproduction:
    """What came of it.

    changed : what is not as it was then, such as the factor's code; the usual cause of differences
    """

    evaluation_id: int
    factor: str
    changed: tuple[str, ...]
    differences: tuple[Difference, ...]

    @property
    def reproduced(self) -> bool:
        """Whether every figure is the same to the last digit."""
        return not self.differences

    def __str__(self) -> str:
        """One sentence."""
        cause = f"; changed since: {'; '.join(self.changed)}" if self.changed else ""
        if self.reproduced:
            return (
                f"evaluation {self.evaluation_id} of {self.factor}: every figure is the same to the last digit{cause}"
            )
        first = self.differences[0]
        return (
            f"evaluation {self.evaluation_id} of {self.factor}: {len(self.differences)} figures differ, first "
            f"{first.field}: {_short(first.recorded)} then, {_short(first.computed)} now{cause}"
        )


def reproduce(database: Database, evaluation_id: int, factors: Mapping[str, Scorable]) -> Reproduction:
    """Judge again on exactly the recorded loads and compare.

    factors : by name, those at hand

    Raises
    ------
    InputError
        When there is no such evaluation, its factor is not at hand, or it was not made from the database's facts.
    """
    with database.read() as connection:
        row = _row(connection, evaluation_id)
        run = runs.read_run(connection, row["run_id"])
    if run.module != MODULE or not run.params["inputs"]:
        raise InputError(f"evaluation {evaluation_id}: made from arrays, not from facts; only its author can repeat it")
    name = row["factor"]
    if name not in factors:
        raise InputError(f"evaluation {evaluation_id}: factor {name} is not at hand; name its file with --from")
    factor = _as_declared(factors[name], row)
    params = run.params
    choice = Choice(
        start=_day(params.get("start")), end=_day(params.get("end")), load_id=row["load_id"], as_of=row["as_of"],
        sources=params["sources"],
    )  # fmt: skip
    panel = open_panel(database, {*params["inputs"], *needed([factor], row["universe"])}, choice)
    made = ground(panel, row["universe"], params["horizons"], row["rebalance"], choice)
    (scored,) = score(panel, made, [factor], [row["signal"]])
    found = trial(scored, made, params["horizons"])
    place = [judged.horizon for judged in found.judged].index(row["horizon"])
    changed = [
        *_changed(row, found.declarations[place]),
        *(["the code that judges"] if run.code_hash != code_hash() else []),
        *(f"{name} {then} is {now} now" for name, then, now in _libraries(params["libraries"]) if then != now),
    ]  # fmt: skip
    differences = [d for d in _compare(row, found, found.judged[place]) if not _equal(d)]
    if differences and not changed:  # a load never grows, so somebody went past the guards
        changed = ["facts or figures, by their owner: run `nexus audit facts` and `nexus audit ledger`"]
    return Reproduction(evaluation_id, name, tuple(changed), tuple(differences))


def _libraries(then: Mapping[str, str]) -> list[tuple[str, str, str]]:
    return [(name, then[name], now) for name, now in libraries().items() if name in then]


def _row(connection: Connection, evaluation_id: int) -> dict[str, Any]:
    found = connection.execute(_EVALUATION, {"id": evaluation_id}).one_or_none()
    if found is None:
        raise InputError(f"evaluation {evaluation_id}: unknown; `nexus db query evaluations` lists them")
    return dict(found._mapping)


def _as_declared(factor: Scorable, row: Mapping[str, Any]) -> Scorable:
    if factor.condition_name != row["condition"]:
        raise InputError(
            f"evaluation {row['evaluation_id']}: judged under condition {row['condition']}, the factor at hand has "
            f"{factor.condition_name}; declare the condition in its file"
        )
    return varied(factor, row["neutralise"], None)


def _changed(row: Mapping[str, Any], now: Declaration) -> list[str]:
    names = {"version": "the version", "code_hash": "the factor's code", "params_hash": "its parameters"}
    return [what for field, what in names.items() if getattr(now, field) != row[field]]


def _compare(row: Mapping[str, Any], trial: Trial, judged: Judged) -> list[Difference]:
    computed: dict[str, Any] = {field.name: getattr(judged, field.name) for field in fields(judged)}
    sd = np.nan if judged.gate_sd is None else judged.gate_sd
    strength = power(np.array([sd]), np.array([judged.gate_n]), row["m_at"])
    computed |= {
        "n": judged.n, "gate_n": judged.gate_n, "tier": trial.tier, "values_hash": trial.values_hash,
        "sketch_hash": trial.sketch.hash, "detectable_ic": _plain(strength.detectable[0]),
        "details": {key: value for key, value in judged.details.items() if key != OF_THE_SWEEP},
    }  # fmt: skip
    recorded = dict(row) | {"details": {k: v for k, v in row["details"].items() if k != OF_THE_SWEEP}}
    return [Difference(name, recorded[name], value) for name, value in computed.items() if name in recorded]


def _equal(difference: Difference) -> bool:
    recorded, computed = difference.recorded, difference.computed
    if isinstance(computed, np.ndarray):
        return bool(np.array_equal(np.array(recorded, computed.dtype), computed))
    if isinstance(computed, bytes):
        return bytes(recorded) == computed
    return bool(recorded == computed)


def _short(value: Any) -> str:
    words = value.hex() if isinstance(value, bytes) else repr(value)
    return words if len(words) <= 40 else words[:37] + "..."


def _day(value: str | None) -> Any:
    return None if value is None else np.datetime64(value, "D").item()


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


_EVALUATION = text(
    "SELECT e.*, h.signal, h.code_hash, h.params_hash, h.neutralise, h.universe, h.rebalance, h.condition "
    "FROM factor_evaluations e JOIN hypotheses h USING (hypothesis_no) WHERE e.evaluation_id = :id"
)
