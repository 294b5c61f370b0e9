"""The ground all trials of a sweep stand on: one universe, its rebalance dates, its labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from nexus.maths.types import Bools
from nexus.signals.labels import Labels


@dataclass(frozen=True)
class Choice:
    """What of the facts is read, beyond the defaults; a replay gives all that it recorded."""

    start: date | None = None
    end: date | None = None
    load_id: int | None = None
    as_of: datetime | None = None
    sources: Sequence[str] | None = None


@dataclass(frozen=True)
class Ground:
    """Labels of a universe, and the facts they were made from.

    window : (n_dates,), the dates somebody chose; None: nobody did
    choice, inputs : what was asked of the panel
    """

    universe: str
    rebalance: str
    labels: Labels
    load_id: int
    as_of: datetime
    fingerprint: str
    sources: tuple[str, ...] = ()
    window: Bools | None = None
    choice: Choice = Choice()
    inputs: tuple[str, ...] = ()

    @property
    def days(self) -> list[date]:
        """The rebalance dates."""
        chosen: list[date] = self.labels.dates.astype("datetime64[D]").tolist()
        return chosen
