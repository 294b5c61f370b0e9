"""200 variants of one spec on the small panel, PBO included, against 200 single runs with their figures.

    python research/benchmarks/backtest_sweep.py

The variants cross weighting, quantiles, limits, costs and capital. Both sides start from the same arrays in memory, as
`backtest_small` does: a single run checks its market, the sweep checks it once. The equity of every variant must be
that of its single run, bit by bit, before the ratio is printed.
"""

from __future__ import annotations

from datetime import date
from itertools import product
from typing import Any

import numpy as np
from backtest import arrays, decisions
from harness import interleaved, peak_rss_gib, report, seconds

from nexus.backtest.figures import figures
from nexus.backtest.inputs import Inputs
from nexus.backtest.market import Events, Market
from nexus.backtest.runs import Sweep, backtest, sweep
from nexus.backtest.spec import Spec
from nexus.maths.performance import pbo
from nexus.maths.types import Floats

AT_LEAST = 5.0
START = np.datetime64("2015-01-01")


def inputs(data: dict[str, Floats]) -> Inputs:
    """The panel of `backtest_small` on invented days, each one a session."""
    n_sessions, n_companies = data["close"].shape
    rows = decisions(n_sessions)
    return Inputs(
        sessions=START + np.arange(n_sessions),
        companies=np.arange(n_companies),
        market=Market(data["open"], data["close"], data["volume"], Events.none()),
        rows=rows,
        scores={"noise": data["scores"]},
        members=np.ones((len(rows), n_companies), np.bool_),
    )


def variants(n_sessions: int) -> list[Spec]:
    """Of weighting (5) x limits (5) x half-spreads (4) x capital (2): 200."""
    books: list[dict[str, Any]] = [{"quantiles": n} for n in (3, 5, 10, 20)] + [{"kind": "signal_weighted"}]
    limits: list[dict[str, Any]] = [
        {},
        {"max_weight": 0.01},
        {"max_turnover": 0.5},
        {"max_turnover": 0.25},
        {"max_volume_share": 0.01},
    ]
    days = [day.astype(date) for day in START + decisions(n_sessions)]
    common = {"signals": [{"name": "noise"}], "universe": "all", "start": days[0], "end": days[-1], "rebalance": days}
    return [
        Spec.of({**common, "portfolio": {**book, **limit}, "costs": {"half_spread_bps": spread}, "capital": capital})
        for book, limit, spread, capital in product(books, limits, (1.0, 2.5, 5.0, 10.0), (1e6, 1e8))
    ]


def together(data: dict[str, Floats], specs: list[Spec]) -> Sweep:
    """All variants at once."""
    return sweep(inputs(data), specs)


def singly(data: dict[str, Floats], specs: list[Spec]) -> Floats:
    """Every variant for itself, from its weights to its figures; returns equity (n_sessions, n_variants)."""
    curves = []
    for spec in specs:
        _, result = backtest(inputs(data), spec)
        figures(result)
        curves.append(result.equity)
    equity = np.column_stack(curves)
    pbo(equity[1:] / equity[:-1] - 1)
    return equity


def main() -> None:
    small, some = arrays(120, 50), variants(120)[:3]
    together(small, some), singly(small, some)  # compiles
    data, specs = arrays(2520, 500), variants(2520)
    ours = together(data, specs)
    peak = peak_rss_gib()
    np.testing.assert_array_equal(ours.equity, singly(data, specs))
    times = interleaved(
        lambda: seconds(lambda: together(data, specs)),
        lambda: seconds(lambda: singly(data, specs)),
        repeats=3,
        peer_repeats=2,
    )
    report("backtest_sweep", *times, at_least=AT_LEAST, peer_name="200 single runs", peak=peak)


if __name__ == "__main__":
    main()
