"""Which company had which ticker when: CIK map, index membership, first bars and the reviewed renames, joined.

A ticker is cut into tenures where it changed hands; tenures joined by a rename are one company. A ticker changed hands
where renames.csv says so, where its company took it up again after a rename, and where an index member of that name had
left before the price series of today's holder began.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.resources import files

import pandas as pd

RECORDS_BEGIN = pd.Timestamp("1996-01-02")
"""First day of the membership file: a tenure of which nothing but its end is known starts here."""

Tenure = tuple[str, int]
"""Ticker, and the number of changes of hand before."""


@dataclass(frozen=True)
class Evidence:
    """What is known of companies.

    issuers : ticker, cik, name, as_of; the first row of a ticker counts
    members : ticker, valid_from, valid_to (NaT: still)
    bars : ticker, first (day of the series), label (day on which its tickers were current), opening (of the file)
    """

    issuers: pd.DataFrame
    members: pd.DataFrame
    bars: pd.DataFrame


@dataclass
class _Company:
    tenures: list[Tenure] = field(default_factory=list)
    seen: list[pd.Timestamp] = field(default_factory=list)
    cik: int | None = None
    name: str | None = None


def renames() -> pd.DataFrame:
    """The reviewed table: old (empty: from nowhere in the data), new, date, reused (new had been another company's)."""
    with files("nexus.ingest").joinpath("renames.csv").open(encoding="utf-8") as stream:
        table = pd.read_csv(stream, keep_default_na=False, parse_dates=["date"])
    return table.assign(reused=table["reused"] == "yes").sort_values("date", kind="stable", ignore_index=True)


def listings(evidence: Evidence) -> pd.DataFrame:
    """Symbol spells of all companies: identity, cik (Int64), name, ticker, valid_from, valid_to (NaT: still)."""
    changes = renames()
    tenures = _Tenures(_taken_up(changes, evidence))
    companies = _join(changes, tenures)
    for row in evidence.members.itertuples():
        _company(companies, tenures.at(row.ticker, row.valid_from)).seen.append(row.valid_from)
    for row in evidence.bars.itertuples():
        _company(companies, tenures.at(row.ticker, row.label)).seen.append(row.first)
    for row in evidence.issuers.itertuples():
        company = _company(companies, tenures.at(row.ticker, row.as_of))
        company.seen.append(row.as_of)
        if company.cik is None:
            company.cik, company.name = row.cik, row.name
    every = {id(company): company for company in companies.values()}.values()
    renamed = dict(zip(zip(changes["old"], changes["new"], strict=True), changes["date"], strict=True))
    spells = [row for company in every for row in _spells(company, renamed, tenures)]
    return pd.DataFrame(spells).astype({"cik": "Int64"})


class _Tenures:
    def __init__(self, taken_up: dict[str, list[pd.Timestamp]]) -> None:
        self.taken_up = taken_up

    def at(self, ticker: str, day: pd.Timestamp) -> Tenure:
        return ticker, bisect_right(self.taken_up.get(ticker, []), day)

    def start(self, tenure: Tenure) -> pd.Timestamp | None:
        ticker, number = tenure
        return self.taken_up[ticker][number - 1] if number else None

    def end(self, tenure: Tenure) -> pd.Timestamp:
        ticker, number = tenure
        later = self.taken_up.get(ticker, [])[number:]
        return later[0] if later else pd.NaT


def _taken_up(changes: pd.DataFrame, evidence: Evidence) -> dict[str, list[pd.Timestamp]]:
    """Days on which each ticker changed hands, in order."""
    days: dict[str, set[pd.Timestamp]] = {}
    given_up: set[str] = set()
    for row in changes.itertuples():
        if row.reused or row.new in given_up:
            days.setdefault(row.new, set()).add(row.date)
        given_up.add(row.old)
    ends = evidence.members.groupby("ticker")["valid_to"].agg(lambda ended: sorted(ended.dropna()))
    for row in evidence.bars.itertuples():
        reviewed = any(day <= row.label for day in days.get(row.ticker, ()))
        left = [end for end in ends.get(row.ticker, []) if end <= row.first]
        if left and not reviewed and row.first > row.opening:
            days.setdefault(row.ticker, set()).add(row.first)
    return {ticker: sorted(found) for ticker, found in days.items()}


def _join(changes: pd.DataFrame, tenures: _Tenures) -> dict[Tenure, _Company]:
    """Companies with what they were called before and after each rename."""
    companies: dict[Tenure, _Company] = {}
    for row in changes.itertuples():
        if row.old:
            before = _company(companies, tenures.at(row.old, row.date - pd.Timedelta(days=1)))
            after = tenures.at(row.new, row.date)
            before.tenures.append(after)
            companies[after] = before
        elif row.reused:  # its former holder is somebody else, even where nothing more is known
            _company(companies, tenures.at(row.new, row.date))
        if row.reused:
            _company(companies, tenures.at(row.new, row.date - pd.Timedelta(days=1)))
    return companies


def _company(companies: dict[Tenure, _Company], tenure: Tenure) -> _Company:
    if tenure not in companies:
        companies[tenure] = _Company([tenure])
    return companies[tenure]


def _spells(
    company: _Company, renamed: dict[tuple[str, str], pd.Timestamp], tenures: _Tenures
) -> Iterator[dict[str, object]]:
    """Its tenures in order: each from the change of name, or of hand, to the next."""
    first, last = company.tenures[0], company.tenures[-1]
    start = tenures.start(first) or min(company.seen, default=RECORDS_BEGIN)
    identity = f"cik:{company.cik}/{last[0]}" if company.cik else f"symbol:{first[0]}@{start:%Y-%m-%d}"
    known = {"identity": identity, "cik": company.cik, "name": company.name or last[0]}
    for tenure, following in zip(company.tenures, [*company.tenures[1:], None], strict=True):
        end = renamed[tenure[0], following[0]] if following else tenures.end(tenure)
        if pd.notna(end):
            start = min(start, end - pd.Timedelta(days=1))
        yield {**known, "ticker": tenure[0], "valid_from": start, "valid_to": end}
        start = end
