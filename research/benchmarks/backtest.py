"""Monthly decile long-short with costs, scores and prices in and equity out, against vectorbt's target-percent orders.

    python research/benchmarks/backtest.py small|large

Both start from arrays in memory. The peer gets the finished weights, runs in a process and an environment of its own,
and times itself, warm and without its imports; nexus also makes the weights from the scores and checks its input.
Its equity must equal ours at every session before the ratio is printed.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from harness import HERE, interleaved, peak_rss_gib, peer_python, report, seconds

from nexus.backtest.account import Rules
from nexus.backtest.costs import Costs
from nexus.backtest.engine import Plan, Result, run
from nexus.backtest.market import Events, Market
from nexus.maths.portfolio import long_short
from nexus.maths.types import Floats, Ints

SIZES = {"small": (2520, 500, 50.0, 5, 3), "large": (6285, 2500, 300.0, 3, 1)}
MONTH = 21
CAPITAL = 1e6
FEES = 0.001


def arrays(n_sessions: int, n_companies: int) -> dict[str, Floats]:
    """Open, close and volume of random walks, and a score per month that means nothing."""
    random = np.random.default_rng(30)
    steps = random.standard_normal((n_sessions, n_companies))
    steps *= 0.02
    close = 50 * np.exp(np.cumsum(steps, axis=0))
    gap = random.standard_normal((n_sessions, n_companies))
    gap *= 0.005
    return {
        "open": close * np.exp(gap),
        "close": close,
        "volume": np.full(close.shape, 1e6),
        "scores": random.standard_normal((len(decisions(n_sessions)), n_companies)),
    }


def decisions(n_sessions: int) -> Ints:
    """Rows of the last sessions of the months."""
    return np.arange(MONTH - 1, n_sessions - 1, MONTH)


def nexus(data: dict[str, Floats]) -> Result:
    """Scores into weights, input checked, the whole run with trades, positions and costs by kind."""
    market = Market(data["open"], data["close"], data["volume"], Events.none())
    plan = Plan(decisions(market.n_sessions), long_short(data["scores"], 10))
    return run(market, plan, Rules(Costs(commission=FEES / 2, half_spread=FEES / 2)), CAPITAL)


def vectorbt(folder: Path, repeats: int) -> float:
    """Seconds the peer took; its equity is left in the folder."""
    command = [peer_python("vectorbt"), "-I", HERE / "peers" / "vectorbt_orders.py", folder]
    command += [str(CAPITAL), str(FEES), str(repeats)]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return float(out.splitlines()[-1])


def main(size: str) -> None:
    n_sessions, n_companies, at_least, repeats, peer_repeats = SIZES[size]
    nexus(arrays(60, 20))  # compiles
    data = arrays(n_sessions, n_companies)
    ours = nexus(data)
    peak = peak_rss_gib()
    with TemporaryDirectory() as name:
        folder = Path(name)
        for what in ("open", "close"):
            np.save(folder / f"{what}.npy", data[what])
        np.save(folder / "rows.npy", decisions(n_sessions))
        np.save(folder / "weights.npy", long_short(data["scores"], 10))
        peer_python("vectorbt")
        times = interleaved(
            lambda: seconds(lambda: nexus(data)),
            lambda: vectorbt(folder, peer_repeats),
            repeats=repeats,
            peer_repeats=1,
        )
        theirs = np.load(folder / "equity.npy")
    np.testing.assert_allclose(ours.equity, theirs[ours.first :], rtol=1e-9)
    report(f"backtest_{size}", *times, at_least=at_least, peer_name="vectorbt", peak=peak)


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in SIZES:
        sys.exit(f"usage: backtest.py {'|'.join(SIZES)}")
    main(sys.argv[1])
