"""An account between the rows of the database and the arrays of the engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nexus.backtest.account import Account, Orders
from nexus.backtest.costs import Liquidity
from nexus.backtest.market import Market
from nexus.db.actions import SPLIT
from nexus.db.paper import Order, Position, State
from nexus.errors import InputError
from nexus.maths.types import Floats, Ints


@dataclass(frozen=True)
class Book:
    """What an account holds and has ordered at a close, on the companies (n,) of a market.

    numbers : (n,), of the open orders, 0 none
    """

    companies: Ints
    account: Account
    orders: Orders
    numbers: Ints

    @classmethod
    def opened(cls, companies: Ints, capital: float, marks: Floats) -> Book:
        """Nothing but cash."""
        n = len(companies)
        return cls(companies, Account(capital, np.zeros(n), marks), Orders.none(n), np.zeros(n, np.int64))

    @classmethod
    def of(cls, companies: Ints, state: State, marks: Floats) -> Book:
        """The account as its last evening left it.

        marks : (n,), last closes of those that it does not hold
        """
        held = _places(companies, [one.company_id for one in state.positions])
        shares, mark = np.zeros(len(companies)), np.array(marks)
        shares[held] = [one.shares for one in state.positions]
        mark[held] = [one.price for one in state.positions]
        ordered = _places(companies, [one.company_id for one in state.orders])
        waiting, numbers = np.zeros(len(companies)), np.zeros(len(companies), np.int64)
        waiting[ordered] = [one.open_shares for one in state.orders]
        numbers[ordered] = [one.order_no for one in state.orders]
        known = Liquidity(*(np.full(len(companies), np.nan) for _ in Liquidity._fields))
        for name in Liquidity._fields:
            getattr(known, name)[ordered] = _numbers(state.orders, name)
        return cls(companies, Account(state.cash, shares, mark), Orders(waiting, known), numbers)

    def positions(self) -> list[Position]:
        """What it holds, by company."""
        held = np.flatnonzero(self.account.shares)
        columns = self.companies[held], self.account.shares[held], self.account.mark[held]
        return [Position(*row) for row in zip(*(column.tolist() for column in columns), strict=True)]


def last_closes(market: Market, row: int) -> Floats:
    """Last close of each company at or before a row, on the row's split basis, (n,); NaN none."""
    close = market.close[: row + 1]
    latest = np.where(np.isfinite(close), np.arange(row + 1)[:, None], 0).max(axis=0)
    marks = close[latest, np.arange(market.n_companies)].copy()
    events = market.events
    for e in range(np.searchsorted(events.row, row, "right")):
        if events.kind[e] == SPLIT and events.row[e] > latest[events.column[e]]:
            marks[events.column[e]] /= events.value[e]
    return np.asarray(marks, np.float64)


def _places(companies: Ints, wanted: Sequence[int]) -> Ints:
    ids = np.array(wanted, np.int64)
    places = np.searchsorted(companies, ids)
    strange = ids[companies[np.minimum(places, len(companies) - 1)] != ids]
    if len(strange):
        raise InputError(f"company {strange[0]}: the account has it and the market was read without it")
    return np.asarray(places, np.int64)


def _numbers(orders: Sequence[Order], name: str) -> list[float]:
    return [float("nan") if getattr(one, name) is None else getattr(one, name) for one in orders]
