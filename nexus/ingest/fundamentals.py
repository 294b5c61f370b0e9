"""What issuers report, each value for a period; every line of an issuer gets it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from nexus.ingest.arrival import DAY, Arrival, Desk, table
from nexus.ingest.sieve import Sieve

KEY = ["field", "unit", "period_start", "period_end", "known_at"]


def arrivals(frame: pd.DataFrame, sieve: Sieve, desk: Desk) -> Iterator[Arrival]:
    """Values; one without a known_at is known from its load on, for nobody can say when it was published."""
    frame = frame.assign(period_start=frame["period_start"].fillna(frame["period_end"]))
    start, end = frame["period_start"], frame["period_end"]
    sieve.refuse(start > end, "period ends before it starts", "{period_start} is after {period_end}; exchange them")
    sieve.refuse(end > desk.now.tz_localize(None), "future date", "period_end {period_end} has not come; correct it")
    # an instant can be told on its own day (a cover page), a flow only when the day is over
    over = (end + DAY * (start < end).astype(int)).dt.tz_localize("UTC")
    early = frame["known_at"] < over
    sieve.refuse(
        early, "known before its period ends", "known_at {known_at} is before period_end {period_end} was over"
    )
    default = pd.Series(desk.now, index=frame.index)
    desk.not_ahead(sieve, frame["known_at"], default, "known_at")
    company = desk.companies(frame, sieve, "period_end")
    good = np.flatnonzero(sieve.good)
    own, lines = desk.who.issuer_lines(company[good])
    shared = frame.iloc[good[own]].assign(company_id=lines)
    # where the file tells a line's own value, its issuer's other lines do not
    foreign = np.arange(len(own)) >= len(good)
    kept = ~(foreign & shared.duplicated(["company_id", *KEY]).to_numpy())
    shared = shared[kept]
    rows = {name: shared[name] for name in ("company_id", "field", "unit", "value", "known_at")}
    days = {name: shared[name].to_numpy().astype("datetime64[D]") for name in ("period_start", "period_end")}
    found = table({**rows, **days, "default_known_at": default.iloc[good[own[kept]]]})
    yield Arrival("fundamentals", found, sieve.raw.numbers[good[own[kept]]])
