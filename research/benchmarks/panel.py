"""2,500 companies x 2,520 sessions of closes from the database to an array, against pandas read_sql and pivot.

    python research/benchmarks/panel.py cold|warm

cold: nothing in the cache. warm: read before. Both arrays must be equal before the ratio is printed.
"""

from __future__ import annotations

import sys
from datetime import date
from shutil import rmtree
from time import perf_counter

import numpy as np
import pandas as pd
import pyarrow as pa
from harness import interleaved, peak_rss_gib, report
from sqlalchemy import text
from store import apart, calendar, companies, fill, throw_away, tune

from nexus.db.engine import Database
from nexus.db.panel import Panel
from nexus.maths.types import Floats
from nexus.settings import settings

N_COMPANIES, N_SESSIONS, FIRST, LAST = 2500, 2520, date(2010, 1, 4), date(2020, 1, 31)
AT_LEAST = {"cold": 7.0, "warm": 80.0}
BLOCK = 250
SQL = text("SELECT company_id, session, close FROM prices")


def fill_prices(url: str) -> None:
    """Random bars, known at the close of their sessions."""
    database = Database.at(url)
    sessions = calendar(database, FIRST, N_SESSIONS)
    random = np.random.default_rng(4)
    for block in np.array_split(companies(database, N_COMPANIES), N_COMPANIES // BLOCK):
        size = len(block) * N_SESSIONS
        known_at = pa.array(np.tile(sessions.closes_at, len(block)).astype("M8[us]")).cast(pa.timestamp("us", "UTC"))
        columns = {
            "company_id": np.repeat(block, N_SESSIONS),
            "session": np.tile(sessions.days, len(block)),
            "known_at": known_at,
            "default_known_at": known_at,
        }
        for field in ("open", "high", "low", "close", "volume"):
            columns[field] = np.round(random.lognormal(3, 0.5, size), 2)
        fill(database, "prices", pa.table(columns))


def ours(database: Database) -> Floats:
    panel = Panel.open(database, start=FIRST, end=LAST, inputs=["prices.close"])
    return panel.at(panel.sessions[N_SESSIONS - 1]).prices("close", N_SESSIONS)


def peer(database: Database) -> Floats:
    with database.read() as connection:
        rows = pd.read_sql(SQL, connection)
    return rows.pivot(index="session", columns="company_id", values="close").to_numpy()


def main(state: str) -> None:
    with throw_away() as database:
        apart(fill_prices, database.url.render_as_string(hide_password=False))
        tune(database)
        results: dict[str, Floats] = {}

        def timed_ours() -> float:
            if state == "cold":
                rmtree(settings().cache_dir, ignore_errors=True)
            start = perf_counter()
            results["ours"] = ours(database)
            return perf_counter() - start

        def timed_peer() -> float:
            start = perf_counter()
            results["peer"] = peer(database)
            return perf_counter() - start

        timed_ours()
        peak = peak_rss_gib()
        best, best_peer = interleaved(timed_ours, timed_peer, repeats=5 if state == "warm" else 3, peer_repeats=2)
        np.testing.assert_array_equal(results["ours"], results["peer"])
        report(f"panel_{state}", best, best_peer, AT_LEAST[state], "pandas read_sql + pivot", peak)


if __name__ == "__main__":
    main(sys.argv[1])
