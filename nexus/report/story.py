"""A run in sentences: what it earned, how sure that is, and what a reader must not overlook."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import Any

from nexus.db.backtests import Recorded, Traded
from nexus.report.words import money, number, percent
from nexus.signals.decide import REASONS

Told = Mapping[str, Any]


def opening(run: Recorded) -> list[str]:
    """What stands above everything else, the most important first."""
    told, figures = run.backtest, run.backtest.figures
    return [
        *([selection(run)] if told.selection_cut is not None else []),
        *([_approved(figures["approved"])] if figures["approved"] is not None else []),
        *([_earned(figures), _luck(figures, told.variants), _capacity(figures)] if figures["gross"] else []),
    ]


def selection(run: Recorded) -> str:
    """Which part of the curve its signals were chosen on."""
    told = run.backtest
    assert told.selection_cut is not None
    seen = f"{told.selection_cut}, the latest approval among its signals"
    if told.selection_cut >= told.last_session:
        return (
            f"All of this is in-sample selection: it ends before {seen}, so the signals were chosen on what it shows."
        )
    return f"Up to {seen}, the curve is in-sample selection: the signals were chosen on what it shows there."


def verdict(signal: Traded, told: Told) -> str:
    """What the ledger had concluded of a signal when the run was made, and what it could have found."""
    if told["gate_p"] is None:
        return f"{signal.signal}: there are too few dates for a t statistic. Evaluation {signal.evaluation_id}."
    power = number(told["detectable_ic"], " An IC of %.3f would have been found with a probability of 80 %%.")
    return (
        f"{signal.signal}: over {told['gate_n']} months at {told['horizon']} sessions the mean IC is "
        f"{number(told['ic_mean'], '%+.4f')}, p = {told['gate_p']:.2g} ({REASONS[told['reason']]})."
        f"{power} Evaluation {signal.evaluation_id}."
    )


def _approved(years: Mapping[str, list[str]]) -> str:
    """Which signals stood when; one sentence where none ever did."""
    names = sorted({name for standing in years.values() for name in standing})
    if not names:
        return (
            "Nothing stood approved at any year-end, so the account held cash throughout: nothing was earned or lost."
        )
    spans = [f"{name} in {_spans([int(year) for year, on in years.items() if name in on])}" for name in names]
    return f"Traded as approved, each year only what stood at the end of the year before: {'; '.join(spans)}."


def _spans(years: list[int]) -> str:
    """2008, 2009, 2010, 2013 as 2008-2010, 2013."""
    runs = [[year for _, year in run] for _, run in groupby(enumerate(sorted(years)), lambda one: one[1] - one[0])]
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def _earned(figures: Told) -> str:
    sharpe = "none" if figures["sharpe"] is None else f"{figures['sharpe']:.2f}"
    before = number(figures["gross_sharpe"], ", %.2f before costs")
    return (
        f"Net of costs {percent(figures['cagr'], '%+.1f')} a year at a volatility of {percent(figures['volatility'])}: "
        f"Sharpe ratio {sharpe}{before}; deepest drawdown {percent(figures['max_drawdown'])}, "
        f"over {figures['sessions']:,} sessions."
    )


def _luck(figures: Told, variants: int) -> str:
    if figures["probabilistic_sharpe"] is None:
        return "There is no Sharpe ratio to doubt."
    deflated = number(figures["deflated_sharpe"], "%.2f")
    overfit = figures["pbo"]
    said = (
        f"The true Sharpe ratio is above 0 with a probability of {figures['probabilistic_sharpe']:.2f}, and above what "
        f"the best of {figures['trials']['number']} trials without skill would show with {deflated} (deflated)."
    )
    return said if overfit is None else f"{said} Probability of overfitting over {variants} variants: {overfit:.2f}."


def _capacity(figures: Told) -> str:
    if figures["capacity"] is None or figures["capacity_why"] is not None:
        return f"Capacity: none is told, {figures['capacity_why']}."
    return f"Capacity: {money(figures['capacity'])}, at which half of a small account's net Sharpe ratio is left."
