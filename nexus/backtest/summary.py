"""The figures of a run as they are stored and printed: plain values, cut where the selection ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any

import numpy as np

from nexus.backtest.contribution import by_signal
from nexus.backtest.costs import LARGEST_CAPITAL
from nexus.backtest.engine import Plan, Result
from nexus.backtest.figures import Figures, deflated_sharpe, figures
from nexus.backtest.inputs import Inputs
from nexus.backtest.read import FACTORS, Read
from nexus.backtest.runs import capacity, net_sharpes, sweep
from nexus.backtest.spec import Spec
from nexus.maths import performance
from nexus.maths.calendar import MONTH
from nexus.maths.types import Floats

LEAST_TRIALS = 400
LEAST_PBO = 32
"""Sessions below which there are no 16 blocks."""
CAPITALS = (1e5, 1e6, 1e7, 1e8, 1e9, 1e10)
"""At which the net Sharpe ratio is told."""
SERIES = ("equity", "cash", "long", "short", "pnl", "traded", "costs")


@dataclass(frozen=True)
class Trials:
    """What was tried before, and with this run: for the deflated Sharpe ratio.

    sharpes : of the ledger's trial portfolios, per month
    backtests : variants of all runs, this one's included
    """

    sharpes: Floats
    backtests: int

    @property
    def number(self) -> int:
        """N of the method."""
        return max(LEAST_TRIALS, len(self.sharpes) + self.backtests)

    @property
    def variance(self) -> float:
        """V of the method, of Sharpe ratios per session."""
        return float(self.sharpes.var(ddof=1) / MONTH) if len(self.sharpes) > 1 else 0.0


def whole(found: Read, result: Result) -> Figures:
    """Figures of all sessions after the first decision."""
    return _figures(found, result, result.first, 0, len(result.equity))


def summary(
    found: Read, spec: Spec, plan: Plan, result: Result, trials: Trials, cut: date | None, variants: Sequence[Spec]
) -> dict[str, Any]:
    """Everything that is told of a run, as JSON takes it.

    cut : the latest approval; what lies up to it is in-sample selection
    variants : specs tried, without the run's own
    """
    every = whole(found, result)
    sessions = found.inputs.sessions[result.first : result.first + len(result.equity)]
    split = len(sessions) if cut is None else int(np.searchsorted(sessions, np.datetime64(cut), "right"))
    last = len(sessions)
    parts = {
        "in_sample": _figures(found, result, result.first, 0, split) if cut is not None and split > 2 else None,
        "out_of_sample": _figures(found, result, result.first, max(split - 1, 0), last) if last - split > 1 else None,
    }
    told: dict[str, Any] = plain(
        asdict(every)
        | (parts if cut is not None else dict.fromkeys(parts))
        | {
            "probabilistic_sharpe": _probabilistic(every),
            "deflated_sharpe": deflated_sharpe(every, trials.variance, trials.number),
            "trials": {"number": trials.number, "ledger": len(trials.sharpes), "backtests": trials.backtests,
                       "variance": trials.variance},
            "pbo": _pbo(found.inputs, [spec, *variants]),
            "by_signal": by_signal(found.inputs, spec, result),
            "factor_names": list(FACTORS) if every.factors is not None else [],
            "sources": list(found.panel.sources),
            "tier": found.panel.tier,
            **_capacity(found.inputs, spec, plan),
        }
    )  # fmt: skip
    return told


def by_company(inputs: Inputs, result: Result) -> dict[str, list[float]]:
    """Profit before costs, and costs, of each company that was traded, by its id."""
    traded = np.flatnonzero((result.pnl_by_company != 0) | (result.costs_by_company != 0))
    return {
        str(inputs.companies[k]): [float(result.pnl_by_company[k]), float(result.costs_by_company[k])]
        for k in traded.tolist()
    }


def plain(value: Any) -> Any:
    """As JSON takes it: arrays as lists, named tuples as objects, and None for what is not finite."""
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if hasattr(value, "_asdict"):
        return plain(value._asdict())
    if isinstance(value, Figures):
        return plain(asdict(value))
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    return [plain(one) for one in value] if isinstance(value, list | tuple) else value


def _figures(found: Read, result: Result, first: int, start: int, stop: int) -> Figures:
    """Figures of some sessions of a run, from the close of `start` on.

    Cash earns nothing in the account, so the risk-free return is charged on what is invested net, as it would be on a
    book whose cash does.
    """
    part = replace(result, first=first + start, **{name: getattr(result, name)[start:stop] for name in SERIES})
    rows = slice(first + start + 1, first + stop)
    equity = np.where(part.equity > 0, part.equity, np.inf)
    rate = np.zeros(len(part.equity) - 1) if found.risk_free is None else np.nan_to_num(found.risk_free[rows])
    level = found.level[first + start : first + stop]
    return figures(
        part,
        risk_free=rate * ((part.long - part.short) / equity)[:-1],
        market=level[1:] / level[:-1] - 1 - rate if np.isfinite(level).any() else None,
        factors=None if found.factors is None else found.factors[rows],
    )


def _probabilistic(every: Figures) -> float | None:
    if every.sharpe_a_session is None:
        return None
    moments = every.moments
    return performance.probabilistic_sharpe(every.sharpe_a_session, moments.n, moments.skew, moments.kurtosis)


def _pbo(inputs: Inputs, specs: Sequence[Spec]) -> float | None:
    enough = len(specs) > 1 and inputs.stop(specs[0]) - inputs.rows[inputs.chosen(specs[0])[0]] > LEAST_PBO
    return sweep(inputs, specs).pbo if enough else None


def _capacity(inputs: Inputs, spec: Spec, plan: Plan) -> dict[str, Any]:
    """Capacity, None with a reason where there is none, and net Sharpe ratios by capital."""
    if not plan.weights.any():
        return {"capacity": None, "capacity_why": "nothing was held", "capacity_curve": []}
    told = capacity(inputs, spec, plan)
    why = "no positive Sharpe ratio to halve" if np.isnan(told) else None
    if told > LARGEST_CAPITAL:
        why = "no cost grows with the capital"
    net = net_sharpes(inputs, spec, plan)
    return {"capacity": told, "capacity_why": why, "capacity_curve": [[capital, net(capital)] for capital in CAPITALS]}
