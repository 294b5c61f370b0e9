"""The plain path: a whole run, one evening after another."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from nexus.backtest.account import Account, Evening, Orders, Rules, rebalance, step
from nexus.backtest.costs import Liquidity
from nexus.backtest.engine import Plan
from nexus.backtest.market import Market


@dataclass
class Diary:
    """The accounts of all evenings from the first decision on, and what happened on each after it."""

    accounts: list[Account]
    evenings: list[Evening] = field(default_factory=list)


def replay(market: Market, plan: Plan, rules: Rules, capital: float, liquidity: Liquidity | None = None) -> Diary:
    account, orders = Account.opened(capital, market.n_companies), Orders.none(market.n_companies)
    diary = Diary([])
    decisions = {int(row): number for number, row in enumerate(plan.rows)}
    for row in range(market.n_sessions):
        evening = step(account, market.session(row), orders, rules)
        account, orders = evening.account, evening.waiting
        if row in decisions:
            number = decisions[row]
            known = (
                Orders.none(market.n_companies).liquidity
                if liquidity is None
                else Liquidity(*(values[number] for values in liquidity))
            )
            orders = rebalance(account, plan.weights[number], known, rules)
        if row >= plan.rows[0]:
            diary.accounts.append(account)
        if row > plan.rows[0]:
            diary.evenings.append(evening)
    return diary


def equity(diary: Diary) -> np.ndarray:
    return np.array([account.equity for account in diary.accounts])
