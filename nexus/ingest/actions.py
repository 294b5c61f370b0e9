"""Splits, dividends and delistings from a file of their own."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from nexus.ingest.arrival import DAY, Arrival, Desk, table
from nexus.ingest.sieve import Sieve

KINDS = ("split", "dividend", "delisting")


def arrivals(frame: pd.DataFrame, sieve: Sieve, desk: Desk) -> Iterator[Arrival]:
    """Actions, known at 00:00 UTC of their ex-date, a delisting a day later; known ahead where the file says so."""
    kind, value = frame["kind"], frame["value"]
    sieve.refuse(~kind.isin(KINDS), "unknown kind", f"kind {{kind}} is none of {', '.join(KINDS)}")
    sieve.refuse((kind == "split") & (value <= 0), "impossible value", "a split of {value} new shares per old one")
    sieve.refuse((kind == "dividend") & (value <= 0), "impossible value", "a dividend of {value} is none")
    below = (kind == "delisting") & (value < -1)
    sieve.refuse(below, "impossible value", "a delisting return of {value} loses more than all; write -0.3 for -30 %")
    default = (frame["ex_date"] + DAY * (kind == "delisting").astype(int)).dt.tz_localize("UTC")
    desk.not_ahead(sieve, frame["known_at"], default, "ex_date")
    company = desk.companies(frame, sieve, "ex_date")
    rows = table(
        {
            "company_id": company,
            "ex_date": frame["ex_date"].to_numpy().astype("datetime64[D]"),
            "kind": kind,
            "value": value,
            "known_at": frame["known_at"],
            "default_known_at": default,
        }
    ).filter(sieve.good)
    yield Arrival("corporate_actions", rows, sieve.raw.numbers[sieve.good])
