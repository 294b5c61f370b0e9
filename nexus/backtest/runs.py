"""One spec, or many variants of one, on the same inputs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from nexus.backtest import costs, engine
from nexus.backtest.account import Rules
from nexus.backtest.costs import SESSIONS_A_YEAR, Liquidity
from nexus.backtest.engine import Plan, Result, returns_of
from nexus.backtest.inputs import Inputs
from nexus.backtest.liquidity import known_liquidity
from nexus.backtest.spec import Spec
from nexus.backtest.weights import book, composite, plan
from nexus.errors import InputError
from nexus.maths.performance import pbo, sharpe
from nexus.maths.types import Floats

SMALL_CAPITAL = 1e3


@dataclass(frozen=True)
class Sweep:
    """Variants of a spec on the same sessions.

    equity : (n_sessions, n_variants), from the earliest first decision on; a variant is in cash before its own
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
    jobs = _jobs(inputs, specs)
    first = min(int(job[0].rows[0]) for job in jobs)

    def equity(number: int) -> Floats:
        made, rules, liquidity = jobs[number]
        capital = specs[number].capital
        curve = engine.equity_only(inputs.market, made, rules, capital, liquidity)
        return np.concatenate([np.full(made.rows[0] - first, capital), curve])

    with ThreadPoolExecutor(threads or os.cpu_count() or 1) as pool:
        curves = np.column_stack(list(pool.map(equity, range(len(specs)))))
    returns = np.column_stack([returns_of(curve) for curve in curves.T])
    found = np.array([sharpe(series, SESSIONS_A_YEAR) for series in returns.T])
    return Sweep(curves, found, pbo(returns))


def capacity(inputs: Inputs, spec: Spec, made: Plan) -> float:
    """Capital at which the net Sharpe ratio of a plan is half that of a small account; see `costs.capacity`."""
    rules = replace(spec.rules, whole=False, max_volume_share=np.inf)
    liquidity = engine.check(inputs.market, made, rules, SMALL_CAPITAL, None)

    def net_sharpe(capital: float) -> float:
        equity = engine.equity_only(inputs.market, made, rules, capital, liquidity)
        return sharpe(returns_of(equity), SESSIONS_A_YEAR)

    return costs.capacity(net_sharpe, SMALL_CAPITAL)


def _jobs(inputs: Inputs, specs: Sequence[Spec]) -> list[tuple[Plan, Rules, Liquidity]]:
    """What the engine needs of each spec, checked; what several share (scores, weights, liquidity) is made once."""
    scores: dict[object, Floats] = {}
    plans: dict[object, Plan] = {}
    known: Liquidity | None = None
    jobs = []
    for spec in specs:
        chosen = inputs.chosen(spec)
        of_scores = spec.signals, chosen.tobytes()
        weighing = spec.portfolio.model_copy(update={"max_turnover": None, "max_volume_share": None})
        of_plan = (*of_scores, weighing)
        if of_plan not in plans:
            if of_scores not in scores:
                scores[of_scores] = composite(inputs, spec, chosen)
            plans[of_plan] = Plan(inputs.rows[chosen], book(inputs, weighing, scores[of_scores], chosen))
        made, rules = plans[of_plan], spec.rules
        if rules.needs_liquidity and known is None:
            known = known_liquidity(inputs.market, inputs.rows)
        own = None if known is None else Liquidity(*(values[chosen] for values in known))
        jobs.append((made, rules, engine.check(inputs.market, made, rules, spec.capital, own)))
    return jobs
