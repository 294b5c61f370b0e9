"""Splits, dividends and delistings, and which of them count at a moment."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from nexus.db.bars import Floats
from nexus.db.request import Days, Ints, Request
from nexus.db.snapshot import Arrays, ArrowReader

DIVIDEND, SPLIT, DELISTING = 0, 1, 2
"""On one day the dividend comes before the split: it is paid on the old shares."""

_ACTIONS = """
SELECT company_id, ex_date, array_position(ARRAY['dividend', 'split', 'delisting'], kind) - 1 AS kind,
       {source} AS source, value, known_at,
       coalesce(lead(known_at) OVER (PARTITION BY company_id, ex_date, kind, source ORDER BY known_at),
                '9999-12-31 UTC'::timestamptz) AS superseded_at
FROM corporate_actions
WHERE {limits} AND {about}
ORDER BY ex_date, 3, company_id, 4, known_at
"""


@dataclass(frozen=True)
class Actions:
    """Corporate actions (k,) by ex-date; each vintage is the newest from `known_at` until `superseded_at`.

    row : first session at or after the ex-date, n where there is none; -1 before the first session
    column : place of the company
    """

    row: Ints
    column: Ints
    ex_date: Days
    kind: Ints
    source: Ints
    value: Floats
    known_at: Ints
    superseded_at: Ints

    def known(self, instant: int, last: int, own: Ints, bases: Days) -> Actions:
        """What a reader at `instant` applies, with an ex-date by session `last`.

        own : (m,) rank of the source of each company's prices
        bases : by rank; prices and dividends of a source are adjusted for splits up to that day
        A split up to the basis is in the prices already; a dividend is only taken in the basis of the prices. Per
        company and kind one source: that of its prices, else the first that knows an action of the kind.
        """
        seen = self.where((self.known_at <= instant) & (instant < self.superseded_at))
        if not len(seen.row):
            return seen
        own_source = own[seen.column]
        preference = np.where(seen.source == own_source, -1, seen.source)
        usable = (seen.kind != DIVIDEND) | (bases[seen.source] == bases[own_source])
        best = np.full((3, len(own)), np.iinfo(np.int64).max)
        np.minimum.at(best, (seen.kind[usable], seen.column[usable]), preference[usable])
        usable &= preference == best[seen.kind, seen.column]
        usable &= seen.row <= last
        return seen.where(usable & ((seen.kind != SPLIT) | (seen.ex_date > bases[own_source])))

    def only(self, *kinds: int) -> Actions:
        """Those of some kinds."""
        return self.where(np.isin(self.kind, kinds))

    def where(self, chosen: NDArray[np.bool_]) -> Actions:
        """Those chosen."""
        return Actions(*(getattr(self, field.name)[chosen] for field in fields(self)))


def read_actions(reader: ArrowReader, request: Request) -> pa.Table:
    """All actions of the companies asked for, by ex-date."""
    source, limits = request.rank("corporate_actions"), request.limits("corporate_actions")
    return reader.table(_ACTIONS.format(source=source, limits=limits, about=request.about()), **request.bounds)


def place_actions(arrays: Arrays, request: Request, companies: Ints) -> Actions:
    """The actions of the panel's companies."""
    inside = np.isin(arrays["company_id"], companies)
    placed = {name: array[inside] for name, array in arrays.items()}
    placed["column"] = np.searchsorted(companies, placed.pop("company_id")).astype(np.int64)
    rows = request.market.rows_from(placed["ex_date"])
    placed["row"] = np.where(placed["ex_date"] < request.market.days[0], -1, rows)
    return Actions(**placed)


def no_actions() -> Actions:
    """None at all."""
    nothing = np.empty(0, dtype=np.int64)
    return Actions(nothing, nothing, nothing.view("M8[D]"), nothing, nothing, np.empty(0), nothing, nothing)
