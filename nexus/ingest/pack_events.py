"""Mappings of the pack: filings, earnings dates, senators' trades and tweets."""

from __future__ import annotations

import json
from hashlib import sha256

import pandas as pd

from nexus.ingest.arrival import next_day

SYMBOL_IN_LINK = r">\s*([A-Za-z][A-Za-z.\-/]*)\s*<"


def filings(rows: pd.DataFrame) -> pd.DataFrame:
    """One event per filing, and per item of an 8-K; accepted when the repaired stamp says, else the day after filing.

    The date of an 8-K is its report date, which may lie after the filing; of any other form, the filing date.
    """
    current = rows["form"].isin(["8-K", "8-K/A"])
    event_date = rows["report_date"].where(current).fillna(rows["filing_date"])
    detail = rows[["accession", "form", "items"]].to_dict("records")
    told = pd.DataFrame(
        {
            "cik": rows["cik"],
            "event_date": event_date,
            "known_at": rows["acceptance_utc"].dt.as_unit("us").fillna(next_day(rows["filing_date"])),
            "title": rows["doc_description"],
            "payload": pd.Series([json.dumps(row) for row in detail], index=rows.index, dtype="str"),
            "event_id": rows["accession"],
            "event_type": rows["form"],
            "item": rows["items"].where(current, "").str.split(","),
        }
    ).explode("item")
    item = told["item"].str.strip()
    return told.assign(event_type=told["event_type"].where(item == "", told["event_type"] + ":" + item))


def earnings(rows: pd.DataFrame) -> pd.DataFrame:
    """Announcements of earnings, taken as after the close: known from the day after."""
    return rows.assign(event_type="earnings", event_id=rows["event_date"].dt.strftime("%Y-%m-%d"))


def senate_trades(rows: pd.DataFrame) -> pd.DataFrame:
    """Trades of senators in companies, known the day after they were disclosed; the symbol is the text of a link."""
    ticker = rows["ticker"].str.extract(SYMBOL_IN_LINK, expand=False)
    columns = ["person", "owner", "asset_type", "transaction_type", "amount_band", "source_url"]
    payload = [json.dumps(row) for row in rows[columns].to_dict("records")]
    told = pd.DataFrame(
        {
            "ticker": ticker,
            "event_type": "senate_trade",
            "event_date": rows["transaction_date"],
            "known_at": next_day(rows["disclosed_date"]),
            "title": rows["person"] + ", " + rows["transaction_type"] + ", " + rows["amount_band"],
            "payload": pd.Series(payload, index=rows.index, dtype="str"),
        }
    )
    return told.dropna(subset="ticker")


def tweets(rows: pd.DataFrame) -> pd.DataFrame:
    """Tweets on a ticker, known to the second."""
    said = rows["created_at_utc"].astype("int64").astype("str") + rows["tokens"]
    return pd.DataFrame(
        {
            "ticker": rows["ticker"],
            "event_type": "tweet",
            "event_date": rows["created_at_utc"].dt.tz_localize(None).dt.normalize(),
            "known_at": rows["created_at_utc"],
            "title": rows["tokens"],
            "event_id": [sha256(text.encode()).hexdigest() for text in said],
        }
    )
