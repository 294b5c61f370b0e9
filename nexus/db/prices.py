"""Which source a company's prices come from at a moment, and those prices: never a splice of two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from nexus.db.bars import COMPANY, Bars, Floats, scatter
from nexus.db.request import Ints, Request, among
from nexus.db.snapshot import Arrays, ArrowReader, values

NEVER = np.iinfo(np.int64).max

_FIRST_KNOWN = """
SELECT company_id, array_position({{sources}}, source) - 1 AS source, min(known_at) AS since FROM prices
WHERE {limits} AND {about} GROUP BY 1, 2
"""
# one number says who and when: each column of a row costs as much as a third of the row
_BARS = f"""
SELECT (company_id::bigint << {COMPANY}) + (session - {{{{start}}}}) AS place, known_at, {{fields}} FROM prices
WHERE session BETWEEN {{{{start}}}} AND {{{{end}}}} AND {{limits}} AND {{about}}
"""


@dataclass(frozen=True)
class StandIn:
    """Bars of a less preferred source, for companies (j,) while the preferred ones knew none of theirs.

    columns : (j,) places among the panel's companies
    since, until : (j,) instants between which this is the company's source
    """

    source: int
    columns: Ints
    since: Ints
    until: Ints
    bars: Bars

    def active(self, instant: int) -> NDArray[np.bool_]:
        """For which of the companies it stands in at `instant`."""
        active: NDArray[np.bool_] = (self.since <= instant) & (instant < self.until)
        return active


@dataclass(frozen=True)
class Prices:
    """Prices of (n sessions, m companies): at any instant each company's are of one source.

    That is the first in the order of preference that knows a bar of it by then.
    """

    source: int
    main: Bars
    stand_ins: tuple[StandIn, ...]

    def window(self, field: str, first: int, last: int, instant: int) -> Floats:
        """Rows first..last, both included, as known at `instant`; may be a slice of shared memory."""
        rows = self.main.window(field, first, last, instant)
        for other in self.stand_ins:
            active = other.active(instant)
            if active.any():
                rows = np.array(rows)
                rows[:, other.columns[active]] = other.bars.window(field, first, last, instant)[:, active]
        return rows

    def sources(self, instant: int) -> Ints:
        """Rank of the source of each company's prices (m,) at `instant`."""
        sources = np.full(len(self.main.first_row), self.source, dtype=np.int64)
        for other in self.stand_ins:
            active = other.active(instant)
            sources[other.columns[active]] = other.source
        return sources

    def first_row(self) -> Ints:
        """(m,) session of the earliest bar of any source and vintage; n where there is none."""
        first = self.main.first_row.copy()
        for other in self.stand_ins:
            np.minimum.at(first, other.columns, other.bars.first_row)
        return first

    def previous_close(self, first: int, last: int, instant: int) -> tuple[Ints, Floats]:
        """Row and close (m,) of each company's last bar before session `first`; -1 and NaN where there is none.

        Companies without a bar in first..last are looked for only one session back.
        """
        n_companies = len(self.main.first_row)
        row, close = np.full(n_companies, -1, dtype=np.int64), np.full(n_companies, np.nan)
        wanted = self.first_row() < first
        end, step = first, 1
        while end > 0 and wanted.any():
            begin = max(0, end - step)
            block = self.window("close", begin, end - 1, instant)[:, wanted]
            there = ~np.isnan(block)
            at = len(block) - 1 - there[::-1].argmax(axis=0)
            found = there.any(axis=0)
            columns = np.flatnonzero(wanted)[found]
            row[columns], close[columns] = begin + at[found], block[at[found], np.flatnonzero(found)]
            wanted[columns] = False
            if end == first and wanted.any():
                wanted[wanted] = ~np.isnan(self.window("close", first, last, instant)[:, wanted]).all(axis=0)
            end, step = begin, step * 4
        return row, close


@dataclass(frozen=True)
class PriceRows:
    """Rows of one source as read; `since` and `until` as in `StandIn`, by `companies`."""

    source: int
    table: pa.Table
    companies: Ints
    since: Ints
    until: Ints

    def priced(self) -> Ints:
        """Company of each row."""
        company: Ints = values(self.table, "place") >> COMPANY
        return company


def read_prices(reader: ArrowReader, request: Request, fields: Sequence[str]) -> list[PriceRows]:
    """Rows of the preferred source that has any, then of those that stand in for it somewhere."""
    names = request.sources_of("prices")
    nobody = np.empty(0, dtype=np.int64)
    if len(names) <= 1:  # the usual case needs no look at who knew whom first
        name = names[0] if names else request.names[0]
        table = _read(reader, request, fields, name, request.about())
        return [PriceRows(request.names.index(name), table, nobody, nobody, nobody)]
    known = reader.table(_FIRST_KNOWN.format(limits=request.limits("prices"), about=request.about()), **request.bounds)
    spans = _spans(values(known, "company_id"), values(known, "source"), values(known, "since"))
    spans = spans or {request.names.index(names[0]): (nobody, nobody, nobody)}
    return [
        PriceRows(
            source,
            _read(reader, request, fields, request.names[source], among("company_id", companies.tolist())),
            companies,
            *span,
        )
        for source, (companies, *span) in spans.items()
    ]


def scatter_prices(read: Sequence[PriceRows], request: Request, companies: Ints, fields: Sequence[str]) -> Arrays:
    """Arrays of `Prices`, those of the i-th source under names that begin with i."""
    arrays: Arrays = {"company_id": companies, "sources": np.array([rows.source for rows in read], dtype=np.int64)}
    for place, rows in enumerate(read):
        axis = companies if place == 0 else rows.companies
        made = scatter(rows.table, request.market, axis, fields)
        made |= {"companies": axis, "since": rows.since, "until": rows.until}
        arrays |= {f"{place} {name}": array for name, array in made.items()}
    return arrays


def place_prices(arrays: Arrays, n_sessions: int) -> Prices:
    """The inverse of `scatter_prices`, without a copy."""
    companies, sources = arrays["company_id"], arrays["sources"].tolist()
    parts = [
        {name.removeprefix(f"{place} "): array for name, array in arrays.items() if name.startswith(f"{place} ")}
        for place in range(len(sources))
    ]
    bars = [Bars.from_arrays(part, n_sessions) for part in parts]
    stand_ins = tuple(
        StandIn(
            sources[place], np.searchsorted(companies, part["companies"]), part["since"], part["until"], bars[place]
        )
        for place, part in enumerate(parts[1:], start=1)
    )
    return Prices(sources[0], bars[0], stand_ins)


def no_prices(n_companies: int) -> Prices:
    """Prices of a panel that reads none."""
    nobody = np.empty(0, dtype=np.int64)
    return Prices(0, Bars({}, {}, nobody, nobody, nobody, np.zeros(n_companies, dtype=np.int64)), ())


def _read(reader: ArrowReader, request: Request, fields: Sequence[str], source: str, about: str) -> pa.Table:
    window = {"sources": [source], "start": request.market.days[0].item(), "end": request.market.days[-1].item()}
    limits = request.limits("prices", [source])
    return reader.table(
        _BARS.format(fields=", ".join(fields), limits=limits, about=about), **{**request.bounds, **window}
    )


def _spans(company: Ints, source: Ints, since: Ints) -> dict[int, tuple[Ints, Ints, Ints]]:
    """Per source its companies, from when until when it is theirs; a source that never is theirs is left out."""
    order = np.lexsort((source, company))
    company, source, since = company[order], source[order], since[order]
    until = np.full(len(company), NEVER)
    for place in range(1, len(company)):  # a better source ends it, and whatever a better source has ended
        if company[place] == company[place - 1]:
            until[place] = min(until[place - 1], since[place - 1])
    useful = since < until
    spans: dict[int, tuple[Ints, Ints, Ints]] = {}
    for rank in np.unique(source[useful]).tolist():
        chosen = useful & (source == rank)
        spans[rank] = company[chosen], since[chosen], until[chosen]
    return spans
