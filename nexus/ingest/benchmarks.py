"""Series of the market as a whole: indices, volatility, factor returns."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from nexus.ingest.arrival import Arrival, Desk, next_day, table
from nexus.ingest.sieve import Sieve


def arrivals(frame: pd.DataFrame, sieve: Sieve, desk: Desk) -> Iterator[Arrival]:
    """Values, known at the close of their session; on any other day at 00:00 UTC of the next."""
    sieve.refuse(frame["date"] > desk.now.tz_localize(None), "future date", "date {date} has not come; correct it")
    closes, held = desk.closes(frame["date"])
    default = closes.where(held, next_day(frame["date"]))
    sieve.refuse(frame["known_at"] < default, "known before its period ends", "known_at {known_at} is before the close")
    desk.not_ahead(sieve, frame["known_at"], default, "date")
    rows = table(
        {
            "series": frame["series"],
            "session": frame["date"].to_numpy().astype("datetime64[D]"),
            "value": frame["value"],
            "known_at": frame["known_at"],
            "default_known_at": default,
        }
    ).filter(sieve.good)
    yield Arrival("benchmarks", rows, sieve.raw.numbers[sieve.good])
