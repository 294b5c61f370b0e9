"""Explanations as rows: what a module says of why it says what it says, stamped as its predictions are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nexus.contract.fit import numerical_threads
from nexus.contract.module import Module
from nexus.contract.reading import Calendar, read_prediction
from nexus.contract.runner import recorded, restore, run_of
from nexus.contract.splits import Chunk
from nexus.db.engine import Database
from nexus.db.outputs import write_day, written_days
from nexus.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ["company_id", "feature", "attribution"]


@dataclass(frozen=True)
class Explained:
    """What was written: days, rows inserted or changed."""

    days: int
    rows: int

    def __str__(self) -> str:
        """One sentence."""
        return f"{self.days} days explained, {self.rows} rows written"


def explain(
    database: Database,
    module: Module[Any],
    chunk: Chunk | None,
    days: Sequence[date],
    *,
    params: Mapping[str, Any] | None = None,
    seed: int = 0,
    device: str = "auto",
    home: Path | None = None,
    load_id: int | None = None,
    progress: Callable[[Iterable[Any]], Iterable[Any]] = iter,
) -> Explained:
    """UPSERT the explanations of `days` into `explanations`, one commit per day.

    chunk : whose weights speak; None for a module that is not learned
    days : those that other weights of the chunk explained are explained again in any case

    Raises
    ------
    InputError
        When there are no such weights, or the module explains in other columns or numbers than it should.
    """
    restored = restore(module, chunk, params=params, seed=seed, device=device, home=home)
    number = chunk.number if chunk else 0
    with database.read() as connection:
        explained = written_days(connection, "explanations", module.version, number)
        others = explained - written_days(connection, "explanations", module.version, number, restored.weights)
    days = sorted(others.union(days))
    panel, calendar = read_prediction(database, module, days, load_id), Calendar.read(database)
    told_of = {**restored.params, "chunk": number, "weights": restored.weights, "explains": True}
    rows = 0
    run = run_of(module, panel, told_of, panel.fingerprint)
    trained_to = chunk.trained_to if chunk else None
    with recorded(database, run, restored.device, trained_to) as running, numerical_threads():
        for day in progress(days):
            found = checked(module, module.explain(restored.state, panel.blind(), day), day)
            known_at = calendar.close(max(day, chunk.trained_to) if chunk else day)
            said = found.assign(
                module=module.name, model_version=module.version, as_of=day, chunk=number, known_at=known_at,
                run_id=running.run_id,
            )  # fmt: skip
            with database.write() as connection:
                rows += write_day(
                    connection, "explanations", said,
                    day=day, model_version=module.version, chunk=number, module=module.name,
                )  # fmt: skip
        running.metrics = {"days": len(days), "rows": rows}
    return Explained(len(days), rows)


def checked(module: Module[Any], found: pd.DataFrame, day: date) -> pd.DataFrame:
    """The explanation, one row per company and feature."""
    where = f"{module.name} on {day}"
    if list(found.columns) != COLUMNS:
        raise InputError(f"{where}: explain() gave columns {list(found.columns)}; give {', '.join(COLUMNS)}")
    twice = found[found.duplicated(["company_id", "feature"])]
    if len(twice):
        feature, company = twice.iloc[0]["feature"], twice.iloc[0]["company_id"]
        raise InputError(f"{where}: explain() says {feature} of company {company} twice; give each once")
    return found
