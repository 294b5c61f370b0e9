"""One evening of an account, spelled out: what the paper trader does, and what the whole run of the engine must equal.

Known at the close, filled at the next open: `rebalance` makes orders from what is known at a close, `step` takes the
account and its orders through the session after. Arrays are (n_companies,).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from nexus.backtest import costs
from nexus.backtest.costs import Costs, Liquidity
from nexus.backtest.market import Session
from nexus.errors import InputError
from nexus.maths.portfolio import limited
from nexus.maths.types import Floats, Ints

NEARLY = 1e-6
"""Of a share: a holding this close to a whole number is that number, so that rounding sells nothing."""


@dataclass(frozen=True)
class Rules:
    """How an account trades, besides its target weights.

    whole : only whole shares; what a split leaves over is paid out in cash
    max_turnover : most that one rebalance may trade, one-way, as a fraction of equity
    max_volume_share : most of the average dollar volume that one order may be
    """

    costs: Costs = field(default_factory=Costs)
    whole: bool = False
    max_turnover: float = np.inf
    max_volume_share: float = np.inf

    def __post_init__(self) -> None:
        for name in ("max_turnover", "max_volume_share"):
            if not getattr(self, name) > 0:
                raise InputError(f"rules: {name} is {getattr(self, name)}; give a positive fraction, or leave it out")

    @property
    def needs_liquidity(self) -> bool:
        """Whether anything depends on how much a company trades."""
        return self.costs.impact > 0 or bool(np.isfinite(self.max_volume_share))


@dataclass(frozen=True)
class Account:
    """Cash, shares held (negative: sold short) and the last close of each company, NaN before its first."""

    cash: float
    shares: Floats
    mark: Floats

    @classmethod
    def opened(cls, capital: float, n_companies: int) -> Account:
        """Nothing but cash."""
        return cls(float(capital), np.zeros(n_companies), np.full(n_companies, np.nan))

    @property
    def value(self) -> Floats:
        """Of each holding at its mark."""
        return np.where(self.shares != 0, self.shares * self.mark, 0.0)

    @property
    def equity(self) -> float:
        """Cash and holdings."""
        return self.cash + float(self.value.sum())


@dataclass(frozen=True)
class Orders:
    """Shares to buy (negative: to sell) at the next open there is, and the liquidity known when they were made."""

    shares: Floats
    liquidity: Liquidity

    @classmethod
    def none(cls, n_companies: int) -> Orders:
        """No order."""
        unknown = np.full(n_companies, np.nan)
        return cls(np.zeros(n_companies), Liquidity(unknown, unknown))


@dataclass(frozen=True)
class Fills:
    """Trades (k,) of one session in order of column: shares at a price, and (k, 3) costs as `costs.of_trades`."""

    column: Ints
    shares: Floats
    price: Floats
    costs: Floats


@dataclass(frozen=True)
class Evening:
    """The account after the close, the orders still waiting for a bar, and what happened since the close before.

    received : (n_companies,), cash from dividends (paid, where short), fractions of shares and delistings
    borrow : fee for what was borrowed overnight
    """

    account: Account
    waiting: Orders
    fills: Fills
    received: Floats
    borrow: float


def step(account: Account, session: Session, orders: Orders, rules: Rules) -> Evening:
    """Take an account through a session: fee, dividends, splits, delistings, fills at the open, marks at the close."""
    short = -float(account.value[account.shares < 0].sum())
    borrow = costs.of_borrowing(short, account.cash, rules.costs)
    dividends = account.shares * session.dividend
    shares, waiting = account.shares * session.split, orders.shares * session.split
    mark = account.mark / session.split
    in_lieu = np.zeros(len(shares))
    if rules.whole:
        split = session.split != 1
        kept = np.where(split, whole(shares), shares)
        in_lieu = np.where(shares != kept, (shares - kept) * mark, 0.0)
        shares, waiting = kept, np.where(split, whole(waiting), waiting)
    gone = np.isfinite(session.delisting)
    paid_out = np.where(gone & (shares != 0), shares * mark * (1 + session.delisting), 0.0)
    shares, waiting = np.where(gone, 0.0, shares), np.where(gone, 0.0, waiting)
    received = dividends + in_lieu + paid_out

    filled = np.flatnonzero((waiting != 0) & session.trades)
    price = session.open[filled]
    traded = waiting[filled] * price
    known = Liquidity(*(values[filled] for values in orders.liquidity))
    fills = Fills(filled, waiting[filled], price, costs.of_trades(traded, known, rules.costs))
    shares[filled] += waiting[filled]
    waiting[filled] = 0.0
    cash = account.cash - borrow + float(received.sum()) - float(traded.sum()) - float(fills.costs.sum())
    after = Account(cash, shares, np.where(np.isfinite(session.close), session.close, mark))
    return Evening(after, Orders(waiting, orders.liquidity), fills, received, borrow)


def rebalance(account: Account, target: Floats, liquidity: Liquidity, rules: Rules) -> Orders:
    """Orders that take the account from what it holds at this close towards the target weights; older orders lapse.

    target : fractions of equity; 0 closes a position
    liquidity : (n_companies,) each, known at this close
    Sized at the last close. An account without equity closes everything.
    """
    equity = account.equity
    if equity <= 0:
        return Orders(-account.shares, liquidity)
    nameless = np.flatnonzero((target != 0) & np.isnan(account.mark))
    if len(nameless):
        raise InputError(
            f"rebalance: column {nameless[0]} has weight {target[nameless[0]]} and never had a price; leave it out"
        )
    largest = np.full(len(target), np.inf)
    if np.isfinite(rules.max_volume_share):
        largest = rules.max_volume_share * np.nan_to_num(liquidity.dollar_volume) / equity
    weights = limited(target, account.value / equity, rules.max_turnover, largest)
    wanted = np.where(weights != 0, weights * equity / account.mark, 0.0)
    return Orders((whole(wanted) if rules.whole else wanted) - account.shares, liquidity)


def whole(shares: Floats) -> Floats:
    """Whole shares, towards zero."""
    return np.trunc(shares + np.copysign(NEARLY, shares))
