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
from nexus.backtest.chosen import Chosen, choose
from nexus.backtest.engine import Plan, Result
from nexus.backtest.read import Read, read
from nexus.backtest.runs import backtest
from nexus.backtest.spec import Spec
from nexus.backtest.summary import Trials, by_company, plain, summary
from nexus.backtest.variants import check
from nexus.db import backtests, tradable
from nexus.db.backtests import Backtest, Traded
from nexus.db.curve import Curve, Trades
from nexus.db.declared import Declared
from nexus.db.engine import Database
from nexus.errors import InputError
from nexus.maths.stats import moments

AS_APPROVED = (
    "as approved: each year trades only what the gate, at today's M, would have let through at the end of the year "
    "before; signals that stood then and are not named here are not in it"
)
CASH = "nothing stood approved at any year-end: the account held cash throughout"
LEAST_SESSIONS = 2
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
    chosen = choose(database, spec, exploratory_reason)
    with database.read() as connection:
        before, sharpes = backtests.variants(connection), tradable.trial_sharpes(connection)
    trials = Trials(sharpes, before + 1 + len(variants))
    account = trade(database, spec, chosen.declared, chosen.tiers, mode, chosen.m, progress=progress)
    curve, panel = account.curve, account.found.panel
    row = Backtest(
        name=name or f"{'+'.join(signal.name for signal in spec.signals)} on {spec.universe}",
        spec=spec.model_dump(mode="json"),
        spec_hash=spec.sha256,
        code_version=nexus.__version__,
        code_hash=code_hash(),
        load_id=panel.load_id,
        as_of=panel.as_of,
        fingerprint=panel.fingerprint,
        universe=spec.universe,
        first_session=curve.sessions[0].item(),
        last_session=curve.sessions[-1].item(),
        mode=mode,
        reason=exploratory_reason,
        selection_cut=chosen.approved if mode == "fixed" else None,
        variants=1 + len(variants),
        net=moments(account.result.returns),
        figures={},
    )
    row = replace(row, figures=_figures(row, spec, chosen, account, trials, variants))
    weights = {signal.name: signal.weight for signal in spec.signals}
    traded = [
        Traded(one.evaluation_id, one.name, one.factor, one.version, weights[one.name]) for one in chosen.tradable
    ]
    with database.write() as connection:
        number = backtests.record(connection, row, traded, curve, account.trades)
    return Ran(number, row, account)


def _figures(
    row: Backtest, spec: Spec, chosen: Chosen, account: Account, trials: Trials, variants: Sequence[Spec]
) -> dict[str, Any]:
    """All that is told of a run beside its account."""
    found, result, approvals = account.found, account.result, account.approvals
    told = summary(found, spec, account.plan, result, trials, row.selection_cut, variants)
    said = chosen.against(spec)
    if approvals is not None:
        said = [AS_APPROVED, *([] if account.plan.weights.any() else [CASH]), *said]
    return told | {
        "m": chosen.m,
        "signals": plain(chosen.verdicts()),
        "approved": None if approvals is None else approvals.standing(),
        "notes": said,
        "by_company": by_company(found.inputs, result),
    }


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
    after = len(result.equity) - 1
    if after < LEAST_SESSIONS:
        day = found.inputs.sessions[result.first]
        many = f"{after} session{'' if after == 1 else 's'}"
        raise InputError(f"backtest: {many} after the first decision on {day}; take a longer window")
    return Account(found, plan, result, approvals)


def code_hash() -> str:
    """Digest of the code that a run goes through."""
    root = Path(nexus.__file__).parent
    digest = sha256()
    for package in PACKAGES:
        for path in sorted((root / package).glob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()
