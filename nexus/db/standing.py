"""What the ledger concludes today: rows of the view `standing`, and of `verdicts_at` for another number of trials."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import date
from uuid import UUID

from sqlalchemy import Connection, text


@dataclass(frozen=True)
class Verdict:
    """The verdict on one declared signal; `horizon` to `gate_p` are of the look that decided.

    t_stat : the largest |gate t| over the horizons, with its sign
    """

    declaration_no: int
    signal: str
    factor: str
    version: str
    universe: str
    neutralise: str
    condition: str | None
    verdict: str
    status: str
    reason: str
    horizon: int
    evaluation_id: int
    judgement_id: UUID
    look_no: int
    last_date: date | None
    t_stat: float | None
    gate_p: float | None
    m: int
    hlz_passes: bool
    ic_mean: float | None
    gate_n: int
    detectable_ic: float | None
    coverage: float | None
    names: float | None
    tier: str
    retest_after_n: int | None
    declining: bool
    horizons: list[int]


COLUMNS = ", ".join(field.name for field in fields(Verdict))


def verdicts(connection: Connection, declarations: Iterable[int] | None = None, m: int | None = None) -> list[Verdict]:
    """Verdicts on some declared signals or all, at today's M or another, in order of declaration."""
    rows = connection.execute(
        text(
            f"SELECT {COLUMNS} FROM verdicts_at(coalesce(CAST(:m AS bigint), ledger_m())) "
            "WHERE CAST(:declarations AS integer[]) IS NULL OR declaration_no = ANY(:declarations) "
            "ORDER BY declaration_no"
        ),
        {"m": m, "declarations": None if declarations is None else list(declarations)},
    )
    return [Verdict(*row) for row in rows]
