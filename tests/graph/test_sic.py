"""SIC to GICS: firms whose sector everybody knows, the real profiles of the SEC, and the shape of the table."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from nexus.errors import InputError
from nexus.graph import sic
from nexus.graph.sic import gics_sector

SECTORS = {
    "Communication Services", "Consumer Discretionary", "Consumer Staples", "Energy", "Financials", "Health Care",
    "Industrials", "Information Technology", "Materials", "Real Estate", "Utilities",
}  # fmt: skip
# SIC as EDGAR gives it, and the GICS sector of the firm
FIRMS = {
    "Apple": (3571, "Information Technology"),
    "Microsoft": (7372, "Information Technology"),
    "NVIDIA": (3674, "Information Technology"),
    "Cisco": (3576, "Information Technology"),
    "Johnson & Johnson": (2834, "Health Care"),
    "Medtronic": (3845, "Health Care"),
    "UnitedHealth": (6324, "Health Care"),
    "McKesson": (5122, "Health Care"),
    "JPMorgan": (6021, "Financials"),
    "Travelers": (6331, "Financials"),
    "Simon Property": (6798, "Real Estate"),
    "CBRE": (6500, "Real Estate"),
    "Exxon Mobil": (2911, "Energy"),
    "EOG": (1311, "Energy"),
    "Williams": (4922, "Energy"),
    "Schlumberger": (1389, "Energy"),
    "Duke Energy": (4931, "Utilities"),
    "American Water": (4941, "Utilities"),
    "Waste Management": (4953, "Industrials"),
    "Freeport-McMoRan": (1000, "Materials"),
    "Dow": (2821, "Materials"),
    "Nucor": (3312, "Materials"),
    "International Paper": (2621, "Materials"),
    "Procter & Gamble": (2840, "Consumer Staples"),
    "Coca-Cola": (2080, "Consumer Staples"),
    "Kroger": (5411, "Consumer Staples"),
    "Walmart": (5331, "Consumer Staples"),
    "Altria": (2111, "Consumer Staples"),
    "Macy's": (5311, "Consumer Discretionary"),
    "Home Depot": (5211, "Consumer Discretionary"),
    "McDonald's": (5812, "Consumer Discretionary"),
    "Ford": (3711, "Consumer Discretionary"),
    "Lennar": (1531, "Consumer Discretionary"),
    "Carnival": (4481, "Consumer Discretionary"),
    "Whirlpool": (3630, "Consumer Discretionary"),
    "Mattel": (3942, "Consumer Discretionary"),
    "Marriott": (7011, "Consumer Discretionary"),
    "AT&T": (4813, "Communication Services"),
    "New York Times": (2711, "Communication Services"),
    "Omnicom": (7311, "Communication Services"),
    "Boeing": (3721, "Industrials"),
    "Caterpillar": (3531, "Industrials"),
    "Union Pacific": (4011, "Industrials"),
    "Delta": (4512, "Industrials"),
    "Lockheed": (3760, "Industrials"),
    "Robert Half": (7363, "Industrials"),
    "Fluor": (1600, "Industrials"),
}
MISPLACED = {"MMM", "DIS"}
"""Of the thirty profiles: 3M, which makes medical instruments too, and Disney, which runs parks."""


def test_known_firms() -> None:
    for firm, (code, sector) in FIRMS.items():
        assert gics_sector(code) == sector, firm


def test_codes_come_as_numbers_words_and_without_their_zero() -> None:
    assert gics_sector(3571) == gics_sector("3571") == gics_sector("3571 Electronic Computers")
    assert gics_sector("0100") == gics_sector(100) == gics_sector("100") == "Consumer Staples"
    assert {gics_sector(code) for code in (8888, 9721, 9995)} == {None}
    for code in ("", "tech", "35", "35710", "²³⁴⁵"):
        with pytest.raises(InputError, match="a code is four digits"):
            gics_sector(code)


def test_the_table_ascends_and_names_sectors_only() -> None:
    firsts = [first for first, _ in sic._TABLE]
    assert firsts == sorted(set(firsts))
    assert {sector for _, sector in sic._TABLE} == SECTORS | {None}
    assert all(before != after for (_, before), (_, after) in zip(sic._TABLE, sic._TABLE[1:], strict=False))


def test_the_profiles_of_the_pack(pack: Path) -> None:
    profiles = pd.read_parquet(pack / "security_sec_profile_30.parquet", columns=["tickers", "sic"])
    told = pd.read_parquet(pack / "security_gics_snapshots.parquet").drop_duplicates("ticker")
    sectors = told.set_index("ticker")["gics_sector"]
    profiles = profiles.assign(ticker=profiles["tickers"].fillna("").str.split(",").str[0])
    known = profiles[profiles["ticker"].isin(sectors.index)]
    wrong = {row.ticker for row in known.itertuples() if gics_sector(row.sic) != sectors[row.ticker]}
    assert len(known) >= 20
    assert wrong == MISPLACED
