"""The compiled run equals the plain one, the account adds up, and the machine is deterministic."""

from __future__ import annotations

import numpy as np
import random_market
from hypothesis import given, settings
from plain import equity, replay

from nexus.backtest.account import Rules
from nexus.backtest.costs import Costs
from nexus.backtest.engine import Result, equity_only, run
from nexus.backtest.liquidity import known_liquidity
from nexus.backtest.market import Market

CAPITAL = 1e5


@given(seed=random_market.seeds, rules=random_market.rules)
@settings(max_examples=150, deadline=None)
def test_the_compiled_run_is_the_plain_one(seed: int, rules: Rules) -> None:
    market = random_market.market(seed)
    plan = random_market.plan(seed + 1, market)
    liquidity = known_liquidity(market, plan.rows)
    result = run(market, plan, rules, CAPITAL, liquidity=liquidity)
    diary = replay(market, plan, rules, CAPITAL, liquidity)
    close = {"rtol": 1e-12, "atol": 1e-9 * CAPITAL * 1e-3}
    np.testing.assert_allclose(result.equity, equity(diary), **close)
    np.testing.assert_allclose(result.cash, [account.cash for account in diary.accounts], **close)
    fills = [evening.fills for evening in diary.evenings]
    rows = np.repeat(np.arange(len(fills)) + plan.rows[0] + 1, [len(fill.column) for fill in fills])
    np.testing.assert_array_equal(result.trades.row, rows)
    np.testing.assert_array_equal(result.trades.column, np.concatenate([fill.column for fill in fills]))
    np.testing.assert_array_equal(result.trades.price, np.concatenate([fill.price for fill in fills]))
    np.testing.assert_allclose(
        result.trades.shares, np.concatenate([fill.shares for fill in fills]), rtol=1e-9, atol=1e-9
    )
    np.testing.assert_allclose(
        result.trades.costs, np.concatenate([fill.costs for fill in fills]), rtol=1e-9, atol=1e-9
    )
    after = [diary.accounts[row + 1 - plan.rows[0]].shares for row in plan.rows if row + 1 < market.n_sessions]
    np.testing.assert_allclose(result.positions[: len(after)], after, rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(equity_only(market, plan, rules, CAPITAL, liquidity), result.equity)


@given(seed=random_market.seeds, rules=random_market.rules)
@settings(max_examples=150, deadline=None)
def test_the_account_adds_up_at_every_session(seed: int, rules: Rules) -> None:
    """Cash + positions at market = previous + P&L - costs, the P&L taken from prices, not from the account."""
    market = random_market.market(seed)
    plan = random_market.plan(seed + 1, market)
    result = run(market, plan, rules, CAPITAL)
    pnl = pnl_of_prices(market, result, rules.whole)
    left = result.equity[1:] - (result.equity[:-1] + pnl[1:].sum(axis=1) - result.costs[1:].sum(axis=1))
    assert result.equity[0] == CAPITAL
    assert np.abs(left).max() < 0.005
    assert np.abs(result.equity - (result.cash + result.long - result.short)).max() < 0.005
    assert np.abs(result.pnl - pnl.sum(axis=1)).max() < 0.005
    assert np.abs(result.pnl_by_company - pnl.sum(axis=0)).max() < 0.005
    assert abs(result.costs_by_company.sum() - result.costs[:, :3].sum()) < 0.005
    assert abs(result.traded.sum() - np.abs(result.trades.shares * result.trades.price).sum()) < 0.005


def pnl_of_prices(market: Market, result: Result, whole: bool) -> np.ndarray:
    """What each position earned each session: shares times the move of the price, dividends, fills to the close.

    Shares come from the trades alone; a fraction that a split leaves over earned its move like the rest of the shares.
    """
    n = market.n_sessions - result.first
    pnl = np.zeros((n, market.n_companies))
    for column in range(market.n_companies):
        shares, last = 0.0, np.nan
        for t in range(n):
            session = market.session(result.first + t)
            if shares:
                pnl[t, column] += shares * session.dividend[column]
            shares, last = shares * session.split[column], last / session.split[column]
            if whole and session.split[column] != 1:
                shares = np.trunc(shares + np.copysign(1e-6, shares))
            if np.isfinite(session.delisting[column]):
                pnl[t, column] += shares * last * session.delisting[column] if shares else 0.0
                shares = 0.0
            price = session.close[column]
            now = price if np.isfinite(price) else last
            if shares:
                pnl[t, column] += shares * (now - last)
            here = (result.trades.row == result.first + t) & (result.trades.column == column)
            for bought, paid in zip(result.trades.shares[here], result.trades.price[here], strict=True):
                pnl[t, column] += bought * (now - paid)
                shares += bought
            last = now
    return pnl


def test_two_runs_are_the_same_bit_by_bit() -> None:
    market = random_market.market(5)
    plan = random_market.plan(6, market)
    rules = Rules(Costs(0.001, 0.0005, 0.5, 0.02))
    one, two = (run(market, plan, rules, CAPITAL) for _ in range(2))
    for name in ("equity", "cash", "costs", "positions", "pnl_by_company"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
