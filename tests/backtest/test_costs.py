"""Liquidity as known, costs by their laws, and capacity where it can be solved by hand."""

from __future__ import annotations

import numpy as np
import pytest
import random_market

from nexus.backtest.costs import Costs, Liquidity, capacity, of_trades
from nexus.backtest.liquidity import known_liquidity
from nexus.backtest.market import Events, Market
from nexus.db.actions import SPLIT
from nexus.errors import InputError
from nexus.maths.types import Floats

WINDOW = 8


def slow_liquidity(market: Market, row: int, column: int, window: int) -> tuple[float, float]:
    """Mean dollars and root mean square of the split-adjusted returns of one window, spelled out."""
    rows = range(max(row - window + 1, 0), row + 1)
    dollars = [market.close[t, column] * market.volume[t, column] for t in rows]
    split = [market.session(t).split[column] for t in rows]
    close = market.close[list(rows), column]
    returns = np.array([close[t] * split[t] / close[t - 1] - 1 for t in range(1, len(close))])
    returns = returns[np.isfinite(returns)]
    volatility = float(np.sqrt(np.mean(returns**2))) if len(returns) else np.nan
    return float(np.nansum(dollars)) / window, volatility


@pytest.mark.parametrize("seed", range(4))
def test_liquidity_is_what_was_known_at_the_decision(seed: int) -> None:
    market = random_market.market(seed, 60, 6)
    rows = np.array([0, 1, 9, 20, 33, 47, 59])
    found = known_liquidity(market, rows, WINDOW)
    for k, row in enumerate(rows):
        for column in range(market.n_companies):
            expected = slow_liquidity(market, row, column, WINDOW)
            if not (expected[0] > 0 and np.isfinite(expected[1])):
                traded = np.flatnonzero(market.volume[: row + 1, column] > 0)
                expected = slow_liquidity(market, traded[-1], column, WINDOW) if len(traded) else (np.nan, np.nan)
                expected = expected if np.isfinite(expected[1]) else (np.nan, np.nan)
            np.testing.assert_allclose([values[k, column] for values in found], expected, rtol=1e-9)


def test_the_future_is_not_in_it() -> None:
    market = random_market.market(11, 60, 6)
    changed = [values.copy() for values in (market.open, market.close, market.volume)]
    for values in changed:
        values[31:] *= 3
    rows = np.array([10, 30])
    one, two = known_liquidity(market, rows), known_liquidity(Market(*changed, market.events), rows)
    for known, still in zip(one, two, strict=True):
        np.testing.assert_array_equal(known, still)


def test_a_split_moves_no_volatility() -> None:
    close = np.full((20, 1), 10.0)
    close[10:] /= 2
    split = Events.of(np.array([10]), np.array([0]), np.array([SPLIT]), np.array([2.0]))
    market = Market(close, close, np.ones((20, 1)), split)
    assert known_liquidity(market, np.array([15])).volatility[0, 0] == 0


def test_the_square_root_law() -> None:
    """Four times the trade is eight times the impact, and twice its share."""
    liquidity = Liquidity(np.array([1e6, 1e6]), np.array([0.02, 0.02]))
    found = of_trades(np.array([1e4, -4e4]), liquidity, Costs(0.001, 0.002, 1.0))
    assert found[0].tolist() == pytest.approx([10, 20, 1e4 * 0.02 * 0.1])
    assert found[1, 2] == pytest.approx(8 * found[0, 2])


def test_capacity_where_it_can_be_solved() -> None:
    """A Sharpe ratio of 2 - sqrt(capital / 1e6), as by the square-root law, is halved at 1e6."""
    assert capacity(lambda capital: 2 - np.sqrt(capital / 1e6), 1e-6) == pytest.approx(1e6, rel=0.01)


def test_capacity_that_does_not_exist() -> None:
    assert np.isnan(capacity(lambda capital: -0.1, 1e3))
    assert np.isnan(capacity(lambda capital: float("nan"), 1e3))
    assert capacity(lambda capital: 1.0, 1e3) == np.inf


@pytest.mark.parametrize("rate", [-0.1, np.nan, np.inf])
def test_a_rate_that_is_none_is_refused(rate: float) -> None:
    with pytest.raises(InputError, match="half_spread is"):
        Costs(half_spread=rate)


def prices(change: tuple[int, int, float] | None = None) -> Floats:
    out = np.full((5, 2), 10.0)
    if change is not None:
        out[change[:2]] = change[2]
    return out


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("open", 0.0, "open 0.0 in row 3, column 1; it must be positive"),
        ("close", -2.0, "close -2.0 in row 3, column 1; it must be positive"),
        ("close", np.inf, "close inf in row 3, column 1"),
        ("volume", -1.0, "volume -1.0 in row 3, column 1; it must be 0 or more"),
    ],
)
def test_a_market_that_cannot_be_is_refused(name: str, value: float, says: str) -> None:
    arrays = {key: prices((3, 1, value) if key == name else None) for key in ("open", "close", "volume")}
    with pytest.raises(InputError, match=says):
        Market(**arrays, events=Events.none())


@pytest.mark.parametrize(
    ("event", "says"),
    [
        ((9, 0, 0, 1.0), "outside the market"),
        ((1, 2, 0, 1.0), "outside the market"),
        ((1, 0, 3, 1.0), "no known kind"),
        ((1, 0, 0, np.nan), "no finite value"),
        ((1, 0, 0, -1.0), "is negative"),
        ((1, 0, 1, 0.0), "gives no shares"),
        ((1, 0, 2, -1.5), "loses more than everything"),
        ((2, 0, 0, 1.0), "is there twice"),
    ],
)
def test_an_action_that_cannot_be_is_refused(event: tuple[int, int, int, float], says: str) -> None:
    events = Events.of(*(np.array([part, other]) for part, other in zip(event, (2, 0, 0, 1.0), strict=True)))
    with pytest.raises(InputError, match=says):
        Market(prices(), prices(), prices(), events)


def test_arrays_of_different_shapes_are_refused() -> None:
    with pytest.raises(InputError, match="volume is"):
        Market(prices(), prices(), prices()[:3], Events.none())
