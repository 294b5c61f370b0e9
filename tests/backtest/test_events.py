"""What can happen to a share, worked by hand: one or two companies, round prices, each on both paths."""

from __future__ import annotations

import numpy as np
import pytest
from plain import equity, replay

from nexus.backtest.account import Rules
from nexus.backtest.costs import Costs, Liquidity
from nexus.backtest.engine import Plan, Result, run
from nexus.backtest.market import Events, Market, delistings
from nexus.db.actions import DELISTING, DIVIDEND, SPLIT

NAN = np.nan
FREE = Rules()


def market(
    open: list[float], close: list[float], *events: tuple[int, int, float], volume: list[float] | None = None
) -> Market:
    """One company; events are (row, kind, value)."""
    row, kind, value = (np.array(part) for part in zip(*events, strict=True)) if events else (np.empty(0),) * 3
    prices = [np.array(values)[:, None] for values in (open, close, volume or [1e6] * len(open))]
    return Market(*prices, Events.of(row, np.zeros(len(row)), kind, value))


def traded(market: Market, weights: dict[int, float], rules: Rules = FREE, capital: float = 1000.0) -> Result:
    """The run of the compiled path, which must be that of the plain one."""
    plan = Plan(np.array(list(weights)), np.array(list(weights.values()))[:, None])
    liquidity = Liquidity(np.full((len(plan.rows), 1), 1e6), np.full((len(plan.rows), 1), 0.02))
    result = run(market, plan, rules, capital, liquidity=liquidity)
    np.testing.assert_allclose(result.equity, equity(replay(market, plan, rules, capital, liquidity)), rtol=1e-12)
    return result


def test_known_at_the_close_filled_at_the_next_open() -> None:
    """1000 at weight 0.5 and a close of 10 is 50 shares; they cost 11 at the open, and close at 12."""
    result = traded(market([9, 11, 13], [10, 12, 14]), {0: 0.5})
    assert result.trades.row.tolist() == [1]
    assert result.trades.shares.tolist() == [50]
    assert result.trades.price.tolist() == [11]
    assert result.cash.tolist() == [1000, 450, 450]
    assert result.equity.tolist() == [1000, 1050, 1150]
    assert result.positions.tolist() == [[50]]


def test_a_short_position_earns_when_the_price_falls() -> None:
    """Short 50 at 11 brings 550; at 8 they cost 400 to buy back."""
    result = traded(market([9, 11, 13], [10, 10, 8]), {0: -0.5})
    assert result.cash.tolist() == [1000, 1550, 1550]
    assert result.short.tolist() == [0, 500, 400]
    assert result.equity.tolist() == [1000, 1050, 1150]


def test_a_dividend_goes_to_who_held_at_the_close_before() -> None:
    """50 shares bought at the open of the ex-date get nothing; the next dividend brings 50 x 2."""
    result = traded(market([10] * 4, [10] * 4, (1, DIVIDEND, 1.0), (2, DIVIDEND, 2.0)), {0: 0.5})
    assert result.cash.tolist() == [1000, 500, 600, 600]
    assert result.pnl.tolist() == [0, 0, 100, 0]


def test_a_dividend_is_paid_by_who_is_short() -> None:
    result = traded(market([10] * 4, [10] * 4, (2, DIVIDEND, 2.0)), {0: -0.5})
    assert result.cash.tolist() == [1000, 1500, 1400, 1400]


def test_a_split_changes_the_shares_and_not_the_equity() -> None:
    """50 shares of 10 become 100 of 5."""
    result = traded(market([10, 10, 5], [10, 10, 5], (2, SPLIT, 2.0)), {0: 0.5, 1: 0.5})
    assert result.equity.tolist() == [1000] * 3
    assert result.positions.tolist() == [[50], [100]]
    assert result.trades.shares.tolist() == [50]


def test_a_split_between_order_and_fill_splits_the_order() -> None:
    """50 ordered at 10; on the next morning they are 100 of 5."""
    result = traded(market([10, 5, 5], [10, 5, 6], (1, SPLIT, 2.0)), {0: 0.5})
    assert result.trades.shares.tolist() == [100]
    assert result.equity.tolist() == [1000, 1000, 1100]


def test_what_a_split_leaves_over_of_whole_shares_is_paid_out() -> None:
    """5 shares of 100 become 7.5 of 66 2/3: 7, and 33.33 in cash."""
    third = 200 / 3
    result = traded(market([100, 100, third], [100, 100, third], (2, SPLIT, 1.5)), {0: 0.5}, Rules(whole=True))
    assert result.cash.tolist() == pytest.approx([1000, 500, 500 + third / 2])
    assert result.equity.tolist() == pytest.approx([1000] * 3)


def test_whole_shares_are_rounded_towards_zero() -> None:
    """0.5 x 1000 at 30 is 16.67 shares, long or short: 16."""
    for side in (1, -1):
        result = traded(market([30, 30], [30, 30]), {0: side * 0.5}, Rules(whole=True))
        assert result.trades.shares.tolist() == [side * 16]


def test_a_dividend_and_a_split_on_one_day_are_in_that_order() -> None:
    """The dividend is per share held at the close before: 50 x 1, then 100 shares."""
    result = traded(market([10, 10, 4], [10, 10, 4.5], (2, SPLIT, 2.0), (2, DIVIDEND, 1.0)), {0: 0.5})
    assert result.cash[-1] == 550
    assert result.equity[-1] == 1000


def test_without_a_bar_the_order_waits_for_the_next_open() -> None:
    """Halted on rows 1 and 2: filled on row 3 at 20, with what was decided at row 0."""
    result = traded(market([10, NAN, NAN, 20], [10, NAN, NAN, 22]), {0: 0.5})
    assert result.trades.row.tolist() == [3]
    assert result.trades.shares.tolist() == [50]
    assert result.equity.tolist() == [1000, 1000, 1000, 1100]


def test_without_volume_the_order_waits_too() -> None:
    result = traded(market([10, 10, 11], [10, 10, 11], volume=[5, 0, 5]), {0: 0.5})
    assert result.trades.row.tolist() == [2]


def test_a_halted_holding_keeps_its_last_value_and_gets_its_dividend() -> None:
    """50 shares at 10, halted on row 2 with a dividend of 1, resumed at 9."""
    result = traded(market([10, 10, NAN, 9], [10, 10, NAN, 9], (2, DIVIDEND, 1.0)), {0: 0.5})
    assert result.equity.tolist() == [1000, 1000, 1050, 1000]


def test_a_split_during_a_halt_keeps_the_value() -> None:
    result = traded(market([10, 10, NAN, 5], [10, 10, NAN, 5], (2, SPLIT, 2.0)), {0: 0.5})
    assert result.equity.tolist() == [1000] * 4


def test_a_newer_decision_replaces_a_waiting_order() -> None:
    """50 were wanted at row 0 and 20 at row 1, both during a halt: 20 are bought."""
    result = traded(market([10, NAN, 10], [10, NAN, 10]), {0: 0.5, 1: 0.2})
    assert result.trades.shares.tolist() == [20]
    assert result.trades.decision.tolist() == [1]


def test_an_order_is_sized_at_the_last_close_where_the_decision_has_none() -> None:
    """Last close 10, halved by a split in the halt: 0.5 x 1000 / 5 = 100 shares."""
    result = traded(market([10, NAN, NAN, 5], [10, NAN, NAN, 5], (1, SPLIT, 2.0)), {2: 0.5})
    assert result.trades.shares.tolist() == [100]


def test_a_delisted_holding_is_paid_out_at_its_last_price_and_return() -> None:
    """50 at 10 held to 12, delisted at -30 %: 50 x 12 x 0.7 = 420 in cash."""
    result = traded(market([10, 10, 12, NAN], [10, 10, 12, NAN], (3, DELISTING, -0.3)), {0: 0.5})
    assert result.cash.tolist() == [1000, 500, 500, 920]
    assert result.pnl.tolist() == [0, 0, 100, -180]
    assert result.long[-1] == 0


def test_a_delisted_short_is_bought_back_at_what_is_left() -> None:
    """Short 50 at 10, worth nothing at the end: all of the proceeds are kept."""
    result = traded(market([10, 10, NAN], [10, 10, NAN], (2, DELISTING, -1.0)), {0: -0.5})
    assert result.equity.tolist() == [1000, 1000, 1500]


def test_an_order_of_a_delisted_company_lapses() -> None:
    result = traded(market([10, NAN, NAN], [10, NAN, NAN], (1, DELISTING, -0.3)), {0: 0.5})
    assert not len(result.trades.row)
    assert result.equity.tolist() == [1000] * 3


def test_leaving_the_universe_sells_at_the_next_decision() -> None:
    """50 at 10, weight 0 decided at the close of row 1, sold at the open of row 2 at 13."""
    result = traded(market([10, 10, 13], [10, 10, 14]), {0: 0.5, 1: 0.0})
    assert result.trades.shares.tolist() == [50, -50]
    assert result.equity.tolist() == [1000, 1000, 1150]
    assert result.positions.tolist() == [[50], [0]]


def test_costs_by_hand() -> None:
    """500 bought: commission 0.1 %, spread 0.2 %; impact 0.5 x 0.02 x sqrt(500 / 1e6) of 500; nothing borrowed."""
    rules = Rules(Costs(commission=0.001, half_spread=0.002, impact=0.5, borrow=0.0252))
    result = traded(market([10, 10, 10], [10, 10, 10]), {0: 0.5}, rules)
    assert result.costs[1].tolist() == pytest.approx([0.5, 1.0, 0.5 * 0.02 * np.sqrt(5e-4) * 500, 0])
    assert result.costs[2].tolist() == [0, 0, 0, 0]
    assert result.equity[-1] == pytest.approx(1000 - 1.5 - 0.1118033989)


def test_borrowing_is_paid_for_the_nights_it_lasts() -> None:
    """Short 500 from the fill on: 2.52 % a year is 0.01 % a session, 0.05 each, and none on the fill's own day."""
    rules = Rules(Costs(borrow=0.0252))
    result = traded(market([10] * 4, [10] * 4), {0: -0.5}, rules)
    assert result.cost("borrow").tolist() == pytest.approx([0, 0, 0.05, 0.05])


def test_overdrawn_cash_is_borrowed_too() -> None:
    """Twice the equity held: 1000 owed, 0.1 a night."""
    result = traded(market([10] * 3, [10] * 3), {0: 2.0}, Rules(Costs(borrow=0.0252)))
    assert result.cost("borrow").tolist() == pytest.approx([0, 0, 0.1])


def test_turnover_is_held_to_its_limit() -> None:
    """From nothing to 0.5 is 0.25 one-way; with at most 0.1 it gets to 0.2."""
    result = traded(market([10, 10], [10, 10]), {0: 0.5}, Rules(max_turnover=0.1))
    assert result.trades.shares.tolist() == pytest.approx([20])


def test_an_order_is_held_to_its_share_of_volume() -> None:
    """At most 0.0001 of a million dollars a session is 100: 10 shares."""
    result = traded(market([10, 10], [10, 10]), {0: 0.5}, Rules(max_volume_share=0.0001))
    assert result.trades.shares.tolist() == pytest.approx([10])


def test_an_account_without_equity_closes_everything() -> None:
    """Short 100 of 10; at 40 the account is worth -2000 and buys back at the next open, whatever was decided."""
    result = traded(market([10, 10, 40, 40], [10, 10, 40, 40]), {0: -1.0, 2: -1.0})
    assert result.equity.tolist() == [1000, 1000, -2000, -2000]
    assert result.trades.shares.tolist() == [-100, 100]
    assert result.returns.tolist() == [0, -1, 0]


def test_whose_last_bar_is_long_ago_is_delisted_on_the_session_after() -> None:
    close = np.full((12, 4), 10.0)
    close[5:, 0] = NAN  # gone: 7 sessions before the last
    close[6:, 1] = NAN  # gone: 6 sessions before the last
    close[7:, 2] = NAN  # perhaps only halted
    found = delistings(close, np.array([-0.5, NAN, NAN, NAN]), unknown=-0.3)
    assert found.row.tolist() == [5, 6]
    assert found.column.tolist() == [0, 1]
    assert found.value.tolist() == [-0.5, -0.3]
