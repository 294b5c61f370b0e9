"""The peer of ic.py, in its own environment: prices.npy and scores.npy in, ic.npy and the seconds it took out."""

import sys
import warnings
from pathlib import Path
from time import perf_counter

import numpy as np
import pandas as pd
from alphalens.performance import factor_information_coefficient
from alphalens.utils import get_clean_factor_and_forward_returns

warnings.simplefilter("ignore")
folder, horizons = Path(sys.argv[1]), tuple(map(int, sys.argv[2:]))
values = np.load(folder / "prices.npy")
dates = pd.bdate_range("2000-01-03", periods=len(values), name="date")
names = pd.Index([f"company{i:04d}" for i in range(values.shape[1])], name="asset")
prices = pd.DataFrame(values, index=dates, columns=names)
factor = pd.DataFrame(np.load(folder / "scores.npy"), index=dates, columns=names).stack()

start = perf_counter()
clean = get_clean_factor_and_forward_returns(factor, prices, periods=horizons, max_loss=1.0)
ic = factor_information_coefficient(clean)
taken = perf_counter() - start

np.save(folder / "ic.npy", ic.to_numpy())
print(taken)
