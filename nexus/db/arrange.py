"""A file's rows before they meet the database: ordered by key, repeats counted, contradictions taken out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from nexus.db.shape import Shape

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Arranged:
    """Rows in the order of their key and vintage, one per vintage.

    rows : with column `followed`: true where a later row is about the same key, both without known_at; else null
    order : (n,), the place of each row in the table that was given
    contradicting : places of rows that share key and vintage with another row and differ from it in a value
    duplicates : rows left out because an equal one is there
    """

    rows: pa.Table
    order: Ints
    contradicting: Ints
    duplicates: int


def arrange(shape: Shape, rows: pa.Table) -> Arranged:
    """Order conformed `rows` by key and by known_at, else its default, and leave one row of each."""
    key = _codes(rows, shape.key)
    if np.all(key[1:] > key[:-1]):
        order = np.arange(len(key))
        return Arranged(rows.append_column("followed", pa.nulls(len(key), pa.bool_())), order, order[:0], 0)
    assumed = np.asarray(rows["known_at"].is_null())
    instant = np.asarray(pc.coalesce(rows["known_at"], rows["default_known_at"]).cast(pa.int64()))
    order = np.lexsort((assumed, instant, key))
    repeats = np.concatenate([[False], (np.diff(key[order]) == 0) & (np.diff(instant[order]) == 0)])
    contradicting = _contradicting(rows.select(shape.values), order, repeats)
    spare = repeats & ~contradicting
    kept = order[~(contradicting | spare)]
    followed = _followed(key[kept], assumed[kept])
    taken = rows.take(pa.array(kept)).append_column("followed", pa.array(followed, mask=~followed))
    return Arranged(taken, kept, order[contradicting], int(spare.sum()))


def _contradicting(values: pa.Table, order: Ints, repeats: Flags) -> Flags:
    """Which rows, in order, belong to a vintage that the file tells in more than one way."""
    vintage = np.cumsum(~repeats)
    again = np.flatnonzero(repeats)
    differs = np.zeros(len(again), bool)
    for column in values.columns:
        one, other = column.take(pa.array(order[again - 1])), column.take(pa.array(order[again]))
        both_null = pc.and_(one.is_null(), other.is_null())
        differs |= ~np.asarray(pc.or_(both_null, pc.equal(one, other).fill_null(False)))
    return np.isin(vintage, vintage[again[differs]])


def _followed(key: Ints, assumed: Flags) -> Flags:
    places = np.flatnonzero(assumed)
    followed = np.zeros(len(key), bool)
    followed[places[:-1][np.diff(key[places]) == 0]] = True
    return followed


def _codes(rows: pa.Table, names: tuple[str, ...]) -> Ints:
    """One integer per distinct key, ordered as the columns are."""
    key = np.zeros(rows.num_rows, np.int64)
    size = 1
    for name in names:
        codes = _column_codes(rows[name])
        width = int(codes.max(initial=0)) + 1
        if size * width >= 2**62:
            key = np.unique(key, return_inverse=True)[1].astype(np.int64)
            size = int(key.max(initial=0)) + 1
        key = key * width + codes
        size *= width
    return key


def _column_codes(column: pa.ChunkedArray) -> Ints:
    if pa.types.is_string(column.type):
        encoded = column.combine_chunks().dictionary_encode()
        ranks = np.asarray(pc.rank(encoded.dictionary)).astype(np.int64) - 1
        return ranks[np.asarray(encoded.indices)] if len(ranks) else ranks
    values = np.asarray(column.cast(pa.int32())).astype(np.int64)
    return values - values.min() if len(values) else values
