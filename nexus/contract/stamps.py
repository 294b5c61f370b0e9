"""What the runner adds to a module's rows: of which day, weights and run they are, and when they were known."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any
from uuid import UUID

from nexus.contract.module import Module
from nexus.contract.reading import Calendar
from nexus.contract.splits import Chunk
from nexus.db.outputs import day_of, output_table
from nexus.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

STAMPS = ("model_version", "chunk", "split", "known_at", "run_id", "trained_to")


def stamped(
    module: Module[Any], rows: pd.DataFrame, day: date, chunk: Chunk | None, calendar: Calendar, run_id: UUID
) -> pd.DataFrame:
    """The rows with every column of the module's output.

    known_at : the later of the closes of `day` and of the last day that the weights have seen

    Raises
    ------
    InputError
        When the module gave a stamp itself, or rows of another day.
    """
    table = output_table(module.output)
    where = f"{module.name} on {day}"
    own = [name for name in rows.columns if name in STAMPS]
    if own:
        raise InputError(f"{where}: predict() gave {own[0]}, which is the runner's to say; leave it out")
    about = day_of(table)
    if about in rows.columns and set(rows[about]) != {day}:
        raise InputError(
            f"{where}: predict() gave rows of {about} {sorted(set(rows[about]))[0]}; only of the day asked"
        )
    stamps = {
        about: day,
        "model_version": module.version,
        "chunk": chunk.number if chunk else 0,
        "split": chunk.split(day) if chunk else "none",
        "known_at": calendar.close(max(day, chunk.trained_to) if chunk else day),
        "run_id": run_id,
        "trained_to": chunk.trained_to if chunk else None,
    }
    return rows.assign(**{name: value for name, value in stamps.items() if name in table.columns})
