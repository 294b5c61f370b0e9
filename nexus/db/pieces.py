"""Reading table by table, each through the cache: what is read of one is not read again because another changed."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nexus.db import cache
from nexus.db.actions import read_actions
from nexus.db.fingerprint import code_version, database_identity, digest
from nexus.db.inputs import Inputs
from nexus.db.made import Made, declares_made, read_made
from nexus.db.prices import read_prices, scatter_prices
from nexus.db.request import FAR, Ints, Request
from nexus.db.snapshot import Arrays, ArrowReader, Snapshot, distinct, to_arrays, values
from nexus.db.spells import read_facts
from nexus.db.vintages import order_vintages, read_fundamentals

Pieces = dict[str, Arrays]
Names = tuple[str, ...]
SPARSE = ("universe_members", "classifications", "symbols", "events", "benchmarks", "fundamentals")
PRICED = ("corporate_actions", "prices")


@dataclass(frozen=True)
class Terms:
    """What every cache key of one read has in common."""

    request: Request
    shared: str

    def key(self, table: str, names: Names, *more: object) -> str:
        """Cache key of what is read of `table`."""
        return digest(self.shared, table, names, self.request.loads.get(table), *more)

    def fingerprint(self, inputs: Inputs) -> str:
        """Hash of what was asked and of the last load of each table read."""
        request = self.request
        until = None if request.until == FAR else request.until
        loads = [request.loads.get(table) for table in _tables(inputs)]
        return digest(inputs.names, loads, request.names, request.companies, until, request.market.days)


def terms(moment: Snapshot, request: Request) -> Terms:
    """The place that a read in this snapshot depends on, and what was asked."""
    place = code_version(), database_identity(moment)
    return Terms(request, digest(*place, request.names, request.companies, request.until))


def price_fields(inputs: Inputs) -> Names:
    """The price columns to read: a bar is a close, whatever else is wanted of it."""
    return tuple(sorted({"close", *inputs.of("prices")})) if inputs.of("prices") else ()


@dataclass
class Reading:
    """What one snapshot gave: arrays from the cache, and rows, with their cache key, still to be arranged."""

    terms: Terms
    inputs: Inputs
    found: Pieces
    rows: dict[str, tuple[str, Any]]
    made: Made = field(default_factory=Made)

    @property
    def fingerprint(self) -> str:
        """Hash of what was asked, of the last load of each table read, and of graphs and outputs as they were."""
        facts, made = self.terms.fingerprint(self.inputs), self.made.fingerprint
        return facts if made is None else digest(facts, made)

    def companies(self) -> Ints:
        """Members of the declared universes (k,): they are on the panel's axis, priced or not."""
        table = "universe_members"
        if table in self.rows:
            return distinct(values(self.rows[table][1], "company_id"))
        return distinct(self.found[table]["company_id"]) if table in self.found else distinct()

    def finish(self) -> Pieces:
        """Arrange the rows and keep the result; call it when the snapshot is closed."""
        for table, (key, rows) in self.rows.items():
            self.found[table] = self._arranged(table, rows)
            cache.store(key, self.found[table])
        return self.found

    def _arranged(self, table: str, rows: Any) -> Arrays:
        request = self.terms.request
        if table == "fundamentals":
            return order_vintages(rows, self.inputs.of(table))
        if table != "prices":
            return to_arrays(rows)
        if request.companies is None:
            axis = distinct(self.companies(), *(part.priced() for part in rows))
        else:
            axis = np.array(request.companies, dtype=np.int64)
        return scatter_prices(rows, request, axis, price_fields(self.inputs))


def read_pieces(moment: Snapshot, terms: Terms, inputs: Inputs) -> Reading:
    """Fetch all that the inputs need: from the cache, else in this snapshot."""
    reading = Reading(terms, inputs, {}, {})
    market = terms.request.market
    with ExitStack() as stack:
        reader: ArrowReader | None = None
        for table in _tables(inputs):
            names = price_fields(inputs) if table in PRICED else inputs.of(table)
            places = (reading.companies(), market.days, market.closes) if table == "prices" else ()
            key = terms.key(table, names, *places)
            arrays = cache.fetch(key)
            if arrays is not None:
                reading.found[table] = arrays
                continue
            reader = reader or stack.enter_context(moment.arrow())
            reading.rows[table] = key, _rows(reader, terms.request, table, names)
        if declares_made(inputs):
            reading.made = read_made(reader or stack.enter_context(moment.arrow()), terms.request, inputs)
    return reading


def _tables(inputs: Inputs) -> list[str]:
    """The tables to read, those that others depend on first."""
    sparse = [table for table in SPARSE if inputs.of(table)]
    return [*sparse, *PRICED] if inputs.of("prices") else sparse


def _rows(reader: ArrowReader, request: Request, table: str, names: Names) -> Any:
    if table == "prices":
        return read_prices(reader, request, names)
    if table == "corporate_actions":
        return read_actions(reader, request)
    if table == "fundamentals":
        return read_fundamentals(reader, request, names)
    return read_facts(reader, request, table, names)
