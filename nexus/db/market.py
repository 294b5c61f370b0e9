"""Everything a panel has read, placed on its sessions and companies: what views and labels are made from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nexus.db.actions import Actions
from nexus.db.scatter import Bars, Floats
from nexus.db.snapshot import Ints, Market
from nexus.db.spells import Facts
from nexus.db.vintages import Vintages


@dataclass(frozen=True)
class Data:
    """Facts on (n sessions, m companies). `facts` and `codes` are keyed (table, name), `vintages` by field."""

    market: Market
    companies: Ints
    bars: Bars
    actions: Actions
    vintages: dict[str, Vintages]
    facts: dict[tuple[str, str], Facts]
    codes: dict[tuple[str, str], tuple[str, ...]]

    def previous_close(self, first: int, last: int, instant: int) -> tuple[Ints, Floats]:
        """Row and close (m,) of each company's last bar before session `first`; -1 and NaN where there is none.

        Only companies with a bar in first..last are looked for far back.
        """
        row = np.full(len(self.companies), -1, dtype=np.int64)
        close = np.full(len(self.companies), np.nan)
        wanted = self.bars.first_row < first
        end, step = first, 1
        while end > 0 and wanted.any():
            begin = max(0, end - step)
            block = self.bars.window("close", begin, end - 1, instant)[:, wanted]
            there = ~np.isnan(block)
            found = there.any(axis=0)
            at = len(block) - 1 - there[::-1].argmax(axis=0)
            columns = np.flatnonzero(wanted)[found]
            row[columns], close[columns] = begin + at[found], block[at[found], np.flatnonzero(found)]
            wanted[columns] = False
            if (
                end == first and wanted.any()
            ):  # a company that left long ago has none in the window either: never mind it
                wanted[wanted] = ~np.isnan(self.bars.window("close", first, last, instant)[:, wanted]).all(axis=0)
            end, step = begin, step * 4
        return row, close
