"""One order: a file or frame of one kind, checked, resolved and loaded, table by table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from time import perf_counter
from uuid import UUID

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from nexus.db.engine import Database
from nexus.db.load import FileMark, Loaded, Reject, SourceInfo, ensure_source, load
from nexus.db.rejects import known, record
from nexus.db.sessions import Sessions, ensure_sessions, read_sessions
from nexus.ingest import actions, benchmarks, events, fundamentals, prices, reference, relations, universe
from nexus.ingest.arrival import Arrival, Desk
from nexus.ingest.columns import kind_of
from nexus.ingest.identity import Who
from nexus.ingest.reading import Raw, Unreadable
from nexus.ingest.sieve import Sieve
from nexus.ingest.values import typed
from nexus.settings import settings

Arrivals = Callable[[pd.DataFrame, Sieve, Desk], Iterator[Arrival]]
ARRIVALS: dict[str, Arrivals] = {
    "reference": reference.arrivals,
    "universe": universe.arrivals,
    "prices": prices.arrivals,
    "actions": actions.arrivals,
    "fundamentals": fundamentals.arrivals,
    "events": events.arrivals,
    "relations": relations.arrivals,
    "benchmarks": benchmarks.arrivals,
}
MAY_CHANGE = ("unknown ticker", "future date")
"""Reasons that lie outside the file: rows with any other would be refused again."""


Pending = dict[str, frozenset[int]]
"""Row numbers, by table."""


@dataclass(frozen=True)
class Order:
    """A file or frame, what is in it, and where it comes from.

    rows : reads it; called only when there is something to do
    mark : its name and sha256; None: not a file, always compared
    label, strangers : as in Desk
    """

    kind: str
    source: SourceInfo
    rows: Callable[[], Raw]
    mark: FileMark | None = None
    label: date | None = None
    strangers: bool = False


class Clerk:
    """Carries out the orders of one ingest run; who is who is read once, and again when companies were added."""

    def __init__(self, database: Database, run_id: UUID) -> None:
        self.database, self.run_id = database, run_id
        self._who: Who | None = None
        self._sessions: Sessions | None = None

    def execute(self, order: Order) -> list[Loaded]:
        """Skip what was loaded, else check, resolve and load, table by table."""
        began = perf_counter()
        pending = _pending(self.database, order)
        if pending is not None and not any(pending.values()):
            return [untouched(table, order.source.source, began, already=True) for table in kind_of(order.kind).tables]
        ensure_source(self.database, order.source)
        try:
            raw = order.rows()
            frame, sieve = typed(kind_of(order.kind), raw)
        except Unreadable as error:
            return [self._unreadable(order, error, began)]
        loaded, told, aside = [], 0, 0
        for arrival in ARRIVALS[order.kind](frame, sieve, self._desk(order)):
            rejects = [*sieve.rejects[told:], *arrival.rejects]
            out_of_scope = sieve.out_of_scope - aside
            told, aside = len(sieve.rejects), sieve.out_of_scope
            loaded.append(self._load(order, arrival, rejects, out_of_scope, pending))
        if any(one.table == "symbols" and one.inserted for one in loaded):
            self._who = None
        return loaded

    def _desk(self, order: Order) -> Desk:
        now = pd.Timestamp(datetime.now(UTC))
        if self._sessions is None:
            self._sessions = _sessions(self.database, now.date())
        if self._who is None:
            self._who = Who.read(self.database)
        return Desk(self.database, self._who, self._sessions, now, order.source, order.label, order.strangers)

    def _load(
        self,
        order: Order,
        arrival: Arrival,
        rejects: Sequence[Reject],
        out_of_scope: int,
        pending: Pending | None,
    ) -> Loaded:
        mark, rows, numbers = order.mark, arrival.rows, arrival.numbers
        if pending and not pending[arrival.table]:
            # what rows that another table tries again bring along is new to this table's load of the file
            again = np.flatnonzero(np.isin(numbers, list(frozenset().union(*pending.values()))))
            mark, rows, numbers = None, rows.take(pa.array(again)), numbers[again]
        return load(
            self.database,
            self.run_id,
            arrival.table,
            rows,
            source=order.source.source,
            file=mark,
            rejects=rejects,
            out_of_scope=out_of_scope,
            row_numbers=numbers,
            known_at_given="known_at" in rows.column_names and bool(pc.any(rows["known_at"].is_valid()).as_py()),
        )

    def _unreadable(self, order: Order, error: Unreadable, began: float) -> Loaded:
        """The file as a whole is quarantined; it does not count as loaded, so it is tried whenever it comes."""
        table = kind_of(order.kind).tables[0]
        record(self.database, self.run_id, table, order.source.source, order.mark, [error.reject])
        return untouched(table, order.source.source, began, rejected=1)


def _sessions(database: Database, today: date) -> Sessions:
    known_sessions = read_sessions(database, settings().calendar)
    if len(known_sessions.days) and known_sessions.days[-1] >= np.datetime64(today):
        return known_sessions
    return ensure_sessions(database, settings().calendar, date(today.year, 12, 31))


def _pending(database: Database, order: Order) -> Pending | None:
    """None: some table has not seen the file. Else the numbers of the rows worth another try, by table."""
    if order.mark is None:
        return None
    tables = kind_of(order.kind).tables
    with database.read() as connection:
        seen = [known(connection, table, order.source.source, order.mark) for table in tables]
    if any(one.load_id is None for one in seen):
        return None
    return {
        table: frozenset(number for number, reason in one.pending if number is not None and reason in MAY_CHANGE)
        for table, one in zip(tables, seen, strict=True)
    }


def untouched(table: str, source: str, began: float, *, rejected: int = 0, already: bool = False) -> Loaded:
    """What is said of a file of which no row came to the table."""
    return Loaded(
        table=table,
        source=source,
        load_id=None,
        read=0,
        inserted=0,
        unchanged=0,
        duplicates=0,
        out_of_scope=0,
        rejected=rejected,
        retried=False,
        already=already,
        seconds=perf_counter() - began,
    )
