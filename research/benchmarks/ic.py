"""Rank IC at three horizons, prices in and IC series out, against the whole path of alphalens-reloaded.

    python research/benchmarks/ic.py small|large

Both start from the same arrays of prices and scores; the peer runs in a process and an environment of its own and
times itself, without its imports. Its IC must equal ours on every date before the ratio is printed.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from harness import HERE, interleaved, peak_rss_gib, peer_python, report, seconds

from nexus.maths.ic import rank_ic, rank_ic_many
from nexus.maths.types import Floats

HORIZONS = (21, 63, 126)
SIZES = {"small": (2520, 500, 200.0, 2), "large": (6285, 2500, 60.0, 1)}
BLOCK_CELLS = 1 << 21


def market(n_dates: int, n_companies: int) -> tuple[Floats, Floats]:
    """Prices of random walks and scores that mean nothing, (n_dates, n_companies) each."""
    random = np.random.default_rng(20)
    prices = random.standard_normal((n_dates, n_companies))
    prices *= 0.02
    np.cumsum(prices, axis=0, out=prices)
    np.exp(prices, out=prices)
    return prices, random.standard_normal((n_dates, n_companies))


def all_ic(prices: Floats, scores: Floats) -> Floats:
    """IC of every date at every horizon, (n_horizons, n_dates), by blocks of dates to save memory."""
    n_dates, n_companies = scores.shape
    step = max(1, BLOCK_CELLS // n_companies)
    blocks = [slice(start, min(start + step, n_dates)) for start in range(0, n_dates, step)]
    return np.hstack([rank_ic_many(scores[block], forward_returns(prices, block)) for block in blocks])


def forward_returns(prices: Floats, block: slice) -> Iterator[Floats]:
    """Of the block's dates, one horizon after another in the same memory; NaN where the window is not over."""
    forward = np.empty_like(prices[block])
    for horizon in HORIZONS:
        ends = prices[block.start + horizon : block.stop + horizon]
        np.divide(ends, prices[block][: len(ends)], out=forward[: len(ends)])
        forward[: len(ends)] -= 1
        forward[len(ends) :] = np.nan
        yield forward


def alphalens(folder: Path) -> float:
    """Seconds the peer took; its IC is left in the folder."""
    command = [peer_python("alphalens"), "-I", HERE / "peers" / "alphalens_ic.py", folder, *map(str, HORIZONS)]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return float(out.splitlines()[-1])


def main(size: str) -> None:
    n_dates, n_companies, at_least, peer_repeats = SIZES[size]
    rank_ic(*market(3, 3))  # compiles
    prices, scores = market(n_dates, n_companies)
    ours = all_ic(prices, scores)
    peak = peak_rss_gib()
    with TemporaryDirectory() as name:
        folder = Path(name)
        np.save(folder / "prices.npy", prices)
        np.save(folder / "scores.npy", scores)
        peer_python("alphalens")
        times = interleaved(
            lambda: seconds(lambda: all_ic(prices, scores)),
            lambda: alphalens(folder),
            repeats=3,
            peer_repeats=peer_repeats,
        )
        theirs = np.load(folder / "ic.npy").T
    np.testing.assert_allclose(ours[:, : theirs.shape[1]], theirs, atol=1e-9)
    report(f"ic_{size}", *times, at_least=at_least, peer_name="alphalens-reloaded", peak=peak)


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in SIZES:
        sys.exit(f"usage: ic.py {'|'.join(SIZES)}")
    main(sys.argv[1])
