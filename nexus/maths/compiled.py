"""How kernels are compiled, and how their rows are shared among threads."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TypeVar, cast

import numba

Kernel = TypeVar("Kernel", bound=Callable[..., object])

THREAD_CELLS = 1 << 18
"""Cells of a matrix for which one more thread pays."""


def kernel(function: Kernel) -> Kernel:
    """Compile for use from threads, cached beside the source or, where that cannot be written, in the user's cache."""
    try:
        return cast(Kernel, numba.njit(nogil=True, cache=True)(function))
    except RuntimeError:  # no folder to cache in
        return cast(Kernel, numba.njit(nogil=True)(function))


def fused_kernel(function: Kernel) -> Kernel:
    """As `kernel`, with a product and the sum it goes into rounded once: twice as fast, last bits by the machine."""
    try:
        return cast(Kernel, numba.njit(nogil=True, cache=True, fastmath={"contract"})(function))
    except RuntimeError:
        return cast(Kernel, numba.njit(nogil=True, fastmath={"contract"})(function))


def summing_kernel(function: Kernel) -> Kernel:
    """As `kernel`, with sums taken in whatever order is fastest: last bits by the machine."""
    try:
        return cast(Kernel, numba.njit(nogil=True, cache=True, fastmath={"reassoc"})(function))
    except RuntimeError:
        return cast(Kernel, numba.njit(nogil=True, fastmath={"reassoc"})(function))


def by_rows(work: Callable[[slice], object], n_rows: int, n_columns: int) -> None:
    """Run `work` on slices of the rows, in threads when there is enough to share."""
    threads = min(os.cpu_count() or 1, n_rows, 1 + n_rows * n_columns // THREAD_CELLS)
    edges = [n_rows * part // threads for part in range(threads + 1)] if threads else [0]
    parts = [slice(start, stop) for start, stop in pairwise(edges)]
    if len(parts) == 1:
        work(parts[0])
    elif parts:
        with ThreadPoolExecutor(len(parts)) as pool:
            list(pool.map(work, parts))
