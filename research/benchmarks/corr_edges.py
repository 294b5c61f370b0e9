"""Top-50 correlation edges of 2,500 nodes at 302 snapshots, returns in and pairs out, against pandas.

    python research/benchmarks/corr_edges.py

The peer is `DataFrame.corr` of the window's 252 sessions and `nlargest` of each row's absolute values; it does two of
the snapshots, spread over the years, and its time is extrapolated linearly. Every one of its pairs must be among ours
there, and none else, with correlations equal to 1e-9, before the ratio is printed.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from harness import interleaved, peak_rss_gib, report, seconds

from nexus.maths.correlation import TopPairs, top_correlations
from nexus.maths.types import Floats, Ints

SESSIONS, NODES, WINDOW, STEP, K = 6285, 2500, 252, 20, 50
AT_LEAST = 300.0
PEER_SNAPSHOTS = (100, 250)


def market(n_sessions: int, n_nodes: int) -> Floats:
    """Returns that share a market, whose volatility comes and goes so that correlations rise and fall together."""
    random = np.random.default_rng(50)
    returns = random.standard_normal((n_sessions, n_nodes))
    returns *= 0.02
    volatility = 0.01 * (1.2 + np.sin(np.arange(n_sessions) / 120))
    returns += (volatility * random.standard_normal(n_sessions))[:, None] * random.uniform(0.5, 1.5, n_nodes)
    return returns


def ends(n_sessions: int) -> Ints:
    """Rows of the snapshots."""
    return np.arange(WINDOW - 1, n_sessions, STEP)


def nexus(returns: Floats, wanted: tuple[int, ...] = ()) -> list[TopPairs]:
    """All snapshots, one after the other; those that are wanted are kept."""
    found = top_correlations(returns, ends(len(returns)), window=WINDOW, k=K)
    return [pairs for place, pairs in enumerate(found) if place in wanted]


def pandas(returns: Floats, end: int) -> pd.DataFrame:
    """Columns src, dst and corr of one snapshot."""
    table = pd.DataFrame(returns[end + 1 - WINDOW : end + 1]).corr()
    nearest = {src: row.nlargest(K + 1).index[1:] for src, row in table.abs().iterrows()}  # the first is itself
    values = table.to_numpy()
    src = np.repeat(np.array(list(nearest)), K)
    dst = np.concatenate([names.to_numpy() for names in nearest.values()])
    return pd.DataFrame({"src": src, "dst": dst, "corr": values[src, dst]})


def check(ours: TopPairs, theirs: pd.DataFrame) -> None:
    """The same pairs, and the same correlations."""
    own = pd.DataFrame({"src": ours.src, "dst": ours.dst, "corr": ours.corr})
    both = own.merge(theirs, on=["src", "dst"], how="outer", suffixes=("", "_peer"))
    overlap = len(both.dropna()) / len(theirs)
    print(f"overlap {overlap:.6f} of {len(theirs)} pairs at row {ours.end}")
    assert overlap == 1.0 and len(both) == len(theirs)
    np.testing.assert_allclose(both["corr"], both["corr_peer"], rtol=0, atol=1e-9)


def main() -> None:
    nexus(market(400, 300))  # compiles
    returns = market(SESSIONS, NODES)
    kept = nexus(returns, PEER_SNAPSHOTS)
    peak = peak_rss_gib()
    told: list[pd.DataFrame] = []
    rows = iter(ends(SESSIONS)[list(PEER_SNAPSHOTS)])
    ours, one = interleaved(
        lambda: seconds(lambda: nexus(returns)),
        lambda: seconds(lambda: told.append(pandas(returns, next(rows)))),
        repeats=3,
        peer_repeats=len(PEER_SNAPSHOTS),
    )
    for pairs, theirs in zip(kept, told, strict=True):
        check(pairs, theirs)
    n = len(ends(SESSIONS))
    print(f"{n} snapshots; the peer's time is {n} times {one:.3f} s, the better of {len(told)}")
    report("corr_edges", ours, one * n, at_least=AT_LEAST, peer_name="pandas (extrapolated)", peak=peak)


if __name__ == "__main__":
    main()
