"""Companies and their symbols, and the classes they are put in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pandas as pd

from nexus.db.engine import Database
from nexus.db.identity import ensure_entities, symbol_spells
from nexus.ingest.arrival import Arrival, Desk, spell_rows, spells
from nexus.ingest.identity import Who, canonical
from nexus.ingest.sieve import Sieve

Spell = tuple[str, pd.Timestamp, pd.Timestamp, str]
"""Ticker, first day, day after the last (NaT: it goes on), identity of the company."""


def arrivals(frame: pd.DataFrame, sieve: Sieve, desk: Desk) -> Iterator[Arrival]:
    """Symbol spells, whose companies are added where they are new; then classes, of companies that are there."""
    is_class = frame["scheme"].notna()
    sieve.refuse(is_class & frame["code"].isna(), "missing value", "code is empty; a row with a scheme needs one")
    sieve.refuse(
        ~is_class & frame["ticker"].isna(), "missing value", "ticker is empty; a row without a scheme needs one"
    )
    yield _symbols(frame, sieve, desk, ~is_class)
    yield _classes(frame, sieve, replace(desk, who=Who.read(desk.database)), is_class)


def add_companies(database: Database, rows: pd.DataFrame) -> pd.Series:
    """Add the companies of symbol spells where they are new.

    rows : ticker, cik, name, valid_from and, where the spell has ended, valid_to
    Returns the company id of each row. A spell belongs to the company that had the ticker on its first day, or to the
    issuer's line whose own spell ended on that day (a rename), or to a new company.
    """
    identity = _identities(rows, symbol_spells(database))
    named = rows.assign(identity=identity, kind="company", name=rows["name"].fillna(rows["ticker"]))
    named["cik"] = named["cik"].astype("Int64")
    newest = named.sort_values("valid_from", kind="stable").drop_duplicates("identity", keep="last")
    return identity.map(ensure_entities(database, newest))


def _symbols(frame: pd.DataFrame, sieve: Sieve, desk: Desk, wanted: pd.Series) -> Arrival:
    columns = ["ticker", "cik", "name", "valid_from", "valid_to", "known_at"]
    rows = frame[columns].assign(company_id=-1)
    good = wanted & sieve.good
    rows["ticker"] = rows["ticker"].map(canonical, na_action="ignore")
    if good.any():
        rows.loc[good, "company_id"] = add_companies(desk.database, rows[good])
    vintages, at = spells(rows, ["company_id", "ticker"], sieve, desk.now)
    mine = wanted.to_numpy()[at]
    return Arrival("symbols", spell_rows(vintages[mine], ["company_id", "ticker"]), sieve.raw.numbers[at[mine]])


def _classes(frame: pd.DataFrame, sieve: Sieve, desk: Desk, wanted: pd.Series) -> Arrival:
    sieve.good &= wanted.to_numpy()  # the others are symbols and were taken
    company = desk.companies(frame, sieve, "valid_from")
    rows = frame[["scheme", "code", "valid_from", "valid_to", "known_at"]].assign(company_id=company)
    vintages, at = spells(rows, ["company_id", "scheme"], sieve, desk.now)
    return Arrival("classifications", spell_rows(vintages, ["company_id", "scheme", "code"]), sieve.raw.numbers[at])


def _identities(rows: pd.DataFrame, known: pd.DataFrame) -> pd.Series:
    """The identity of each row's company: CIK and first symbol, else symbol and first day."""
    spells_of: dict[object, list[Spell]] = {}
    for spell in known.itertuples(index=False):
        entry = (spell.ticker, spell.valid_from, spell.valid_to, spell.identity)
        spells_of.setdefault(spell.ticker, []).append(entry)
        if pd.notna(spell.cik):
            spells_of.setdefault(int(spell.cik), []).append(entry)
    found = {}
    for row in rows.sort_values("valid_from", kind="stable").itertuples():
        issuer = int(row.cik) if pd.notna(row.cik) else None
        identity = _holder(row.ticker, row.valid_from, spells_of.get(row.ticker if issuer is None else issuer, []))
        if identity is None and issuer is not None:
            identity = _renamed(row.valid_from, spells_of.get(issuer, [])) or f"cik:{issuer}/{row.ticker}"
        identity = identity or f"symbol:{row.ticker}@{row.valid_from:%Y-%m-%d}"
        found[row.Index] = identity
        entry = (row.ticker, row.valid_from, row.valid_to if "valid_to" in rows else pd.NaT, identity)
        spells_of.setdefault(row.ticker, []).append(entry)
        if issuer is not None:
            spells_of.setdefault(issuer, []).append(entry)
    return pd.Series(found, dtype="str").reindex(rows.index)


def _holder(ticker: str, day: pd.Timestamp, known: list[Spell]) -> str | None:
    """The company that had the ticker on `day`."""
    held = [i for name, start, end, i in known if name == ticker and start <= day and (pd.isna(end) or day < end)]
    return held[-1] if held else None


def _renamed(day: pd.Timestamp, issuer: list[Spell]) -> str | None:
    """The line of the issuer that gave up its ticker on `day` and has no other yet."""
    served = {identity for _, start, _, identity in issuer if start == day}
    gave_up = [identity for _, _, end, identity in issuer if end == day and identity not in served]
    return gave_up[0] if gave_up else None
