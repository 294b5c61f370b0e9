"""Run a spec on the database, and record what came of it in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import nexus
from nexus.backtest.approvals import Approvals, Mode, replayed
from nexus.backtest.engine import Plan, Result
from nexus.backtest.read import Read, read
from nexus.backtest.runs import backtest
from nexus.backtest.spec import Spec
from nexus.backtest.summary import Trials, by_company, plain, summary, whole
from nexus.backtest.variants import check
from nexus.db import backtests, tradable
from nexus.db.backtests import Backtest, Traded
from nexus.db.curve import Curve, Trades
from nexus.db.declared import Declared, declared
from nexus.db.engine import Database
from nexus.db.tradable import Tradable
from nexus.errors import InputError

VERDICT = (
    "declaration_no", "evaluation_id", "status", "verdict", "reason", "horizon", "t_stat", "gate_p", "gate_n",
    "ic_mean", "m", "detectable_ic", "coverage", "names", "tier", "declining",
)  # fmt: skip
PACKAGES = ("maths", "db", "signals", "backtest")
Progress = Callable[[Iterable[date]], Iterable[date]]


@dataclass(frozen=True)
class Account:
    """What a spec did on the facts, nothing recorded.

    approvals : of an as-approved run
    """

    found: Read
    plan: Plan
    result: Result
    approvals: Approvals | None

    @property
    def curve(self) -> Curve:
        """Session by session."""
        rows = slice(self.result.first, self.result.first + len(self.result.equity))
        series = {name: getattr(self.result, name) for name in ("equity", "cash", "long", "short", "pnl", "traded")}
        return Curve(
            sessions=self.found.inputs.sessions[rows],
            costs=self.result.costs,
            benchmark=self.found.level[rows],
            **series,
        )

    @property
    def trades(self) -> Trades:
        """Fill by fill."""
        done, inputs = self.result.trades, self.found.inputs
        return Trades(
            decided=inputs.sessions[self.plan.rows[done.decision]],
            sessions=inputs.sessions[done.row],
            companies=inputs.companies[done.column],
            shares=done.shares,
            price=done.price,
            costs=done.costs,
        )


@dataclass(frozen=True)
class Ran:
    """A recorded run."""

    backtest_id: int
    backtest: Backtest
    account: Account


def run(
    database: Database,
    spec: Spec,
    *,
    mode: Mode | None = None,
    exploratory_reason: str | None = None,
    variants: Sequence[Spec] = (),
    name: str | None = None,
    progress: Progress = iter,
) -> Ran:
    """Run a spec and record it: all of it, or nothing.

    mode : as_approved, each signal only in years before which the gate would have let it through, or fixed; default
        as_approved, and fixed for an exploratory run
    exploratory_reason : why signals that do not stand are looked at all the same
    variants : other specs that were tried on the same data, for the probability of overfitting; they count as trials
    name : default the signals and the universe
    progress : wraps the year-ends as they are judged

    Raises
    ------
    RefusedError
        When a signal of a run that is not exploratory does not stand.
    InputError
        When the spec and the facts do not go together; nothing is written then.
    """
    check(spec, variants)
    mode = mode or ("as_approved" if exploratory_reason is None else "fixed")
    chosen, declarations = chosen_signals(database, spec, exploratory_reason)
    with database.read() as connection:
        m = chosen[0].verdict.m
        before, sharpes = backtests.variants(connection), tradable.trial_sharpes(connection)
    account = trade(database, spec, declarations, tiers(chosen), mode, m, progress=progress)
    found = account.found
    trials = Trials(sharpes, before + 1 + len(variants))
    cut = selection_cut(chosen, mode)
    figures = summary(found, spec, account.plan, account.result, trials, cut, variants)
    standing = None if account.approvals is None else account.approvals.standing()
    figures |= plain({"m": m, "signals": verdicts(chosen), "approved": standing})
    figures["notes"] = notes(chosen, spec, account, mode)
    figures["by_company"] = by_company(found.inputs, account.result)
    curve = account.curve
    row = Backtest(
        name=name or f"{'+'.join(signal.name for signal in spec.signals)} on {spec.universe}",
        spec=spec.model_dump(mode="json"),
        spec_hash=spec.sha256,
        code_version=nexus.__version__,
        code_hash=code_hash(),
        load_id=found.panel.load_id,
        as_of=found.panel.as_of,
        fingerprint=found.panel.fingerprint,
        universe=spec.universe,
        first_session=curve.sessions[0].item(),
        last_session=curve.sessions[-1].item(),
        mode=mode,
        reason=exploratory_reason,
        selection_cut=cut,
        variants=1 + len(variants),
        net=whole(found, account.result).moments,
        figures=figures,
    )
    weights = {signal.name: signal.weight for signal in spec.signals}
    traded = [Traded(one.evaluation_id, one.name, one.factor, one.version, weights[one.name]) for one in chosen]
    with database.write() as connection:
        number = backtests.record(connection, row, traded, curve, account.trades)
    return Ran(number, row, account)


def trade(
    database: Database,
    spec: Spec,
    signals: Mapping[str, Declared],
    tier: Mapping[str, str],
    mode: Mode,
    m: int,
    *,
    load_id: int | None = None,
    as_of: datetime | None = None,
    progress: Progress = iter,
) -> Account:
    """Run a spec and record nothing.

    signals, tier : by the name that the spec gives them
    m : trials at which an as-approved run judges
    load_id, as_of : for a replay
    """
    judged = mode == "as_approved"
    found = read(database, spec, signals, judged=judged, load_id=load_id, as_of=as_of)
    approvals = replayed(found, signals, tier, m, spec.end, progress) if judged else None
    if approvals is not None:
        inputs = found.inputs
        days = inputs.sessions[inputs.rows]
        on = {name: approvals.on(name, days) & inputs.may(name) for name in signals}
        found = replace(found, inputs=replace(inputs, on=on))
    plan, result = backtest(found.inputs, spec)
    return Account(found, plan, result, approvals)


def chosen_signals(
    database: Database, spec: Spec, exploratory_reason: str | None
) -> tuple[list[Tradable], dict[str, Declared]]:
    """The evaluations that a spec trades on, and what its signals declare, by name.

    Raises
    ------
    RefusedError
        When a signal does not stand and the run is not exploratory.
    InputError
        When the registry does not know a signal, two are one hypothesis, or the reason is empty.
    """
    if exploratory_reason is not None and not exploratory_reason.strip():
        raise InputError("backtest: an exploratory run says why; give --because a sentence")
    with database.read() as connection:
        names = [signal.name for signal in spec.signals]
        chosen = tradable.signals(connection, names, exploratory=exploratory_reason is not None)
        found = declared(connection, [one.verdict.declaration_no for one in chosen])
    by_evaluation: dict[int, str] = {}
    for one in chosen:
        other = by_evaluation.setdefault(one.evaluation_id, one.name)
        if other != one.name:
            raise InputError(
                f"signals {other} and {one.name} are one hypothesis (evaluation {one.evaluation_id}); name one of them"
            )
    return chosen, {one.name: found[one.verdict.declaration_no] for one in chosen}


def verdicts(chosen: Sequence[Tradable]) -> dict[str, dict[str, Any]]:
    """What the ledger concluded of each signal when it was chosen, by name."""
    return {one.name: {name: getattr(one.verdict, name) for name in VERDICT} | {"side": one.side} for one in chosen}


def tiers(chosen: Sequence[Tradable]) -> dict[str, str]:
    """Tier of each signal's evaluation, by name."""
    return {one.name: one.verdict.tier for one in chosen}


def selection_cut(chosen: Sequence[Tradable], mode: Mode) -> date | None:
    """The latest approval among the signals of a fixed run; None where nothing was selected on the curve."""
    approved = [one.approved_at.date() for one in chosen if one.approved_at is not None]
    return max(approved) if approved and mode == "fixed" else None


def notes(chosen: Sequence[Tradable], spec: Spec, account: Account, mode: Mode) -> list[str]:
    """What a reader must know beside the figures."""
    said = []
    if mode == "as_approved":
        said.append(
            "as approved: each year trades only what the gate, at today's M, would have let through at the end of the "
            "year before; signals that stood then and are not named here are not in it"
        )
        if not account.plan.weights.any():
            said.append("nothing stood approved at any year-end: the account held cash throughout")
    weights = {signal.name: signal.weight for signal in spec.signals}
    for one in chosen:
        t = one.verdict.t_stat
        if spec.portfolio.combine == "rank" and t is not None and t * weights[one.name] < 0:
            said.append(
                f"{one.name} is traded against the sign of its evaluation (t {t:.2f}, weight {weights[one.name]:g})"
            )
    return said


def code_hash() -> str:
    """Digest of the code that a run goes through."""
    root = Path(nexus.__file__).parent
    digest = sha256()
    for package in PACKAGES:
        for path in sorted((root / package).glob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()
