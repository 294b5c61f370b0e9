"""The slow twin of point-in-time reads: plain loops over rows, as ARCHITECTURE.md states the rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from math import nan
from typing import Any, NamedTuple

from world import DAYS, Row, World


class Action(NamedTuple):
    """On one ex-date a dividend comes before a split; it counts from `session` on."""

    ex_date: date
    is_split: bool
    value: float
    session: date


@dataclass
class Twin:
    """What a reader of `world` sees at `instant`, of loads up to `load_id`, with its sources in their order."""

    world: World
    instant: datetime
    load_id: int
    today: date

    def newest(self, table: str, *key: str) -> list[Row]:
        """The newest vintage of each key and source that is known."""
        found: dict[tuple[Any, ...], Row] = {}
        for row in self.world.rows.get(table, []):
            if row["known_at"] <= self.instant and row["load_id"] <= self.load_id:
                at = (*(row[name] for name in key), row["source"])
                if at not in found or found[at]["known_at"] < row["known_at"]:
                    found[at] = row
        return list(found.values())

    def first_source(self, rows: Sequence[Row], order: Sequence[str] | None = None) -> str | None:
        """The most preferred source among the rows."""
        present = {row["source"] for row in rows}
        return next((source for source in order or self.world.sources if source in present), None)

    def basis(self, source: str | None) -> date | None:
        return self.world.bases[self.world.sources.index(source)] if source is not None else None

    def bars(self, company: int) -> tuple[str | None, dict[date, Row]]:
        """The source of a company's prices, and its bars."""
        rows = [row for row in self.newest("prices", "company_id", "session") if row["company_id"] == company]
        source = self.first_source(rows)
        return source, {row["session"]: row for row in rows if row["source"] == source and row["session"] in DAYS}

    def actions(self, company: int, kind: str) -> list[Action]:
        """What has happened by today, by ex-date."""
        source, _ = self.bars(company)
        rows = [
            row
            for row in self.newest("corporate_actions", "company_id", "ex_date", "kind")
            if row["company_id"] == company and row["kind"] == kind
        ]
        if kind == "dividend":
            rows = [row for row in rows if source is None or self.basis(row["source"]) == self.basis(source)]
        own_first = [source, *(name for name in self.world.sources if name != source)] if source else None
        chosen = self.first_source(rows, own_first)
        basis = self.basis(source)
        happened = []
        for row in rows:
            sessions = [day for day in DAYS if day >= row["ex_date"]]
            in_prices = kind == "split" and basis is not None and row["ex_date"] <= basis
            if (
                row["source"] == chosen
                and not in_prices
                and row["ex_date"] >= DAYS[0]
                and sessions
                and sessions[0] <= self.today
            ):
                happened.append(Action(row["ex_date"], kind == "split", row["value"], sessions[0]))
        return sorted(happened)

    def raw(self, company: int, day: date, field: str) -> float:
        value = self.bars(company)[1].get(day, {}).get(field)
        return nan if value is None else value

    def price(self, company: int, day: date, field: str) -> float:
        value = self.raw(company, day, field)
        for split in self.actions(company, "split"):
            if day < split.session:
                value = value * split.value if field == "volume" else value / split.value
        return value

    def total_return(self, company: int, day: date) -> float:
        _, bars = self.bars(company)
        before = [other for other in bars if other < day]
        if day not in bars or not before:
            return nan
        previous = max(before)
        shares, cash = 1.0, 0.0
        for action in sorted(self.actions(company, "dividend") + self.actions(company, "split")):
            if previous < action.session <= day:
                if action.is_split:
                    shares *= action.value
                else:
                    cash += shares * action.value
        return (bars[day]["close"] * shares + cash) / bars[previous]["close"] - 1

    def periods(self, company: int, field: str) -> list[tuple[date, float]]:
        """(period end, value), newest first."""
        rows = [
            row
            for row in self.newest("fundamentals", "company_id", "field", "unit", "period_start", "period_end")
            if row["company_id"] == company
            and row["field"] == field
            and (row["period_end"] - row["period_start"]).days in (0, *range(75, 106))
        ]
        found = []
        for end in sorted({row["period_end"] for row in rows}, reverse=True):
            here = [row for row in rows if row["period_end"] == end]
            source = self.first_source(here)
            here = [row for row in here if row["source"] == source]
            unit = min((row["unit"] for row in here), key=lambda unit: (unit != "USD", unit))
            here = [row for row in here if row["unit"] == unit]
            best = max(here, key=lambda row: (row["known_at"], row["period_start"]))
            found.append((end, best["value"]))
        return found

    def spells(self, table: str, *key: str) -> list[Row]:
        """Spells that hold today."""
        return [
            row
            for row in self.newest(table, *key)
            if row["valid_from"] <= self.today and (row["valid_to"] is None or self.today < row["valid_to"])
        ]

    def is_member(self, company: int, universe: str) -> bool:
        known = [row for row in self.newest("universe_members", "universe", "company_id", "valid_from")]
        source = self.first_source([row for row in known if row["universe"] == universe])
        holding = self.spells("universe_members", "universe", "company_id", "valid_from")
        return any(
            (row["universe"], row["company_id"], row["source"]) == (universe, company, source) for row in holding
        )

    def coded(self, table: str, company: int, code: Callable[[Row], str], *key: str) -> str:
        rows = [row for row in self.spells(table, *key) if row["company_id"] == company]
        source = self.first_source(rows)
        rows = [row for row in rows if row["source"] == source]
        return code(max(rows, key=lambda row: (row["valid_from"], code(row)))) if rows else ""

    def events(self, event_type: str) -> list[tuple[int, date, datetime]]:
        rows = [row for row in self.newest("events", "event_id") if row["event_type"] == event_type]
        found = []
        for company in self.world.companies:
            own = [row for row in rows if row["company_id"] == company]
            source = self.first_source(own)
            found += [
                (self.world.companies.index(company), row["event_date"], row["known_at"])
                for row in own
                if row["source"] == source
            ]
        return sorted(found)

    def benchmark(self, series: str, day: date) -> float:
        rows = [
            row
            for row in self.newest("benchmarks", "series", "session")
            if (row["series"], row["session"]) == (series, day)
        ]
        source = self.first_source(rows)
        return next((row["value"] for row in rows if row["source"] == source), nan)
