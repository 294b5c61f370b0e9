"""From declared inputs to placed facts: what is read in one snapshot, and how it becomes a panel's data."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np

from nexus.db.actions import Actions, place_actions, read_actions
from nexus.db.engine import Database
from nexus.db.inputs import Inputs
from nexus.db.market import Data
from nexus.db.scatter import Arrays, Bars, read_bars, scatter
from nexus.db.snapshot import ArrowReader, Ints, Request, Source, read_market, read_sources, snapshot, values
from nexus.db.spells import Facts, place, read_benchmarks, read_events, read_spells
from nexus.db.vintages import Vintages, place_vintages, read_fundamentals

_FAR = datetime(9999, 12, 31, tzinfo=UTC)
_SPELL_TABLES = ("universe_members", "classifications", "symbols")


@dataclass(frozen=True)
class Read:
    """What one snapshot held for the inputs: arrays by table, and the terms on which they were read."""

    inputs: Inputs
    request: Request
    as_of: datetime
    fingerprint: str
    pieces: dict[str, Arrays]

    def sources_used(self, data: Data) -> dict[str, frozenset[Source]]:
        """Per declared input the sources of its rows; for prices also those of the corporate actions."""
        used: dict[str, set[int]] = {}
        for name in self.inputs.names:
            table, _, field = name.partition(".")
            piece = self.pieces[table]
            if table == "prices":
                ranks = set(np.unique(piece["source"]).tolist()) | set(data.actions.source.tolist())
            elif table == "fundamentals":
                ranks = set(np.unique(piece["source"][piece["field"] == self.inputs.of(table).index(field)]).tolist())
            else:
                ranks = set(np.unique(piece["source"][piece["name"] == field]).tolist())
            used[name] = ranks - {-1}
        return {name: frozenset(self.request.sources[rank] for rank in ranks) for name, ranks in used.items()}


def read_all(
    database: Database,
    inputs: Inputs,
    *,
    start: date,
    end: date,
    companies: Sequence[int] | None,
    sources: Sequence[str] | None,
    load_id: int | None,
    as_of: datetime | None,
    calendar: str,
) -> Read:
    """Read every declared table in one snapshot; nothing is computed while it is open."""
    with snapshot(database, load_id) as moment:
        market = read_market(moment, calendar, start, end, as_of or moment.now)
        request = Request(
            load_id=moment.load_id,
            until=as_of or _FAR,
            sources=read_sources(moment, sources),
            companies=None if companies is None else tuple(sorted({int(company) for company in companies})),
            market=market,
        )
        with moment.arrow() as reader:
            pieces = _read_sparse(reader, request, inputs)
            bars = read_bars(reader, request, _price_fields(inputs)) if inputs.of("prices") else []
    if inputs.of("prices"):
        axis = _axis(request, [values(table, "company_id") for table in bars] + _ids(pieces, ("universe_members",)))
        pieces["prices"] = scatter(bars, market, axis, _price_fields(inputs))
    else:
        axis = _axis(request, _ids(pieces, ("universe_members",)) or _ids(pieces, tuple(pieces)))
        pieces["prices"] = scatter([], market, axis, ())
    return Read(inputs, request, as_of or moment.now, hashlib.sha256(repr(request).encode()).hexdigest(), pieces)


def assemble(read: Read) -> Data:
    """Place everything on the panel's sessions and companies."""
    pieces, market = read.pieces, read.request.market
    prices = pieces["prices"]
    companies: Ints = prices["company_id"]
    facts: dict[tuple[str, str], Facts] = {}
    codes: dict[tuple[str, str], tuple[str, ...]] = {}
    for table in (*_SPELL_TABLES, "events"):
        for name in read.inputs.of(table):
            facts[table, name] = place(pieces[table], name, companies)
            if table in ("classifications", "symbols"):
                codes[table, name] = _number(facts[table, name])
    for name in read.inputs.of("benchmarks"):
        series = facts["benchmarks", name] = place(pieces["benchmarks"], name)
        series.arrays["row"] = _rows_of_sessions(read.request, series.arrays["session"])
    vintages: dict[str, Vintages] = {
        field: place_vintages(pieces["fundamentals"], number, companies)
        for number, field in enumerate(read.inputs.of("fundamentals"))
    }
    actions = (
        place_actions(pieces["corporate_actions"], read.request, companies, prices["source"])
        if "corporate_actions" in pieces
        else Actions.none()
    )
    return Data(market, companies, _bars(prices, len(market.days), len(companies)), actions, vintages, facts, codes)


def _read_sparse(reader: ArrowReader, request: Request, inputs: Inputs) -> dict[str, Arrays]:
    pieces: dict[str, Arrays] = {}
    for table in _SPELL_TABLES:
        if names := inputs.of(table):
            pieces[table] = read_spells(reader, request, table, names)
    if names := inputs.of("events"):
        pieces["events"] = read_events(reader, request, names)
    if names := inputs.of("benchmarks"):
        pieces["benchmarks"] = read_benchmarks(reader, request, names)
    if names := inputs.of("fundamentals"):
        pieces["fundamentals"] = read_fundamentals(reader, request, names)
    if inputs.of("prices"):
        pieces["corporate_actions"] = read_actions(reader, request)
    return pieces


def _price_fields(inputs: Inputs) -> tuple[str, ...]:
    return tuple(sorted({"close", *inputs.of("prices")}))  # a bar is a close: whatever else is read


def _axis(request: Request, found: list[Ints]) -> Ints:
    if request.companies is not None:
        return np.array(request.companies, dtype=np.int64)
    return np.unique(np.concatenate([np.empty(0, dtype=np.int64), *found]))


def _ids(pieces: dict[str, Arrays], tables: tuple[str, ...]) -> list[Ints]:
    return [pieces[table]["company_id"] for table in tables if "company_id" in pieces.get(table, {})]


def _bars(prices: Arrays, sessions: int, companies: int) -> Bars:
    def of(kind: str) -> dict[str, np.ndarray]:
        return {name.removeprefix(kind): array for name, array in prices.items() if name.startswith(kind)}

    base = {field: array.reshape(sessions, companies) for field, array in of("base ").items()}
    return Bars(
        base, of("late "), prices["late_row"], prices["late_column"], prices["late_known_at"], prices["first_row"]
    )


def _number(facts: Facts) -> tuple[str, ...]:
    names, numbers = np.unique(facts.arrays["code"].astype(str), return_inverse=True)
    facts.arrays["number"] = numbers.astype(np.int64)
    return tuple(names.tolist())


def _rows_of_sessions(request: Request, days: np.ndarray) -> Ints:
    row = request.market.row_of_day(days)
    market = request.market.days
    row[market[np.minimum(row, len(market) - 1)] != days] = -1
    return row
