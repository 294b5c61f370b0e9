"""Which factors a database can say anything of: those for which graphs and outputs of modules are there."""

from __future__ import annotations

from collections.abc import Iterable

from nexus.db.engine import Database
from nexus.db.extent import inputs_extent
from nexus.db.inputs import MADE
from nexus.errors import InputError
from nexus.signals.scores import Scorable


def available(database: Database, factors: Iterable[Scorable]) -> list[Scorable]:
    """The factors of which each declared graph and each output has a row; facts are not asked for."""
    factors = list(factors)
    made = {name for factor in factors for name in factor.inputs if name.partition(".")[0] in MADE}
    lacking = {name for name in sorted(made) if not _there(database, name)}
    return [factor for factor in factors if lacking.isdisjoint(factor.inputs)]


def _there(database: Database, name: str) -> bool:
    try:
        inputs_extent(database, [name])
    except InputError:
        return False
    return True
