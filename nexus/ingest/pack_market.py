"""Mappings of the pack: classes, membership, bars, Lean's factors, and series of the market."""

from __future__ import annotations

import pandas as pd

from nexus.ingest.arrival import DAY
from nexus.ingest.listings import RECORDS_BEGIN, renames


def gics(rows: pd.DataFrame) -> pd.DataFrame:
    """Sectors, backdated: each company's earliest snapshot holds from the first records until a later one.

    Both snapshots are younger than the last price: without backdating no sector could be read on any price date, with
    it all that uses them is tier C.
    """
    ordered = rows.sort_values(["ticker", "as_of"]).rename(columns={"gics_sector": "code", "as_of": "valid_from"})
    by_ticker = ordered.groupby("ticker")["valid_from"]
    following, first = by_ticker.shift(-1), by_ticker.cumcount() == 0
    spells = ordered[["ticker", "cik", "code", "valid_from"]].assign(scheme="GICS", valid_to=following)
    return spells.assign(valid_from=spells["valid_from"].mask(first, RECORDS_BEGIN))


def industries(rows: pd.DataFrame) -> pd.DataFrame:
    """Industries, undated: valid and known from the end of their collection."""
    return rows.rename(columns={"industry": "code", "known_at": "valid_from"})[["ticker", "code", "valid_from"]].assign(
        scheme="RSR"
    )


def stocknet_sectors(rows: pd.DataFrame) -> pd.DataFrame:
    """Sectors at the end of 2017; the file says no day."""
    named = rows.rename(columns={"symbol": "ticker", "sector": "code"})[["ticker", "code"]]
    return named.assign(
        code=named["code"].str.replace("Matierials", "Materials"), scheme="STOCKNET", valid_from="2017-12-31"
    )


def membership(rows: pd.DataFrame) -> pd.DataFrame:
    """Spells under the tickers of the index; one that runs on where the ticker changed hands is two companies'."""
    spells = rows.rename(columns={"index_name": "universe"})[["universe", "ticker", "valid_from", "valid_to"]]
    changes = renames()
    for row in changes[changes["reused"]].itertuples():
        inside = (spells["ticker"] == row.new) & (spells["valid_from"] < row.date)
        inside &= spells["valid_to"].isna() | (spells["valid_to"] > row.date)
        after = spells[inside].assign(valid_from=row.date)
        spells = pd.concat([spells.assign(valid_to=spells["valid_to"].mask(inside, row.date)), after])
    return spells


def bars(rows: pd.DataFrame) -> pd.DataFrame:
    """The bars as they stand."""
    return rows


def lean_factors(rows: pd.DataFrame) -> pd.DataFrame:
    """Splits and dividends between the rows of Lean's factor files; each took effect the weekday after its row.

    price_factor falls, going back, by (close - dividend) / close, split_factor by old shares per new one.
    """
    ordered = rows.sort_values(["permtick", "last_date_before_event"], na_position="last")
    same = ordered["permtick"].eq(ordered["permtick"].shift(-1))
    ordered = ordered.assign(
        split=ordered["split_factor"].shift(-1) / ordered["split_factor"],
        dividend=ordered["reference_close"] * (1 - ordered["price_factor"] / ordered["price_factor"].shift(-1)),
        ex_date=ordered["last_date_before_event"] + pd.offsets.BusinessDay(1),
        ticker=ordered["permtick"].str.upper(),
    )[same]
    splits = ordered[(ordered["split"] - 1).abs() > 1e-4].assign(kind="split", value=lambda row: row["split"].round(4))
    dividends = ordered[ordered["dividend"] > 1e-4 * ordered["reference_close"]].assign(
        kind="dividend", value=lambda row: row["dividend"].round(4)
    )
    return pd.concat([splits, dividends])[["ticker", "ex_date", "kind", "value"]]


def factors_daily(rows: pd.DataFrame) -> pd.DataFrame:
    """Fama-French factors and RF as simple daily returns, decimal, known a month after the end of their month."""
    return _factors(rows, "")


def factors_monthly(rows: pd.DataFrame) -> pd.DataFrame:
    """The same by month, with momentum: series such as MKT_RF.M."""
    return _factors(rows, ".M")


def vix(rows: pd.DataFrame) -> pd.DataFrame:
    """Closing VIX in points."""
    return _closes(rows, "VIX")


def sp500(rows: pd.DataFrame) -> pd.DataFrame:
    """Closing S&P 500 price index."""
    return _closes(rows, "SP500")


def _closes(rows: pd.DataFrame, series: str) -> pd.DataFrame:
    return rows.rename(columns={"close": "value"})[["date", "value"]].assign(series=series)


def _factors(rows: pd.DataFrame, suffix: str) -> pd.DataFrame:
    named = rows.melt(id_vars="date", var_name="series", ignore_index=False)
    month_end = named["date"] + pd.offsets.MonthEnd(0)
    published = (month_end + pd.offsets.MonthEnd(1) + DAY).dt.tz_localize("UTC")
    return named.assign(series=named["series"].str.upper() + suffix, known_at=published)
