"""Compiled: columns as the sieve of `correlation_kernels` wants them, and their sums over a window."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nexus.maths.compiled import kernel
from nexus.maths.types import Floats, Ints

Singles = NDArray[np.float32]


@kernel
def lay_out(returns: Floats, columns: Ints, head: int, raw: Floats, x: Singles) -> None:
    """Copy some columns, as they are and brought to -1 to 1 for the sieve.

    returns : (n_rows, n_columns); columns : (n,) which of them; head : rows by whose mean they are centred
    raw : (n, n_rows), written; x : (n_rows, n), written, (raw - centre) * scale, 0 where there is no value
    """
    for j in range(len(columns)):
        total, n, largest = 0.0, 0, 0.0
        for t in range(len(returns)):
            value = returns[t, columns[j]]
            raw[j, t] = value
            if t < head and not np.isnan(value):
                total += value
                n += 1
        centre = total / max(n, 1)
        for value in raw[j]:
            if abs(value - centre) > largest:
                largest = abs(value - centre)
        scale = 1.0 / largest if largest > 0.0 else 1.0
        for t in range(len(returns)):
            x[t, j] = 0.0 if np.isnan(raw[j, t]) else (raw[j, t] - centre) * scale


@kernel
def totals(x: Singles, start: int, stop: int, sums: Floats, squares: Floats) -> None:
    """Sums and sums of squares of the columns over rows start to stop, written."""
    sums[:] = 0.0
    squares[:] = 0.0
    for t in range(start, stop):
        for j in range(x.shape[1]):
            sums[j] += x[t, j]
            squares[j] += np.float64(x[t, j]) * x[t, j]
