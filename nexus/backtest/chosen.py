"""Which evaluations a spec trades on, and what must be said of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

from nexus.backtest.spec import Spec
from nexus.db import tradable
from nexus.db.declared import Declared, declared
from nexus.db.engine import Database
from nexus.db.tradable import Tradable
from nexus.errors import InputError

VERDICT = (
    "declaration_no", "evaluation_id", "status", "verdict", "reason", "horizon", "t_stat", "gate_p", "gate_n",
    "ic_mean", "m", "detectable_ic", "coverage", "names", "tier", "declining",
)  # fmt: skip


@dataclass(frozen=True)
class Chosen:
    """The signals of a spec, in its order, and what each declares, by name."""

    tradable: Sequence[Tradable]
    declared: dict[str, Declared]

    @property
    def m(self) -> int:
        """Trials, as the ledger counted them when the signals were chosen."""
        return self.tradable[0].verdict.m

    @cached_property
    def tiers(self) -> dict[str, str]:
        """Tier of each signal's evaluation."""
        return {one.name: one.verdict.tier for one in self.tradable}

    @property
    def approved(self) -> date | None:
        """The latest approval; None where nothing stands."""
        days = [one.approved_at.date() for one in self.tradable if one.approved_at is not None]
        return max(days, default=None)

    def verdicts(self) -> dict[str, dict[str, Any]]:
        """What the ledger concluded of each, by name."""
        return {
            one.name: {name: getattr(one.verdict, name) for name in VERDICT} | {"side": one.side}
            for one in self.tradable
        }

    def against(self, spec: Spec) -> list[str]:
        """A sentence for each signal that the spec trades against the sign of its evaluation."""
        if spec.portfolio.combine != "rank":
            return []
        weights = {signal.name: signal.weight for signal in spec.signals}
        turned = [
            (one.name, one.verdict.t_stat, weights[one.name])
            for one in self.tradable
            if one.verdict.t_stat is not None and one.verdict.t_stat * weights[one.name] < 0
        ]
        return [
            f"{name} is traded against the sign of its evaluation: t {t:.2f}, weight {weight:g}"
            for name, t, weight in turned
        ]


def choose(database: Database, spec: Spec, exploratory_reason: str | None) -> Chosen:
    """Look up the signals of a spec in the registry.

    Raises
    ------
    RefusedError
        When a signal does not stand and the run is not exploratory.
    InputError
        When the registry does not know a signal, two are one hypothesis, or the reason is empty.
    """
    if exploratory_reason is not None and not exploratory_reason.strip():
        raise InputError("backtest: an exploratory run says why; give --because a sentence")
    names = [signal.name for signal in spec.signals]
    with database.read() as connection:
        chosen = tradable.signals(connection, names, exploratory=exploratory_reason is not None)
        found = declared(connection, [one.verdict.declaration_no for one in chosen])
    by_evaluation: dict[int, str] = {}
    for one in chosen:
        other = by_evaluation.setdefault(one.evaluation_id, one.name)
        if other != one.name:
            raise InputError(
                f"signals {other} and {one.name} are one hypothesis (evaluation {one.evaluation_id}); name one of them"
            )
    return Chosen(chosen, {one.name: found[one.verdict.declaration_no] for one in chosen})
