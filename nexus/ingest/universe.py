"""Membership of universes, as spells; every member becomes a company, priced or not."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from nexus.ingest.arrival import Arrival, Desk, check_spells, next_day, spell_rows, spells
from nexus.ingest.identity import UNKNOWN, canonical
from nexus.ingest.reference import add_companies
from nexus.ingest.sieve import Sieve

NEVER = pd.Timestamp("2200-01-01")


def arrivals(frame: pd.DataFrame, sieve: Sieve, desk: Desk) -> Iterator[Arrival]:
    """Membership, known from the day after it began or ended; then the symbols of members that nobody knew."""
    company = desk.who.companies(frame["ticker"], frame["cik"], desk.label or frame["valid_from"])
    new = np.flatnonzero((company == UNKNOWN) & sieve.good)
    rows = frame.iloc[new][["ticker", "cik", "valid_from", "known_at"]].assign(name=None, valid_to=pd.NaT)
    rows["ticker"] = rows["ticker"].map(canonical)
    rows = rows.sort_values("valid_from").drop_duplicates("ticker")
    symbols = rows.assign(company_id=add_companies(desk.database, rows))
    company[new] = frame["ticker"].iloc[new].map(canonical).map(symbols.set_index("ticker")["company_id"])
    members = frame[["universe", "valid_from", "valid_to", "known_at"]].assign(company_id=company)
    check_spells(members, sieve, desk.now)
    members = _joined(members, sieve)
    vintages, at = spells(members, ["universe", "company_id"], sieve, desk.now)
    yield Arrival("universe_members", spell_rows(vintages, ["universe", "company_id"]), sieve.raw.numbers[at])
    symbols = symbols.assign(default_known_at=next_day(symbols["valid_from"]))
    yield Arrival("symbols", spell_rows(symbols, ["company_id", "ticker"]), sieve.raw.numbers[symbols.index])


def _joined(members: pd.DataFrame, sieve: Sieve) -> pd.DataFrame:
    """Spells of one company that touch are one, told by its first row: a new ticker is no exit.

    Rows with a known_at are left as they are: they are vintages.
    """
    mine = members[sieve.good & members["known_at"].isna()].sort_values(["universe", "company_id", "valid_from"])
    end = mine["valid_to"].fillna(NEVER)
    by_member = [mine["universe"], mine["company_id"]]
    reached = end.groupby(by_member).cummax().groupby(by_member).shift()
    spell = (reached.isna() | (mine["valid_from"] > reached)).cumsum()
    last = end.groupby(spell).transform("max")
    first = ~spell.duplicated()
    sieve.good[mine.index[~first]] = False  # told by the first row
    joined = members.copy()
    joined.loc[mine.index, "valid_to"] = last.where(last != NEVER)
    return joined
