"""What each signal of a spec adds: the book on it alone, and the book without it."""

from __future__ import annotations

from nexus.backtest.costs import SESSIONS_A_YEAR
from nexus.backtest.engine import Result
from nexus.backtest.inputs import Inputs
from nexus.backtest.runs import backtest
from nexus.backtest.spec import Spec
from nexus.maths import performance
from nexus.maths.types import Floats


def by_signal(inputs: Inputs, spec: Spec, result: Result) -> dict[str, dict[str, dict[str, float] | None]]:
    """Net growth and Sharpe ratio a year of the book on each signal `alone`, and `without` it, by its name.

    result : of the spec
    Without its only signal a spec has no book, which is None. Books are not linear in their signals: the figures are
    two views of each signal, and do not sum to the whole. Sharpe ratios are of returns, nothing charged for cash.
    """
    found = {spec.signals: _told(result.returns)}

    def book(names: set[str]) -> dict[str, float] | None:
        kept = tuple(signal for signal in spec.signals if signal.name in names)
        if kept and kept not in found:
            found[kept] = _told(backtest(inputs, spec.model_copy(update={"signals": kept}))[1].returns)
        return found[kept] if kept else None

    names = {signal.name for signal in spec.signals}
    return {
        signal.name: {"alone": book({signal.name}), "without": book(names - {signal.name})} for signal in spec.signals
    }


def _told(returns: Floats) -> dict[str, float]:
    return {
        "cagr": performance.cagr(returns, SESSIONS_A_YEAR),
        "sharpe": performance.sharpe(returns, SESSIONS_A_YEAR),
    }
