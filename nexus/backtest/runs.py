"""One spec, or many variants of one, on the same inputs."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from nexus.backtest import costs, engine
from nexus.backtest.account import Rules
from nexus.backtest.costs import SESSIONS_A_YEAR, Liquidity
from nexus.backtest.engine import Plan, Result
from nexus.backtest.inputs import Inputs
from nexus.backtest.liquidity import known_liquidity
from nexus.backtest.spec import Portfolio, Spec
from nexus.backtest.weights import book, composite, plan
from nexus.errors import InputError
from nexus.maths.performance import pbo, sharpe
from nexus.maths.track import returns_of
from nexus.maths.types import Floats, Ints

SMALL_CAPITAL = 1e3
"""An account that moves no price."""


@dataclass(frozen=True)
class Sweep:
    """Variants of a spec on the same sessions.

    equity : (n_sessions, n_variants), from the earliest first decision to the latest end; a variant is in cash before
        its own first and after its own end
    sharpe : (n_variants,), net, a year; NaN without variance
    pbo : probability of backtest overfitting over all variants, `performance.pbo` on their returns
    """

    equity: Floats
    sharpe: Floats
    pbo: float


def backtest(inputs: Inputs, spec: Spec) -> tuple[Plan, Result]:
    """The plan of a spec and what came of it."""
    made = plan(inputs, spec)
    return made, engine.run(inputs.market, made, spec.rules, spec.capital)


def sweep(inputs: Inputs, specs: Sequence[Spec], threads: int | None = None) -> Sweep:
    """Run the variants for their equity only; what they share is computed once.

    threads : None: one for each processor
    """
    if len(specs) < 2:
        raise InputError(f"sweep: {len(specs)} variants; give 2 or more")
    shared = _Shared(inputs)
    jobs = [shared.job(spec) for spec in specs]
    first = min(int(made.rows[0]) for made, _, _ in jobs)
    length = max(inputs.stop(spec) for spec in specs) - first

    def equity(number: int) -> Floats:
        made, rules, liquidity = jobs[number]
        curve = engine.equity_only(inputs.market, made, rules, specs[number].capital, liquidity)
        before = int(made.rows[0]) - first
        return np.pad(curve, (before, length - before - len(curve)), mode="edge")

    with ThreadPoolExecutor(threads or os.cpu_count() or 1) as pool:
        curves = np.column_stack(list(pool.map(equity, range(len(specs)))))
    returns = np.column_stack([returns_of(curve) for curve in curves.T])
    found = np.array([sharpe(series, SESSIONS_A_YEAR) for series in returns.T])
    return Sweep(curves, found, pbo(returns))


def net_sharpes(inputs: Inputs, spec: Spec, made: Plan) -> Callable[[float], float]:
    """Net Sharpe ratio a year of a plan by its capital.

    In fractional shares, and without a limit on the share of volume: money would lie idle, instead of showing what it
    costs to place.
    """
    rules = replace(spec.rules, whole=False, max_volume_share=np.inf)
    liquidity = engine.check(inputs.market, made, rules, SMALL_CAPITAL, None)

    def net_sharpe(capital: float) -> float:
        equity = engine.equity_only(inputs.market, made, rules, capital, liquidity)
        return sharpe(returns_of(equity), SESSIONS_A_YEAR)

    return net_sharpe


def capacity(inputs: Inputs, spec: Spec, made: Plan) -> float:
    """Capital at which the net Sharpe ratio of a plan is half that of a small account; see `costs.capacity`."""
    return costs.capacity(net_sharpes(inputs, spec, made), SMALL_CAPITAL)


class _Shared:
    """What variants of a spec have in common, made and checked when the first of them asks."""

    def __init__(self, inputs: Inputs) -> None:
        self._inputs = inputs
        self._chosen: dict[object, Ints] = {}
        self._plans: dict[object, Plan] = {}
        self._liquidity: dict[object, Liquidity] = {}

    def job(self, spec: Spec) -> tuple[Plan, Rules, Liquidity]:
        """Arguments of the engine for one spec."""
        rules = spec.rules
        when = spec.rebalance, spec.start, spec.end
        if when not in self._chosen:
            self._chosen[when] = self._inputs.chosen(spec)
        chosen = self._chosen[when]
        limits = {"max_turnover": None, "max_volume_share": None}  # these are the engine's
        weighing = spec.portfolio.model_copy(update=limits)
        of_plan = (*when, spec.signals, weighing)
        made = self._plan(spec, weighing, chosen, of_plan)
        of_liquidity = (*of_plan, rules.needs_liquidity, rules.costs.impact > 0)
        if of_liquidity not in self._liquidity:
            known = self._of_decisions(chosen) if rules.needs_liquidity else None
            self._liquidity[of_liquidity] = engine.check(self._inputs.market, made, rules, spec.capital, known)
        return made, rules, self._liquidity[of_liquidity]

    def _plan(self, spec: Spec, weighing: Portfolio, chosen: Ints, of_plan: tuple[object, ...]) -> Plan:
        if of_plan not in self._plans:
            weights = book(self._inputs, weighing, composite(self._inputs, spec, chosen), chosen)
            self._plans[of_plan] = Plan(self._inputs.rows[chosen], weights, self._inputs.stop(spec))
        return self._plans[of_plan]

    def _of_decisions(self, chosen: Ints) -> Liquidity:
        return Liquidity(*(values[chosen] for values in self._everything))

    @cached_property
    def _everything(self) -> Liquidity:
        return known_liquidity(self._inputs.market, self._inputs.rows)
