"""What trading and borrowing cost, and how much capital a strategy carries before the costs eat it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np

from nexus.errors import InputError
from nexus.maths.types import Floats

KINDS = ("commission", "spread", "impact", "borrow")
"""Order of the columns wherever costs are an array."""
SESSIONS_A_YEAR = 252
LARGEST_CAPITAL = 1e15
PRECISION = 0.01
"""Relative precision of a capacity."""


@dataclass(frozen=True)
class Costs:
    """Rates of all costs; fractions of the value traded, unless said otherwise.

    impact : daily volatilities that trading one average day's dollar volume costs. A trade of q days costs
        impact x volatility x sqrt(q) of its value: the square-root law, Almgren, Thum, Hauptmann & Li (2005)
    borrow : a year, of the value of what is sold short and of overdrawn cash at the close before
    """

    commission: float = 0.0
    half_spread: float = 0.0
    impact: float = 0.0
    borrow: float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            rate = getattr(self, field.name)
            if not (np.isfinite(rate) and rate >= 0):
                raise InputError(f"costs: {field.name} is {rate}; give a fraction, 0 or more")


class Liquidity(NamedTuple):
    """What was known of each company at a decision: average dollars traded a session, and volatility of a session."""

    dollar_volume: Floats
    volatility: Floats


def of_trades(traded: Floats, liquidity: Liquidity, costs: Costs) -> Floats:
    """Commission, spread and impact of each trade, in cash.

    traded : (k,), value of each trade at its price, either sign
    liquidity : (k,) each; read only where there is an impact
    Returns (k, 3).
    """
    value = np.abs(traded)
    out = np.zeros((len(value), 3))
    out[:, 0] = costs.commission * value
    out[:, 1] = costs.half_spread * value
    if costs.impact > 0:
        out[:, 2] = costs.impact * liquidity.volatility * np.sqrt(value / liquidity.dollar_volume) * value
    return out


def of_borrowing(short: float, cash: float, costs: Costs) -> float:
    """Fee of one session for what was borrowed overnight.

    short : value of what is sold short at the close before, positive
    cash : cash at the close before, negative where overdrawn
    """
    return costs.borrow / SESSIONS_A_YEAR * (short + max(-cash, 0.0))


def capacity(net_sharpe: Callable[[float], float], smallest: float) -> float:
    """Capital at which the net Sharpe ratio is half of what it is at the smallest capital.

    net_sharpe : of a run with that capital
    smallest : capital so small that it moves no price
    Returns NaN where there is no positive Sharpe ratio to halve, inf where nothing halves it.
    """
    half = net_sharpe(smallest) / 2
    if not half > 0:
        return float("nan")
    low = high = smallest
    while net_sharpe(high) > half:
        if high >= LARGEST_CAPITAL:
            return float("inf")
        low, high = high, high * 10
    while high / low > 1 + PRECISION:
        middle = float(np.sqrt(low * high))
        low, high = (middle, high) if net_sharpe(middle) > half else (low, middle)
    return float(np.sqrt(low * high))
