"""Register signals: publish their scores, and write what the ledger concludes of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nexus.db import ledger, runs, standing
from nexus.db import registry as rows
from nexus.db.engine import Database
from nexus.db.factor_values import publish
from nexus.db.ledger import Declaration
from nexus.db.panel import Panel
from nexus.db.registry import Change, Signal
from nexus.db.runs import Run
from nexus.db.sessions import read_sessions
from nexus.errors import InputError
from nexus.maths import hlz
from nexus.maths.types import Dates
from nexus.settings import settings
from nexus.signals.evaluate import HORIZONS, evaluate, needed, varied
from nexus.signals.factor import Condition
from nexus.signals.ground import Choice
from nexus.signals.labels import ENTRY_LAG
from nexus.signals.naming import signal_name
from nexus.signals.scores import Scorable, compute_scores, members
from nexus.signals.survey import open_panel, rebalance_days
from nexus.signals.sweep import Progress

MODULE = "signals.register"


@dataclass(frozen=True)
class Registered:
    """A signal in the registry; `published` scores are new, `written` says whether its row changed."""

    signal: Signal
    published: int
    written: bool


def register(
    database: Database,
    factors: Sequence[Scorable],
    horizons: Sequence[int] = HORIZONS,
    *,
    universe: str | None = None,
    rebalance: str = "monthly",
    neutralise: str | None = None,
    condition: Condition | None = None,
    progress: Progress = iter,
) -> list[Registered]:
    """Register factors: those that were never judged so are judged first; doing it again changes nothing.

    The arguments are those of `evaluate`.

    Raises
    ------
    RefusedError
        When published scores of the same version are other ones than those computed now.
    """
    universe = universe or settings().universe
    chosen = [varied(factor, neutralise, condition) for factor in factors]
    horizons = sorted(set(horizons))
    wanted = [
        _declarations(factor, own, universe, rebalance, horizons) for factor, own in zip(chosen, factors, strict=True)
    ]
    missing = [own for own, declared in zip(factors, wanted, strict=True) if _number(database, declared) is None]
    if missing:
        evaluate(
            database, missing, horizons, universe=universe, rebalance=rebalance, neutralise=neutralise,
            condition=condition, progress=progress,
        )  # fmt: skip
    panel = open_panel(database, needed(chosen, universe), Choice())
    published = _publish(database, panel, chosen, universe, rebalance_days(panel, rebalance), rebalance)
    numbers = [_number(database, declared) for declared in wanted]
    with database.write() as connection:
        ledger.lock(connection)  # the verdict must not move between being read and being written
        signals = _signals(connection, chosen, [number for number in numbers if number is not None])
        written = set(rows.upsert(connection, signals))
    return [Registered(signal, count, signal.name in written) for signal, count in zip(signals, published, strict=True)]


def publish_scores(database: Database, factors: Sequence[Scorable], universe: str, days: Dates) -> list[int]:
    """Publish the scores of days of one's own, as `register` does those of the rebalance dates; how many were new.

    days : (n_days,), sessions, ascending
    """
    panel = open_panel(database, needed(factors, universe), Choice())
    return _publish(database, panel, factors, universe, days, "as asked")


def unregistered(
    database: Database, factors: Sequence[Scorable], horizons: Sequence[int] = HORIZONS, rebalance: str = "monthly"
) -> list[Scorable]:
    """Those of the factors that the registry does not hold as they are written now, on the default universe."""
    universe = settings().universe
    there = {(signal.name, signal.declaration_no) for signal in listed(database)}
    return [
        factor
        for factor in factors
        if (factor.name, _number(database, _declarations(factor, factor, universe, rebalance, horizons))) not in there
    ]


def verdicts(database: Database) -> list[Change]:
    """Judge all registered signals at today's M and write only the statuses that changed."""
    with database.write() as connection:
        ledger.lock(connection)
        return rows.refresh(connection)


def listed(database: Database) -> list[Signal]:
    """The registry, approved first."""
    with database.read() as connection:
        return rows.signals(connection)


def show(database: Database, name: str) -> Signal:
    """One signal.

    Raises
    ------
    InputError
        When there is no signal of that name.
    """
    with database.read() as connection:
        found = rows.signals(connection, name)
        if not found:
            known = ", ".join(signal.name for signal in rows.signals(connection)) or "none"
            raise InputError(f"signal {name}: not in the registry ({known}); run `nexus signals register {name}`")
    return found[0]


def _declarations(
    factor: Scorable, own: Scorable, universe: str, rebalance: str, horizons: Sequence[int]
) -> list[Declaration]:
    return [
        Declaration(
            signal_name(factor, own, universe), factor.name, factor.version, factor.code_hash, factor.params_hash,
            dict(factor.params), factor.neutralise, horizon, universe, rebalance, ENTRY_LAG, factor.condition_name,
        )
        for horizon in horizons
    ]  # fmt: skip


def _number(database: Database, declared: Sequence[Declaration]) -> int | None:
    """Number of the declaration, once every horizon of it has been looked at."""
    keys = {declaration.key for declaration in declared}
    with database.read() as connection:
        found = ledger.hypotheses(connection, declared[0].universe, [d.horizon for d in declared])
        mine = [hypothesis for hypothesis in found if hypothesis.declaration.key in keys]
        looked = ledger.last_looks(connection, {hypothesis.root_no for hypothesis in mine})
    if len(mine) < len(keys) or any(hypothesis.root_no not in looked for hypothesis in mine):
        return None
    return mine[0].declaration_no


def _publish(
    database: Database, panel: Panel, factors: Sequence[Scorable], universe: str, days: Dates, rebalance: str
) -> list[int]:
    """Scores of each factor as `compute` gave them; how many were new."""
    inside = members(panel, days.tolist(), universe)
    calendar = read_sessions(database, settings().calendar)
    closes = calendar.closes_at[np.searchsorted(calendar.days, days)]
    counts = []
    for factor in factors:
        scores = compute_scores(factor, panel, days.tolist(), inside)
        with database.write() as connection:
            run_id = runs.record_run(connection, _run(factor, panel, universe, rebalance), {})
            counts.append(
                publish(connection, run_id, factor.name, factor.version, days, closes, panel.companies, scores.values)
            )
    return counts


def _run(factor: Scorable, panel: Panel, universe: str, rebalance: str) -> Run:
    params: dict[str, Any] = {"factor": factor.name, "universe": universe, "rebalance": rebalance, **factor.params}
    return Run(MODULE, factor.version, factor.code_hash, params, panel.load_id, panel.fingerprint)


def _signals(connection: Any, factors: Sequence[Scorable], numbers: Sequence[int]) -> list[Signal]:
    found = {verdict.declaration_no: verdict for verdict in standing.verdicts(connection, numbers)}
    profiles = rows.evidence(connection, numbers)
    signals = []
    for factor, number in zip(factors, numbers, strict=True):
        verdict = found[number]
        threshold = hlz.threshold(verdict.gate_n, verdict.m) if verdict.gate_n > 1 else None
        profile = profiles[number] | {"horizon": verdict.horizon, "threshold": threshold}
        signals.append(Signal.of(verdict, factor.type, profile))
    return signals
