"""What a registered signal declares, as far as it takes to judge it again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, text


@dataclass(frozen=True)
class Declared:
    """A declaration, over all its horizons.

    factor, version : whose published scores the signal is
    canary : whether its latest canary let it pass; None: none has run
    """

    declaration_no: int
    factor: str
    version: str
    neutralise: str
    universe: str
    rebalance: str
    condition: str | None
    horizons: tuple[int, ...]
    canary: bool | None


def declared(connection: Connection, numbers: Iterable[int]) -> dict[int, Declared]:
    """Declarations by their numbers."""
    rows = connection.execute(_DECLARED, {"numbers": list(numbers)})
    return {row.declaration_no: Declared(**{**row._mapping, "horizons": tuple(row.horizons)}) for row in rows}


_DECLARED = text(
    """
    SELECT declaration_no, factor, version, neutralise, universe, rebalance, condition,
           array_agg(horizon ORDER BY horizon) AS horizons, bool_and(canary_passed(root_no)) AS canary
    FROM hypotheses WHERE declaration_no = ANY(:numbers)
    GROUP BY declaration_no, factor, version, neutralise, universe, rebalance, condition
    """
)
