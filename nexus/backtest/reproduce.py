"""Run a recorded backtest again on exactly its loads: equity to the cent, trades to the last digit, or what changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np

from nexus.backtest.run import Account, code_hash, trade
from nexus.backtest.spec import Spec
from nexus.db import backtests
from nexus.db.backtests import Recorded
from nexus.db.curve import Curve, Trades
from nexus.db.declared import declared
from nexus.db.engine import Database
from nexus.errors import InputError

CENT = 0.005
Progress = Callable[[Iterable[date]], Iterable[date]]


@dataclass(frozen=True)
class Reproduction:
    """What came of running it again.

    differences : sentences; none where all is the same
    changed : what is not as it was then, the usual cause
    """

    backtest_id: int
    sessions: int
    trades: int
    differences: tuple[str, ...]
    changed: tuple[str, ...]

    @property
    def reproduced(self) -> bool:
        """Whether equity is the same to the cent, and every trade to the last digit."""
        return not self.differences

    def __str__(self) -> str:
        """One sentence."""
        cause = f"; changed since: {'; '.join(self.changed)}" if self.changed else ""
        if self.reproduced:
            return (
                f"backtest {self.backtest_id}: equity on {self.sessions} sessions is the same to the cent, and all "
                f"{self.trades} trades are the same{cause}"
            )
        return f"backtest {self.backtest_id}: {'; '.join(self.differences)}{cause}"


def reproduce(database: Database, backtest_id: int, progress: Progress = iter) -> Reproduction:
    """Run a backtest again from its row.

    Raises
    ------
    InputError
        When there is none of that number, or what it traded on is gone.
    """
    with database.read() as connection:
        recorded = backtests.read(connection, backtest_id)
        curve, trades = backtests.curve(connection, backtest_id), backtests.trades(connection, backtest_id)
        told: Mapping[str, Mapping[str, Any]] | None = recorded.backtest.figures.get("signals")
        if told is None:
            raise InputError(
                f"backtest {backtest_id}: not recorded by `nexus backtest run`; only its author can repeat it"
            )
        found = declared(connection, [one["declaration_no"] for one in told.values()])
        signals = {name: found[one["declaration_no"]] for name, one in told.items()}
    then = recorded.backtest
    account = trade(
        database,
        Spec.of(then.spec),
        signals,
        {name: one["tier"] for name, one in told.items()},
        "as_approved" if then.mode == "as_approved" else "fixed",
        then.figures["m"],
        load_id=then.load_id,
        as_of=then.as_of,
        progress=progress,
    )
    differences = [*_curves(curve, account.curve), *_trades(trades, account.trades), *_approvals(recorded, account)]
    changed = ["the code"] if then.code_hash != code_hash() else []
    if differences and not changed:  # a load never grows, so somebody went past the guards, or a canary ran since
        changed = ["facts or scores, by their owner, or what a canary said: run `nexus audit facts`"]
    return Reproduction(backtest_id, len(curve.sessions), len(trades.sessions), tuple(differences), tuple(changed))


def _curves(then: Curve, now: Curve) -> list[str]:
    if len(then.sessions) != len(now.sessions) or (then.sessions != now.sessions).any():
        return [
            f"it ran from {then.sessions[0]} to {then.sessions[-1]} then, {now.sessions[0]} to {now.sessions[-1]} now"
        ]
    off = np.abs(then.equity - now.equity) >= CENT
    if not off.any():
        return []
    first = int(off.argmax())
    return [
        f"equity differs on {off.sum()} sessions, first on {then.sessions[first]}: {then.equity[first]:.2f} then, "
        f"{now.equity[first]:.2f} now"
    ]


def _trades(then: Trades, now: Trades) -> list[str]:
    if len(then.sessions) != len(now.sessions):
        return [f"{len(then.sessions)} trades then, {len(now.sessions)} now"]
    pairs = {name: (getattr(then, name), getattr(now, name)) for name in vars(then)}
    return [f"{name} of the trades differ" for name, (one, two) in pairs.items() if not np.array_equal(one, two)]


def _approvals(recorded: Recorded, account: Account) -> list[str]:
    if account.approvals is None:
        return []
    now = account.approvals.standing()
    return [] if now == recorded.backtest.figures["approved"] else ["other signals stood approved at a year-end"]
