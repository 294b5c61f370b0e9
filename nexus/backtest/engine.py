"""From target weights and a market to everything an account did."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nexus.backtest import kernel as k
from nexus.backtest.account import Rules
from nexus.backtest.costs import KINDS, Liquidity
from nexus.backtest.liquidity import known_liquidity
from nexus.backtest.market import Market
from nexus.errors import InputError
from nexus.maths.track import returns_of
from nexus.maths.types import Bools, Floats, Ints


@dataclass(frozen=True)
class Plan:
    """Target weights (n_decisions, n_companies), decided at the closes of ascending rows of the market.

    0 is not held: whoever leaves the universe has weight 0 at the next decision.
    stop : row after the run's last session; None: the market's end
    """

    rows: Ints
    weights: Floats
    stop: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "rows", np.asarray(self.rows, np.int64))
        object.__setattr__(self, "weights", np.ascontiguousarray(self.weights, np.float64))
        if not len(self.rows) or self.weights.shape[:1] != self.rows.shape or self.weights.ndim != 2:
            raise InputError(
                f"plan: {len(self.rows)} decisions and weights of shape {self.weights.shape}; give one row of weights "
                "for each, and one decision at least"
            )
        if (np.diff(self.rows) <= 0).any():
            raise InputError(f"plan: the decisions' rows {self.rows} do not ascend; sort them, each once")
        if not np.isfinite(self.weights).all():
            number, column = np.argwhere(~np.isfinite(self.weights))[0]
            raise InputError(
                f"plan: weight {self.weights[number, column]} of column {column} at decision {number}; "
                "a name that is not held has weight 0"
            )


@dataclass(frozen=True)
class Trades:
    """Fills (n,) in order of session, then column; costs (n, 3): commission, spread and impact.

    decision : number of the decision that ordered it
    """

    row: Ints
    column: Ints
    decision: Ints
    shares: Floats
    price: Floats
    costs: Floats


@dataclass(frozen=True)
class Result:
    """What a run did, from the close of its first decision: series are (n,), `first` is the market's row of the first.

    cash, long, short : at the close; short is positive, equity = cash + long - short
    pnl : since the close before, from prices, dividends and delistings, before costs
    traded : value bought and sold, both counted
    costs : (n, 4), in the order of `costs.KINDS`
    positions : (n_decisions, n_companies), shares at the close of the session after each decision; zero where none came
    pnl_by_company, costs_by_company : (n_companies,), before costs and without fees for borrowing
    """

    first: int
    capital: float
    equity: Floats
    cash: Floats
    long: Floats
    short: Floats
    pnl: Floats
    traded: Floats
    costs: Floats
    trades: Trades
    positions: Floats
    pnl_by_company: Floats
    costs_by_company: Floats

    @cached_property
    def returns(self) -> Floats:
        """(n - 1,) net, per session; -1 on the session that loses everything, 0 after."""
        return returns_of(self.equity)

    def cost(self, kind: str) -> Floats:
        """(n,) of one kind."""
        return self.costs[:, KINDS.index(kind)]


def run(market: Market, plan: Plan, rules: Rules, capital: float, *, liquidity: Liquidity | None = None) -> Result:
    """Trade a plan: known at the close, filled at the next open, until the plan stops.

    liquidity : of the decisions, as `known_liquidity`, which is asked where it is needed and not given
    """
    liquidity = check(market, plan, rules, capital, liquidity)
    book = k.Book(
        series=_series(market, plan),
        positions=np.zeros(plan.weights.shape),
        flow=np.zeros(market.n_companies),
        spent=np.zeros(market.n_companies),
        full=True,
    )
    keys, values = _compiled(market, plan, rules, capital, liquidity, book)
    column = book.series.T.copy()
    return Result(
        first=int(plan.rows[0]),
        capital=float(capital),
        equity=column[k.EQUITY],
        cash=column[k.CASH],
        long=column[k.LONG],
        short=column[k.SHORT],
        pnl=column[k.PNL],
        traded=column[k.TRADED],
        costs=column[k.COMMISSION :].T,
        trades=Trades(
            row=keys[:, k.FILL],
            column=keys[:, k.COMPANY],
            decision=keys[:, k.DECISION],
            shares=values[:, k.SHARES],
            price=values[:, k.PRICE],
            costs=values[:, 2:],
        ),
        positions=book.positions,
        pnl_by_company=book.flow,
        costs_by_company=book.spent,
    )


def equity_only(market: Market, plan: Plan, rules: Rules, capital: float, liquidity: Liquidity) -> Floats:
    """The equity of `run`, of arguments that `check` has passed."""
    nothing = np.zeros((0, 0))
    series = _series(market, plan)
    flow = np.zeros(market.n_companies)
    _compiled(market, plan, rules, capital, liquidity, k.Book(series, nothing, flow, flow, full=False))
    return series[:, k.EQUITY]


def _series(market: Market, plan: Plan) -> Floats:
    stop = market.n_sessions if plan.stop is None else plan.stop
    return np.empty((stop - plan.rows[0], k.N_SERIES))


def _compiled(
    market: Market, plan: Plan, rules: Rules, capital: float, liquidity: Liquidity, book: k.Book
) -> tuple[Ints, Floats]:
    rates = rules.costs
    terms = k.Terms(
        capital=float(capital),
        commission=float(rates.commission),
        half_spread=float(rates.half_spread),
        impact=float(rates.impact),
        borrow=float(rates.borrow),
        whole=bool(rules.whole),
        max_turnover=float(rules.max_turnover),
        max_volume_share=float(rules.max_volume_share),
    )
    prices = k.Prices(market.open, market.close, market.volume)
    return k.run_all(prices, market.events, plan.rows, plan.weights, liquidity, terms, book)


def check(market: Market, plan: Plan, rules: Rules, capital: float, liquidity: Liquidity | None) -> Liquidity:
    """Refuse what cannot be run, before anything is; returns the liquidity the rules need, else an empty one."""
    if not (np.isfinite(capital) and capital > 0):
        raise InputError(f"backtest: capital {capital}; give a positive amount")
    if plan.weights.shape[1] != market.n_companies:
        raise InputError(f"backtest: weights of {plan.weights.shape[1]} companies, market of {market.n_companies}")
    stop = market.n_sessions if plan.stop is None else plan.stop
    if plan.rows[0] < 0 or plan.rows[-1] >= stop or stop > market.n_sessions:
        raise InputError(
            f"backtest: decisions in rows {plan.rows[0]} to {plan.rows[-1]} and a stop at {stop} of "
            f"{market.n_sessions} sessions; decide before the stop, and stop within the market"
        )
    wanted = plan.weights != 0
    never = wanted & ~np.maximum.accumulate(_bars(market, plan.rows), axis=0)
    if never.any():
        raise InputError(_refusal(plan, never, "had no price yet; leave it out of the universe until it has"))
    if not rules.needs_liquidity:
        return Liquidity(np.empty((0, 0)), np.empty((0, 0)))
    liquidity = known_liquidity(market, plan.rows) if liquidity is None else liquidity
    if rules.costs.impact > 0:
        unknown = wanted & ~((liquidity.dollar_volume > 0) & (liquidity.volatility >= 0))
        if unknown.any():
            raise InputError(_refusal(plan, unknown, "has not traded, so its impact is unknown; leave it out"))
    return liquidity


def _bars(market: Market, rows: Ints) -> Bools:
    """(n_decisions, n_companies): whether there was a close since the decision before."""
    edges = np.concatenate([[0], rows[:-1] + 1])
    out = np.isfinite(market.close[rows])
    for number in np.flatnonzero(~out.all(axis=1)):
        out[number] = np.isfinite(market.close[edges[number] : rows[number] + 1]).any(axis=0)
    return out


def _refusal(plan: Plan, wrong: Bools, why: str) -> str:
    number, column = np.argwhere(wrong)[0]
    return (
        f"backtest: column {column} has weight {plan.weights[number, column]:g} at decision {number} "
        f"(row {plan.rows[number]}) and {why}"
    )
