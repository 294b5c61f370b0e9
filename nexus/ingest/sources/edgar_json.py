"""The JSON of data.sec.gov, read into frames: submissions and companyfacts."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

from nexus.ingest.sources import acceptance
from nexus.ingest.sources.xbrl_fields import FIELDS

FILING = {
    "accessionNumber": "accession",
    "form": "form",
    "items": "items",
    "filingDate": "filed",
    "reportDate": "period",
    "acceptanceDateTime": "accepted",
    "primaryDocument": "document",
    "primaryDocDescription": "title",
}
FACT = ["taxonomy", "tag", "unit", "period_start", "period_end", "value", "filed", "form", "accession"]
TEXT = ["taxonomy", "tag", "unit", "form", "accession"]
FACT_KEY = ["unit", "period_start", "period_end", "accession"]


def filings(pages: list[dict[str, list[Any]]]) -> pd.DataFrame:
    """Filings of one filer, from the columns of `filings.recent` and of the older files; the same filing twice is one.

    Returns one row a filing: accession, form, items, filed, period (report date), document, title, known_at.
    """
    columns = [{ours: page[theirs] for theirs, ours in FILING.items()} for page in pages]
    table = pd.concat([pd.DataFrame(page, dtype="str") for page in columns])
    table = table.drop_duplicates("accession").reset_index(drop=True)
    table["filed"] = pd.to_datetime(table["filed"], format="%Y-%m-%d")
    table["period"] = pd.to_datetime(table["period"].replace("", None), format="%Y-%m-%d")
    table["known_at"] = acceptance.known_at(table.pop("accepted"), table["filed"])
    return table


def events(table: pd.DataFrame, cik: int) -> pd.DataFrame:
    """One event per filing, and per item of an 8-K: `8-K:2.02`, `8-K/A:5.02`, `10-Q`.

    The date of an 8-K's event is its report date, which may lie after the filing; of any other form, the filing date.
    """
    table = table.assign(item=table["items"].fillna("").str.split(",")).explode("item", ignore_index=True)
    item = table["item"].str.strip()
    current_report = table["form"].isin(["8-K", "8-K/A"])
    event_type = table["form"].where(~current_report | (item == ""), table["form"] + ":" + item)
    detail = table[["accession", "form", "items", "document"]]
    rows = pd.DataFrame(
        {
            "event_id": table["accession"] + " " + event_type,
            "cik": cik,
            "event_type": event_type,
            "event_date": table["period"].where(current_report, table["filed"]).fillna(table["filed"]),
            "known_at": table["known_at"],
            "title": table["title"].replace("", None),
            "payload": [json.dumps(row, sort_keys=True) for row in detail.to_dict("records")],
        }
    )
    return pd.concat([rows, detail.drop(columns="document")], axis=1).drop_duplicates("event_id", ignore_index=True)


def fundamentals(facts: dict[str, dict[str, Any]], cik: int, known: pd.Series) -> pd.DataFrame:
    """Every vintage of every numeric XBRL fact of one filer.

    facts : the `facts` object of companyfacts: taxonomy -> tag -> units -> unit -> vintages
    known : known_at by accession; a filing that is not in it is known at 00:00 UTC of the day after it was filed
    An instant starts on the day it ends.
    """
    rows = [
        (taxonomy, tag, unit, *_vintage(fact))
        for taxonomy, tags in facts.items()
        for tag, body in tags.items()
        for unit, vintages in body["units"].items()
        for fact in vintages
    ]
    table = pd.DataFrame(rows, columns=FACT).astype(dict.fromkeys(TEXT, "str") | {"value": "float64"}).drop_duplicates()
    for column in ("period_start", "period_end", "filed"):
        table[column] = pd.to_datetime(table[column], format="%Y-%m-%d")
    accepted = pd.Series(known.reindex(table["accession"]).array, index=table.index)
    table["known_at"] = accepted.fillna(acceptance.next_day(table["filed"]))
    table["field"] = _fields(table)
    table.insert(0, "cik", cik)
    columns = ["cik", "field", "unit", "period_start", "period_end", "value", "known_at", "form", "accession", "filed"]
    return table[columns].reset_index(drop=True)


def _vintage(fact: dict[str, Any]) -> tuple[str, str, float, str, str, str]:
    """One reported value, in the order of FACT from `period_start` on."""
    end = fact["end"]
    return fact.get("start", end), end, float(fact["val"]), fact["filed"], fact["form"], fact["accn"]


def _fields(table: pd.DataFrame) -> pd.Series:
    """Field of each fact: the mapped one for the preferred tag of its filing and period, else `taxonomy:Tag`."""
    own = table["taxonomy"] + ":" + table["tag"]
    mapped = own.map({tag: field for tag, (field, _) in FIELDS.items()})
    rank = own.map({tag: rank for tag, (_, rank) in FIELDS.items()})
    best = rank.groupby([mapped.rename("field"), *(table[key] for key in FACT_KEY)]).transform("min")
    return mapped.where(rank == best, own)
