"""Random markets with everything that can happen to a share, and plans to trade in them, for hypothesis."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from nexus.backtest.account import Rules
from nexus.backtest.costs import Costs
from nexus.backtest.engine import Plan
from nexus.backtest.liquidity import known_liquidity
from nexus.backtest.market import Events, Market
from nexus.db.actions import DELISTING, DIVIDEND, SPLIT


def market(seed: int, n_sessions: int = 40, n_companies: int = 6) -> Market:
    random = np.random.default_rng(seed)
    shape = n_sessions, n_companies
    close = 50 * np.exp(np.cumsum(0.03 * random.standard_normal(shape), axis=0))
    open = close * np.exp(0.01 * random.standard_normal(shape))
    volume = np.floor(1e5 * random.random(shape))
    volume[random.random(shape) < 0.03] = 0
    halted = random.random(shape) < 0.08
    halted[0] = False
    row, column, kind, value = [], [], [], []
    for j in range(n_companies):
        for t in range(1, n_sessions):
            if random.random() < 0.04:
                row.append(t), column.append(j), kind.append(DIVIDEND), value.append(random.random())
            if random.random() < 0.03:
                ratio = float(random.choice([2.0, 1.5, 0.1, 7.0]))
                close[t:, j] /= ratio
                open[t:, j] /= ratio
                row.append(t), column.append(j), kind.append(SPLIT), value.append(ratio)
        if random.random() < 0.3:
            gone = int(random.integers(5, n_sessions))
            halted[gone:, j] = True
            row.append(gone), column.append(j), kind.append(DELISTING), value.append(random.random() - 1.0)
    for prices in (open, close, volume):
        prices[halted] = np.nan
    return Market(open, close, volume, Events.of(*map(np.array, (row, column, kind, value))))


def plan(seed: int, market: Market, decisions: int = 6) -> Plan:
    random = np.random.default_rng(seed)
    rows = np.sort(random.choice(np.arange(1, market.n_sessions), decisions, replace=False))
    weights = 0.3 * random.standard_normal((decisions, market.n_companies))
    weights[random.random(weights.shape) < 0.4] = 0
    weights[np.isnan(known_liquidity(market, rows).dollar_volume)] = 0  # these the engine refuses
    return Plan(rows, weights)


rules = st.builds(
    Rules,
    costs=st.builds(
        Costs,
        commission=st.sampled_from([0.0, 0.001]),
        half_spread=st.sampled_from([0.0, 0.0005]),
        impact=st.sampled_from([0.0, 0.7]),
        borrow=st.sampled_from([0.0, 0.05]),
    ),
    whole=st.booleans(),
    max_turnover=st.sampled_from([np.inf, 0.2]),
    max_volume_share=st.sampled_from([np.inf, 0.01]),
)
seeds = st.integers(0, 2**32 - 1)
