"""The peer of backtest.py, in its own environment: prices and target weights in, equity and the seconds it took out.

One pass of target-percent orders in one account: filled at the open after the decision, sized at the close of the
decision, as nexus does. The first call compiles and is not timed.
"""

import sys
import warnings
from pathlib import Path
from time import perf_counter

import numpy as np
import pandas as pd
import vectorbt as vbt

warnings.simplefilter("ignore")
folder, capital, fees, repeats = Path(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
prices = {name: pd.DataFrame(np.load(folder / f"{name}.npy")) for name in ("open", "close")}
rows, weights = np.load(folder / "rows.npy"), np.load(folder / "weights.npy")


def equity(n_sessions: int, n_companies: int) -> np.ndarray:
    """Value at each close of the first sessions and companies."""
    open, close = (prices[name].iloc[:n_sessions, :n_companies] for name in ("open", "close"))
    size = np.full(close.shape, np.nan)
    inside = rows + 1 < n_sessions
    size[rows[inside] + 1] = weights[inside, :n_companies]
    portfolio = vbt.Portfolio.from_orders(
        close,
        size=pd.DataFrame(size),
        size_type="targetpercent",
        price=open,
        val_price=close.shift(1),
        fees=fees,
        init_cash=capital,
        cash_sharing=True,
        group_by=True,
        call_seq="auto",
        freq="1D",
    )
    return portfolio.value().to_numpy()


equity(60, 10)
taken = []
for _ in range(repeats):
    start = perf_counter()
    value = equity(*prices["close"].shape)
    taken.append(perf_counter() - start)
np.save(folder / "equity.npy", value)
print(min(taken))
