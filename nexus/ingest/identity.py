"""Who a row is about: tickers, days and CIKs to company ids, from the symbol spells in the database."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nexus.db.engine import Database
from nexus.db.identity import ensure_entities, entities, symbol_spells

Ids = NDArray[np.int64]
UNKNOWN = -1
_DAYS = 1 << 20
"""More than the days between any two dates that are read: ticker code x _DAYS + day is one sortable number."""


def canonical(ticker: str) -> str:
    """One spelling of a ticker: upper case, a dash before the class of share (BRK.B, BRK/B and brk-b are BRK-B)."""
    return ticker.strip().upper().replace(".", "-").replace("/", "-")


@dataclass(frozen=True)
class Who:
    """Companies by ticker and day, and by CIK.

    tickers : (n_tickers,), canonical, sorted
    first : (n_tickers + 1,), where each ticker's spells start
    key, company : (n_spells,), ticker code and first day as one number, and who held the ticker from then on
    ciks, lines : (n_lines,), sorted by CIK: every listed line of each issuer
    named : entity id by (kind, name) of what is no company
    """

    tickers: pd.Index
    first: Ids
    key: Ids
    company: Ids
    ciks: Ids
    lines: Ids
    identity: dict[int, str]
    named: dict[tuple[str, str], int] = field(default_factory=dict)

    @classmethod
    def read(cls, database: Database) -> Who:
        """What the database knows now."""
        spells, known = symbol_spells(database), entities(database)
        spells = spells.sort_values(["ticker", "valid_from"], kind="stable")
        codes, tickers = pd.factorize(spells["ticker"], sort=True)
        days = spells["valid_from"].to_numpy().astype("datetime64[D]").astype(np.int64)
        companies = known[known["kind"] == "company"]
        issuers = companies.dropna(subset="cik").sort_values(["cik", "entity_id"])
        others = known[known["kind"] != "company"]
        return cls(
            tickers=pd.Index(tickers),
            first=np.searchsorted(codes, np.arange(len(tickers) + 1)).astype(np.int64),
            key=codes * _DAYS + days,
            company=spells["company_id"].to_numpy(),
            ciks=issuers["cik"].to_numpy(np.int64),
            lines=issuers["entity_id"].to_numpy(np.int64),
            identity=dict(zip(companies["entity_id"], companies["identity"], strict=True)),
            named={
                (kind, name): entity
                for kind, name, entity in zip(others["kind"], others["name"], others["entity_id"], strict=True)
            },
        )

    def holders(self, ticker: pd.Series, day: pd.Series | date) -> Ids:
        """Who held each ticker on that day: the last to have taken it up by then, before anyone had it the first.

        day : one for each row, or one for all: the day on which the tickers were the current ones
        Returns (n,) company ids, UNKNOWN where nobody ever held the ticker.
        """
        codes, names = pd.factorize(ticker)
        known = self.tickers.get_indexer(pd.Index([canonical(name) for name in names], dtype="str"))
        code = np.append(known, UNKNOWN)[codes]  # a missing ticker has code -1
        days = np.asarray(day, "datetime64[D]").astype(np.int64)
        spell = np.searchsorted(self.key, code * _DAYS + days, side="right") - 1
        if not len(self.key):
            return np.full(len(ticker), UNKNOWN)
        spell = np.maximum(spell, self.first[code])
        return np.where(code == UNKNOWN, UNKNOWN, self.company[np.minimum(spell, len(self.key) - 1)])

    def companies(self, ticker: pd.Series, cik: pd.Series, day: pd.Series | date) -> Ids:
        """Who each row is about; where a CIK is given, the issuer's line that held the ticker, or his only line.

        Returns (n,) company ids, UNKNOWN where it cannot be told.
        """
        found = self.holders(ticker, day)
        given = np.flatnonzero(cik.notna())
        if not len(given):
            return found
        wanted = pd.DataFrame(
            {"cik": cik.iloc[given].astype("int64"), "ticker": ticker.iloc[given], "by": found[given]}
        )
        pairs = wanted.drop_duplicates()
        settled = {row: self._line(*row) for row in pairs.fillna("").itertuples(index=False, name=None)}
        found[given] = [settled[row] for row in wanted.fillna("").itertuples(index=False, name=None)]
        return found

    def issuer_lines(self, company: Ids) -> tuple[NDArray[np.intp], Ids]:
        """Every line of the issuer of each row: the rows, repeated, and the company ids, a row's own one first."""
        cik = pd.Series(self.ciks, index=self.lines).reindex(company).fillna(UNKNOWN).to_numpy(np.int64)
        low, high = np.searchsorted(self.ciks, cik), np.searchsorted(self.ciks, cik, side="right")
        count = np.where(cik == UNKNOWN, 0, high - low)
        rows = np.repeat(np.arange(len(company)), count)
        nth = np.arange(len(rows)) - np.repeat(np.cumsum(count) - count, count)
        every = self.lines[np.repeat(low, count) + nth] if len(rows) else np.zeros(0, np.int64)
        others = every != company[rows]
        return np.r_[np.arange(len(company)), rows[others]], np.r_[company, every[others]]

    def _line(self, cik: int, ticker: str, by_ticker: int) -> int:
        lines = self.lines[np.searchsorted(self.ciks, cik) : np.searchsorted(self.ciks, cik, side="right")]
        if by_ticker in lines or (not len(lines) and by_ticker not in self.lines):
            return by_ticker  # his, or of a company whose CIK nobody has told yet
        if ticker:
            code = self.tickers.get_indexer([canonical(ticker)])[0]
            held = self.company[self.first[code] : self.first[code + 1]] if code != UNKNOWN else lines[:0]
            mine = [company for company in held if company in lines]
            if mine:
                return int(mine[-1])
        return int(lines[0]) if len(lines) == 1 or (len(lines) and not ticker) else UNKNOWN


def ensure_named(database: Database, who: Who, kind: str, names: pd.Series) -> dict[str, int]:
    """Ids of the funds, directors or extended firms of these names; new ones are added."""
    wanted = pd.DataFrame({"name": pd.unique(names)})
    wanted = wanted.assign(kind=kind, identity=f"{kind}:" + wanted["name"], cik=pd.array([None] * len(wanted), "Int64"))
    new = wanted[[(kind, name) not in who.named for name in wanted["name"]]]
    if len(new):
        added = ensure_entities(database, new)
        who.named.update({(kind, identity.split(":", 1)[1]): entity for identity, entity in added.items()})
    return {name: who.named[kind, name] for name in wanted["name"]}
