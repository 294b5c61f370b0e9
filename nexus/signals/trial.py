"""A factor that was judged and is not yet counted, and what the ledger made of it."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from nexus.db.ledger import Declaration
from nexus.db.standing import Verdict
from nexus.signals.judge import Judged
from nexus.signals.sketch import Sketch


@dataclass(frozen=True)
class Trial:
    """One factor at its horizons.

    declarations : one for each of `judged`, alike but for the horizon
    tier : of what it was computed from
    values_hash : exact, of every score; the sketch is what it is compared by
    """

    declarations: tuple[Declaration, ...]
    judged: tuple[Judged, ...]
    tier: str
    sketch: Sketch
    values_hash: bytes

    @property
    def signal(self) -> str:
        """Its name in the registry."""
        return self.declarations[0].signal


@dataclass(frozen=True)
class NearDuplicate:
    """An earlier hypothesis with much the same ranks; `rho` is the mean rank correlation."""

    hypothesis_no: int
    signal: str
    rho: float


@dataclass(frozen=True)
class Evaluation:
    """One row of the ledger; `same_as` names the earlier signal whose hypothesis it is, whatever its name."""

    evaluation_id: int
    hypothesis_no: int
    look_no: int | None
    approved: bool
    judged: Judged
    detectable_ic: float | None
    months: tuple[float | None, ...]
    same_as: str | None
    near: tuple[NearDuplicate, ...]


@dataclass(frozen=True)
class Judgement:
    """What became of one factor: its rows, and the verdict on its signal at M trials; None before its first look."""

    signal: str
    declaration_no: int
    judgement_id: UUID
    tier: str
    m: int
    evaluations: tuple[Evaluation, ...]
    verdict: Verdict | None
