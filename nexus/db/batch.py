"""The rows of a file that a load tries: all of them, or those it had rejected before."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from nexus.db.arrange import Ints
from nexus.db.rejects import FileMark, Reject
from nexus.db.shape import Shape


@dataclass(frozen=True)
class Batch:
    """Conformed rows on their way into a table.

    numbers : (n,), place of each row in its file; None where nobody knows
    rejects : what the caller's own checks turned away
    """

    shape: Shape
    source: str
    file: FileMark | None
    rows: pa.Table
    numbers: Ints | None
    rejects: Sequence[Reject]

    def again(self, pending: frozenset[int | None]) -> Batch:
        """What of it is among the rows `pending`."""
        wanted = np.array([number for number in pending if number is not None], np.int64)
        numbers = np.zeros(0, np.int64) if self.numbers is None else self.numbers
        kept = np.flatnonzero(np.isin(numbers, wanted))
        rejects = [reject for reject in self.rejects if reject.row_number in pending]
        return replace(self, rows=self.rows.take(pa.array(kept)), numbers=numbers[kept], rejects=rejects)

    def refuse(self, places: Iterable[int], reason: str, detail: str) -> list[Reject]:
        """Rejects for the rows at `places`, with what they say."""
        refused = []
        for place in places:
            row = self.rows.slice(int(place), 1).to_pylist()[0]
            said = ", ".join(f"{name}={value}" for name, value in row.items() if value is not None)
            number = None if self.numbers is None else int(self.numbers[place])
            refused.append(Reject(number, reason, detail, said))
        return refused
