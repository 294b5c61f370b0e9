"""The first step of the real pack: every company that it is about, with the symbols it had."""

from __future__ import annotations

from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from time import perf_counter
from uuid import UUID

import numpy as np
import pandas as pd
import pyarrow.parquet

from nexus.db.engine import Database
from nexus.db.identity import ensure_entities
from nexus.db.load import FileMark, Loaded, SourceInfo, already_loaded, ensure_source, load
from nexus.ingest import reading
from nexus.ingest.arrival import next_day, spell_rows
from nexus.ingest.identity import canonical
from nexus.ingest.listings import Evidence, listings
from nexus.ingest.orders import untouched

STEP = "companies and symbols"
SOURCE = SourceInfo(
    "nexus.listings", "assumed", description="CIK map, membership, first bars and reviewed renames, joined"
)
PRICES = ("prices_daily_yf_2005_2024", "prices_daily_stocknet_2012_2017")
ISSUERS = ("security_sec_cik_ticker", "security_gics_snapshots")
MEMBERS, PROFILES = "universe_sp500_membership", "security_sec_profile_30"


def introduce(database: Database, run_id: UUID, folder: Path) -> Loaded:
    """Add the companies of the pack's files in `folder` and load their symbol spells; files may be missing."""
    began = perf_counter()
    mark = _mark(folder)
    if already_loaded(database, "symbols", SOURCE.source, mark.sha256) is not None:
        return untouched("symbols", SOURCE.source, began, already=True)
    ensure_source(database, SOURCE)
    spells = listings(_evidence(folder))
    companies = pd.concat([spells, _without_symbol(folder, spells)])
    ids = ensure_entities(database, companies.drop_duplicates("identity").assign(kind="company"))
    spells["company_id"] = spells["identity"].map(ids)
    spells["known_at"] = pd.NaT
    ended = spells[spells["valid_to"].notna()]
    rows = pd.concat(
        [
            spells.assign(valid_to=pd.NaT, default_known_at=next_day(spells["valid_from"])),
            ended.assign(default_known_at=next_day(ended["valid_to"])),
        ]
    )
    table = spell_rows(rows, ["company_id", "ticker"])
    numbers = np.zeros(len(rows), np.int64)
    return load(
        database, run_id, "symbols", table, source=SOURCE.source, file=mark, row_numbers=numbers, known_at_given=False
    )


def _mark(folder: Path) -> FileMark:
    """One mark for all that the listings are made of."""
    stems = [stem for stem in (*PRICES, *ISSUERS, MEMBERS, PROFILES) if (folder / f"{stem}.parquet").is_file()]
    parts = [reading.mark(folder / f"{stem}.parquet").sha256 for stem in stems]
    parts.append(sha256(files("nexus.ingest").joinpath("renames.csv").read_bytes()).hexdigest())
    return FileMark(STEP, sha256("".join(parts).encode()).hexdigest())


def _evidence(folder: Path) -> Evidence:
    issuers = [_read(folder, stem, ["ticker", "cik", "name", "as_of"]) for stem in ISSUERS]
    members = _read(folder, MEMBERS, ["ticker", "valid_from", "valid_to"])
    bars = [_first_bars(_read(folder, stem, ["ticker", "date"])) for stem in PRICES]
    tables = [pd.concat(issuers), members, pd.concat(bars)]
    return Evidence(*(table.assign(ticker=table["ticker"].astype("str").map(canonical)) for table in tables))


def _first_bars(bars: pd.DataFrame) -> pd.DataFrame:
    first = bars.groupby("ticker", observed=True)["date"].min().rename("first").reset_index()
    return first.assign(label=bars["date"].max(), opening=bars["date"].min())


def _without_symbol(folder: Path, spells: pd.DataFrame) -> pd.DataFrame:
    """Filers of the profiles that have no ticker today: events and fundamentals name them by CIK."""
    profiles = _read(folder, PROFILES, ["cik", "name"]).drop_duplicates("cik")
    new = profiles[~profiles["cik"].isin(spells["cik"])]
    return new.assign(identity="cik:" + new["cik"].astype("str"))


def _read(folder: Path, stem: str, columns: list[str]) -> pd.DataFrame:
    path = folder / f"{stem}.parquet"
    if not path.is_file():
        return pd.DataFrame({name: [] for name in columns})
    return pyarrow.parquet.read_table(path, columns=columns).to_pandas()
