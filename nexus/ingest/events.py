"""Things that happened to a company, known when they were told, which may be before their day."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import sha256

import numpy as np
import pandas as pd

from nexus.ingest.arrival import Arrival, Desk, next_day, table
from nexus.ingest.sieve import Sieve


def arrivals(frame: pd.DataFrame, sieve: Sieve, desk: Desk) -> Iterator[Arrival]:
    """Events, known from the day after their date unless the file says when; by CIK they go to each of its lines."""
    default = next_day(frame["event_date"])
    desk.not_ahead(sieve, frame["known_at"], default, "event_date")
    company = desk.companies(frame, sieve, "event_date")
    good = np.flatnonzero(sieve.good)
    own, lines = desk.who.issuer_lines(company[good])
    mine = np.arange(len(own)) < len(good)
    kept = mine | frame["cik"].notna().to_numpy()[good[own]]
    at, lines = good[own[kept]], lines[kept]
    part = frame.iloc[at]
    rows = table(
        {
            "event_id": _ids(part, [desk.who.identity[company] for company in lines], desk.source.source),
            "company_id": lines,
            "event_type": part["event_type"],
            "event_date": part["event_date"].to_numpy().astype("datetime64[D]"),
            "title": part["title"],
            "payload": part["payload"],
            "known_at": part["known_at"],
            "default_known_at": default.iloc[at],
        }
    )
    yield Arrival("events", rows, sieve.raw.numbers[at])


def _ids(part: pd.DataFrame, identity: Iterable[str], source: str) -> list[str]:
    """sha256 of source, company and the source's own identifier, or of what the event says where it has none."""
    told = part["event_id"]
    nameless = part[told.isna()]
    said = [nameless[name].astype("str").fillna("") for name in ("event_date", "title", "payload")]
    told = told.fillna(said[0] + "\x1f" + said[1] + "\x1f" + said[2])
    return [
        sha256("\x1f".join((source, company, event_type, text)).encode()).hexdigest()
        for company, event_type, text in zip(identity, part["event_type"], told, strict=True)
    ]
