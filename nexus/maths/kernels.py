"""Compiled kernels that order the rows of a matrix, and what is counted along that order.

They live in one file because numba recompiles a cached kernel when its own file changes, not when a file it calls does.

A row is ordered by a radix sort of the 22 leading bits of its spread, then by insertion: exact, ties included.
Where the leading bits tell too little apart, all 64 bits are sorted instead.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nexus.maths.compiled import kernel
from nexus.maths.types import Floats

Keys = NDArray[np.uint64]
Small = NDArray[np.int32]

DIGIT = np.uint64(11)
"""Bits that one pass of the radix sort looks at; six passes see all 64."""
BINS = 1 << 11
MASK = np.uint64(BINS - 1)
ALL_PASSES = 6
SIGN = np.uint64(1 << 63)
EXPONENT = 0x7FF << 52
NOT_FINITE = np.uint64(0)
PATIENCE = 8
"""Moves per element after which the insertion gives up on the leading bits."""


@kernel
def _radix(
    keys: Keys,
    tags: Small,
    n: int,
    keys_too: Keys,
    tags_too: Small,
    counts: Small,
    low: np.uint64,
    shift: np.uint64,
    passes: int,
) -> None:
    """Stable sort of keys[:n] and tags[:n] by `passes` digits of (key - low) >> shift; an even number of passes."""
    counts[: passes * BINS] = 0
    for i in range(n):
        digits = (keys[i] - low) >> shift
        for p in range(passes):
            counts[p * BINS + np.int64((digits >> (DIGIT * np.uint64(p))) & MASK)] += 1
    for p in range(passes):
        total = 0
        for slot in range(p * BINS, (p + 1) * BINS):
            here = counts[slot]
            counts[slot] = total
            total += int(here)
        down = shift + DIGIT * np.uint64(p)
        for i in range(n):
            place = p * BINS + np.int64(((keys[i] - low) >> down) & MASK)
            to = counts[place]
            counts[place] = to + 1
            keys_too[to] = keys[i]
            tags_too[to] = tags[i]
        keys, keys_too = keys_too, keys
        tags, tags_too = tags_too, tags


@kernel
def _insert(keys: Keys, tags: Small, n: int) -> bool:
    """Finish an almost sorted array in place; False where it was not almost sorted, and nothing is lost."""
    moves = 0
    for i in range(1, n):
        key = keys[i]
        if key < keys[i - 1]:
            tag = tags[i]
            j = i
            while j > 0 and keys[j - 1] > key:
                keys[j] = keys[j - 1]
                tags[j] = tags[j - 1]
                j -= 1
            keys[j] = key
            tags[j] = tag
            moves += i - j
            if moves > PATIENCE * n:
                return False
    return True


@kernel
def _sort(keys: Keys, tags: Small, n: int, keys_too: Keys, tags_too: Small, counts: Small) -> None:
    """Sort keys[:n] ascending in place, and tags[:n] with them."""
    if n < 2:
        return
    low = keys[0]
    high = keys[0]
    for i in range(1, n):
        low = min(low, keys[i])
        high = max(high, keys[i])
    shift = np.uint64(0)
    while ((high - low) >> shift) >> (np.uint64(2) * DIGIT) != np.uint64(0):
        shift += np.uint64(1)
    _radix(keys, tags, n, keys_too, tags_too, counts, low, shift, 2)
    if not _insert(keys, tags, n):
        _radix(keys, tags, n, keys_too, tags_too, counts, np.uint64(0), np.uint64(0), ALL_PASSES)


@kernel
def _keys_of(values: Floats, out: Keys) -> None:
    """Unsigned integers that sort as the numbers do, minus zero as zero; 0 for what is not finite."""
    bits = (values + 0.0).view(np.int64)
    for i in range(bits.size):
        key = np.uint64(bits[i]) ^ (np.uint64(bits[i] >> 63) | SIGN)
        out[i] = NOT_FINITE if (bits[i] & EXPONENT) == EXPONENT else key


@kernel
def order_rows(values: Floats, order: Small, counts_out: Small) -> None:
    """Columns of the finite values of each row, ascending.

    values : (n_rows, n_columns)
    order : (n_rows, n_columns), written: the column, or its complement ~column where the value equals the one before
    counts_out : (n_rows,), written: how many entries of the row of `order` count; the rest is not written
    """
    n_rows, n_columns = values.shape
    row_keys = np.empty(n_columns, np.uint64)
    keys, keys_too = np.empty(n_columns, np.uint64), np.empty(n_columns, np.uint64)
    tags, tags_too = np.empty(n_columns, np.int32), np.empty(n_columns, np.int32)
    counts = np.empty(ALL_PASSES * BINS, np.int32)
    for t in range(n_rows):
        _keys_of(values[t], row_keys)
        n = 0
        for i in range(n_columns):
            keys[n] = row_keys[i]
            tags[n] = i
            n += row_keys[i] != NOT_FINITE
        _sort(keys, tags, n, keys_too, tags_too, counts)
        for k in range(n):
            order[t, k] = ~tags[k] if k > 0 and keys[k] == keys[k - 1] else tags[k]
        counts_out[t] = n


@kernel
def rank_rows(order: Small, counts: Small, out: Floats) -> None:
    """Average ranks from 1 by `order_rows`, written into `out` (n_rows, n_columns), which comes filled with NaN."""
    for t in range(order.shape[0]):
        start = 0
        n = counts[t]
        while start < n:
            stop = start + 1
            while stop < n and order[t, stop] < 0:
                stop += 1
            for k in range(start, stop):
                out[t, order[t, k] ^ (order[t, k] >> 31)] = 0.5 * (start + stop + 1)
            start = stop


@kernel
def centred_rank_rows(order: Small, counts: Small, gross: bool, out: Floats) -> None:
    """Average ranks by `order_rows` less their mean, over their norm: the sum of absolutes if `gross`, else Euclid's.

    out : (n_rows, n_columns), comes filled with what names without a value get; a row with all values tied is all NaN
    """
    for t in range(order.shape[0]):
        rank_rows(order[t : t + 1], counts[t : t + 1], out[t : t + 1])
        n = counts[t]
        norm = 0.0
        for k in range(n):
            column = order[t, k] ^ (order[t, k] >> 31)
            out[t, column] -= 0.5 * (n + 1)
            norm += abs(out[t, column]) if gross else out[t, column] ** 2
        if norm == 0.0:
            out[t] = np.nan
            continue
        norm = norm if gross else np.sqrt(norm)
        for k in range(n):
            out[t, order[t, k] ^ (order[t, k] >> 31)] /= norm


@kernel
def tranche_rows(values: Floats, overlap: int, out: Floats) -> None:
    """Mean of each column's finite values over the last `overlap` rows, to 12 decimals; see `stats.tranches`.

    out : (n_rows, n_columns), comes filled with NaN
    """
    n_rows, n_columns = values.shape
    total, names = np.empty(n_columns), np.empty(n_columns)
    alive = 0  # rows in succession that hold anything
    for t in range(n_rows):
        alive = alive + 1 if np.isfinite(values[t]).any() else 0
        if alive < overlap:
            continue
        total[:] = 0.0
        names[:] = 0.0
        for row in range(t - overlap + 1, t + 1):
            for i in range(n_columns):
                here = np.isfinite(values[row, i])
                total[i] += values[row, i] if here else 0.0
                names[i] += 1.0 if here else 0.0
        for i in range(n_columns):
            if names[i] > 0.0:
                out[t, i] = np.rint(total[i] / names[i] * 1e12) / 1e12


@kernel
def _joint(order: Small, n_ordered: int, row_keys: Keys, keys: Keys, ranks: Small) -> tuple[int, int]:
    """Keys of the ordered names that have one, with twice their average rank among themselves.

    Returns how many, and the sum of the squares of what is in `ranks`.
    """
    n = 0
    ties = 0
    for k in range(n_ordered):
        column = order[k] ^ (order[k] >> 31)
        keys[n] = row_keys[column]
        ranks[n] = 2 * n + 2
        ties += order[k] < 0
        n += row_keys[column] != NOT_FINITE
    if ties == 0:
        return n, 2 * n * (n + 1) * (2 * n + 1) // 3
    squares = n = start = 0
    for k in range(n_ordered + 1):
        if k == n_ordered or order[k] >= 0:
            for i in range(start, n):
                ranks[i] = start + n + 1
            squares += (n - start) * (start + n + 1) ** 2
            start = n
        if k < n_ordered:
            n += row_keys[order[k] ^ (order[k] >> 31)] != NOT_FINITE
    return n, squares


@kernel
def _against(keys: Keys, ranks: Small, n: int) -> tuple[int, int]:
    """Sum of products of `ranks` with twice the average rank of the ascending keys, and of the latter's squares."""
    products = 0
    ties = 0
    for i in range(n):
        products += int(ranks[i]) * (2 * i + 2)
    for i in range(1, n):
        ties += keys[i] == keys[i - 1]
    if ties == 0:
        return products, 2 * n * (n + 1) * (2 * n + 1) // 3
    squares = products = start = 0
    while start < n:
        total = int(ranks[start])
        stop = start + 1
        while stop < n and keys[stop] == keys[start]:
            total += int(ranks[stop])
            stop += 1
        products += total * (start + stop + 1)
        squares += (stop - start) * (start + stop + 1) ** 2
        start = stop
    return products, squares


@kernel
def correlate_rows(order: Small, counts_in: Small, values: Floats, out: Floats) -> None:
    """Spearman correlation of each row with the row that `order_rows` ordered, over names finite in both.

    values : (n_rows, n_columns)
    out : (n_rows,), written: NaN with fewer than 3 names or without variance in either
    Twice the average rank is an integer, so all sums are exact.
    """
    n_rows, n_columns = values.shape
    row_keys = np.empty(n_columns, np.uint64)
    keys, keys_too = np.empty(n_columns, np.uint64), np.empty(n_columns, np.uint64)
    ranks, ranks_too = np.empty(n_columns, np.int32), np.empty(n_columns, np.int32)
    counts = np.empty(ALL_PASSES * BINS, np.int32)
    for t in range(n_rows):
        _keys_of(values[t], row_keys)
        n, squares = _joint(order[t], counts_in[t], row_keys, keys, ranks)
        _sort(keys, ranks, n, keys_too, ranks_too, counts)
        products, squares_too = _against(keys, ranks, n)
        centre = n * (n + 1) * (n + 1)
        if n >= 3 and squares > centre and squares_too > centre:
            out[t] = (products - centre) / np.sqrt(float(squares - centre) * float(squares_too - centre))
        else:
            out[t] = np.nan


@kernel
def doubled_rank_rows(order: Small, counts: Small, out: Small) -> None:
    """Twice the average ranks by `order_rows`, written into `out` (n_rows, n_columns), which comes filled with 0."""
    for t in range(order.shape[0]):
        start = 0
        n = counts[t]
        while start < n:
            stop = start + 1
            while stop < n and order[t, stop] < 0:
                stop += 1
            for k in range(start, stop):
                out[t, order[t, k] ^ (order[t, k] >> 31)] = start + stop + 1
            start = stop


@kernel
def _joint_ranks(row: Small, n_row: int, inside: Small, columns: Small, out: Small) -> tuple[int, int]:
    """Twice the average ranks of a row's columns that are `inside` (not 0), into `out`; how many, and their squares."""
    n = 0
    start = 0
    squares = 0
    for k in range(n_row):
        column = row[k]
        if column < 0:
            column = ~column
        else:
            for j in range(start, n):
                out[columns[j]] = start + n + 1
            squares += (n - start) * (start + n + 1) * (start + n + 1)
            start = n
        columns[n] = column
        n += inside[column] != 0
    for j in range(start, n):
        out[columns[j]] = start + n + 1
    squares += (n - start) * (start + n + 1) * (start + n + 1)
    return n, squares


@kernel
def correlate_orders(
    order: Small, counts: Small, order_too: Small, counts_too: Small, doubled_too: Small, out: Floats
) -> None:
    """Spearman correlation of rows that `order_rows` ordered, over names in both: `correlate_rows` without sorting.

    doubled_too : (n_rows, n_columns), the second's `doubled_rank_rows`: its ranks where nobody falls out
    out : (n_rows,), written: NaN with fewer than 3 names or without variance in either
    """
    n_rows, n_columns = order.shape
    columns = np.empty(n_columns + 1, np.int32)
    ranks, ranks_too = np.zeros(n_columns, np.int32), np.empty(n_columns, np.int32)
    for t in range(n_rows):
        ranks[:] = 0
        n, squares = _joint_ranks(order[t], counts[t], doubled_too[t], columns, ranks)
        out[t] = np.nan
        if n < 3:
            continue
        products = np.int64(0)
        squares_too = 0
        if n == counts_too[t]:
            for j in range(n):
                rank = np.int64(doubled_too[t, columns[j]])
                products += np.int64(ranks[columns[j]]) * rank
                squares_too += int(rank * rank)
        else:
            _, squares_too = _joint_ranks(order_too[t], counts_too[t], ranks, columns, ranks_too)
            for j in range(n):
                products += np.int64(ranks[columns[j]]) * np.int64(ranks_too[columns[j]])
        centre = n * (n + 1) * (n + 1)
        if squares > centre and squares_too > centre:
            out[t] = (products - centre) / (np.sqrt(float(squares - centre)) * np.sqrt(float(squares_too - centre)))
