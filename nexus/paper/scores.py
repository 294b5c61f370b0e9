"""The scores of an evening: published before they are traded on, through the registry as all scores are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np

from nexus.db.arrival import judged_code, scored
from nexus.db.declared import Declared
from nexus.db.engine import Database
from nexus.errors import InputError, RefusedError
from nexus.signals.registry import publish_scores
from nexus.signals.scores import Scorable


def publish_missing(
    database: Database, signals: Mapping[str, Declared], days: Sequence[date], factors: Mapping[str, Scorable]
) -> list[str]:
    """Publish the scores of days that are not there yet; returns the signals with an opinion on nobody on the last day.

    days : ascending
    factors : at hand, by name

    Raises
    ------
    InputError
        When a factor is not at hand in the version that the account trades.
    RefusedError
        When its code is not the code that was judged.
    """
    silent = []
    for name, signal in signals.items():
        missing = _missing(database, signal, days)
        if not missing:
            continue
        factor = _at_hand(database, name, signal, factors)
        publish_scores(database, [factor], signal.universe, np.array(missing, "datetime64[D]"))
        if signal.condition is None and days[-1] in _missing(database, signal, days):
            silent.append(name)
    return silent


def _missing(database: Database, signal: Declared, days: Sequence[date]) -> list[date]:
    with database.read() as connection:
        there = scored(connection, signal.factor, signal.version, days)
    return [day for day in days if day not in there]


def _at_hand(database: Database, name: str, signal: Declared, factors: Mapping[str, Scorable]) -> Scorable:
    factor = factors.get(signal.factor)
    if factor is None or factor.version != signal.version:
        there = "is not at hand" if factor is None else f"is at hand in version {factor.version}"
        raise InputError(
            f"signal {name}: factor {signal.factor} version {signal.version} {there}; name its file with --from, or "
            f"publish its scores with `nexus signals register {signal.factor}`"
        )
    with database.read() as connection:
        judged = judged_code(connection, signal.declaration_no)
    if factor.code_hash != judged:
        raise RefusedError(
            f"signal {name}: the code of factor {factor.name} version {factor.version} is not what was judged; restore "
            "it, or give it a new version, register that, and open an account on it"
        )
    return factor
