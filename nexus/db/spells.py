"""Membership, sectors, tickers, events and benchmarks: each vintage with the time it was the newest of its key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from nexus.db.request import Ints, Market, Request
from nexus.db.snapshot import Arrays, ArrowReader

_SUPERSEDED = """
coalesce(lead(known_at) OVER (PARTITION BY {key} ORDER BY known_at), '9999-12-31 UTC'::timestamptz) AS superseded_at
"""
# the preferred source and the latest spell come last: written last, they hold
_SPELLS = f"""
SELECT company_id, {{name}} AS name, {{code}} AS code, valid_from, coalesce(valid_to, '9999-12-31') AS valid_to,
       {{source}} AS source, known_at, {_SUPERSEDED}
FROM {{table}} WHERE {{name}} = ANY({{{{names}}}}) AND {{limits}} AND {{about}}
ORDER BY company_id, 6 DESC, valid_from, code, known_at
"""
_SHAPES = {
    "universe_members": ("universe", "universe", "universe, company_id, valid_from, source"),
    "classifications": ("scheme", "code", "company_id, scheme, valid_from, source"),
    "symbols": ("'ticker'", "ticker", "company_id, ticker, valid_from, source"),
}
# an event may be restated as one of another type, so its vintages are looked up by its id
_EVENTS = """
SELECT company_id, event_type AS name, event_date, {source} AS source, known_at,
       coalesce((SELECT min(later.known_at) FROM events later
                 WHERE later.event_id = events.event_id AND later.known_at > events.known_at
                   AND later.load_id <= {{load_id}} AND later.known_at <= {{until}}),
                '9999-12-31 UTC'::timestamptz) AS superseded_at
FROM events WHERE event_type = ANY({{names}}) AND {limits} AND {about}
ORDER BY company_id, event_date, known_at, event_id
"""
_BENCHMARKS = f"""
SELECT series AS name, session, {{source}} AS source, value, known_at,
       {_SUPERSEDED.format(key="series, session, source")}
FROM benchmarks WHERE series = ANY({{{{names}}}}) AND {{limits}}
ORDER BY session, 3 DESC, known_at
"""


@dataclass(frozen=True)
class Facts:
    """Rows (k,) of one name, by column; each is the newest vintage from `known_at` until `superseded_at`."""

    arrays: Arrays

    def known(self, instant: int) -> Arrays:
        """The rows that a reader at `instant` sees."""
        seen = (self.arrays["known_at"] <= instant) & (instant < self.arrays["superseded_at"])
        return {name: array[seen] for name, array in self.arrays.items()}

    def holding(self, instant: int, day: np.datetime64) -> Arrays:
        """The spells that, as known at `instant`, hold on `day`."""
        known = self.known(instant)
        holds: NDArray[np.bool_] = (known["valid_from"] <= day) & (day < known["valid_to"])
        return {name: array[holds] for name, array in known.items()}


def read_facts(reader: ArrowReader, request: Request, table: str, names: Sequence[str]) -> pa.Table:
    """Rows of the named universes, schemes, tickers, event types or series."""
    common = {"source": request.rank(table), "limits": request.limits(table), "about": request.about()}
    if table in _SHAPES:
        name, code, key = _SHAPES[table]
        statement = _SPELLS.format(table=table, name=name, code=code, key=key, **common)
    else:
        statement = {"events": _EVENTS, "benchmarks": _BENCHMARKS}[table].format(**common)
    return reader.table(statement, names=list(names), **request.bounds)


def place_facts(arrays: Arrays, name: str, companies: Ints, market: Market) -> Facts:
    """Rows of one name: `column` is the place of the company, `row` the session, `number` the code's place."""
    chosen: NDArray[np.bool_] = arrays["name"] == name
    if "company_id" in arrays:
        chosen = chosen & np.isin(arrays["company_id"], companies)
    placed = {key: array[chosen] for key, array in arrays.items() if key != "name"}
    if "company_id" in placed:
        placed["column"] = np.searchsorted(companies, placed.pop("company_id")).astype(np.int64)
    if "session" in placed:
        placed["row"] = market.rows_of(placed.pop("session"))
    return Facts(placed)
