"""One-dimensional arrays of 4-byte integers as PostgreSQL sends and receives them in binary."""

from __future__ import annotations

import struct
from typing import Literal

import numpy as np
from numpy.typing import NDArray

OIDS = {"integer": 23, "date": 1082}
HEADER = struct.Struct(">5i")
"""Dimensions, whether there are NULLs, the elements' type, how many there are, the first one's index."""
CELL = np.dtype([("size", ">i4"), ("value", ">i4")])


def packed(values: NDArray[np.integer], kind: Literal["integer", "date"]) -> bytes:
    """An integer[] or date[]; dates are days since 2000."""
    if not len(values):
        return HEADER.pack(0, 0, OIDS[kind], 0, 0)[:12]
    cells = np.empty(len(values), CELL)
    cells["size"], cells["value"] = 4, values
    return HEADER.pack(1, 0, OIDS[kind], len(values), 1) + cells.tobytes()


def unpacked(array: bytes) -> NDArray[np.int32]:
    """The elements, none of them NULL."""
    return np.frombuffer(array[HEADER.size :], CELL)["value"].astype(np.int32)
