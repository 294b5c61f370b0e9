"""20 fields x 500 companies x 120 month-ends from 2 M vintages, against SQL LATERAL LIMIT 1 with a covering index.

    python research/benchmarks/asof.py

All 1.2 M cells must be equal before the ratio is printed. Ours reads from the database each time: the cache is emptied.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from shutil import rmtree
from time import perf_counter

import numpy as np
import pyarrow as pa
from harness import interleaved, peak_rss_gib, report
from store import apart, calendar, companies, fill, throw_away, tune

from nexus.db.asof import asof
from nexus.db.engine import Database, driver
from nexus.maths.types import Floats, Ints
from nexus.settings import settings

FIELDS = [f"field_{number:02d}" for number in range(40)]
WANTED = FIELDS[::2]
N_COMPANIES, N_QUARTERS, N_MONTHS, FIRST = 500, 40, 120, date(2010, 1, 4)
DAY = 86_400_000_000

INDEX = """
CREATE INDEX covering ON fundamentals (company_id, field, period_end DESC, known_at DESC) INCLUDE (value)
"""
LATERAL = """
COPY (
    SELECT field.n::int4, company.n::int4, day.n::int4, coalesce(newest.value, 'NaN')
    FROM unnest('{fields}'::text[]) WITH ORDINALITY field (field, n)
    CROSS JOIN unnest('{companies}'::int[]) WITH ORDINALITY company (company_id, n)
    CROSS JOIN unnest('{days}'::date[]) WITH ORDINALITY day (session, n)
    JOIN sessions ON sessions.calendar = 'XNYS' AND sessions.session = day.session
    LEFT JOIN LATERAL (
        SELECT value FROM fundamentals f
        WHERE f.company_id = company.company_id AND f.field = field.field AND f.known_at <= sessions.closes_at
        ORDER BY period_end DESC, known_at DESC LIMIT 1) newest ON true
) TO STDOUT (FORMAT binary)
"""
CELL = np.dtype(
    [
        ("", ">i2"),
        *(pair for n in range(3) for pair in ((f"_{n}", ">i4"), (f"n{n}", ">i4"))),
        ("_3", ">i4"),
        ("value", ">f8"),
    ]
)


def month_ends(database: Database) -> Sequence[date]:
    """The last sessions of the months of ten years."""
    days = calendar(database, FIRST, 2600).days
    months = days.astype("M8[M]")
    return days[np.flatnonzero(months[:-1] != months[1:])][:N_MONTHS].tolist()


def fill_fundamentals(url: str) -> None:
    """Per company, field and quarter two or three vintages: the report, and restatements months later."""
    database = Database.at(url)
    ends = (np.datetime64("2010-01") + 3 * np.arange(N_QUARTERS)).astype("M8[D]") - 1
    starts = (ends.astype("M8[M]") - 2).astype("M8[D]")
    for block in np.array_split(companies(database, N_COMPANIES), 5):
        company, field, quarter = (
            axis.ravel() for axis in np.meshgrid(block, np.arange(len(FIELDS)), np.arange(N_QUARTERS), indexing="ij")
        )
        times = 2 + (np.arange(len(company)) % 2)
        company, field, quarter = (np.repeat(axis, times) for axis in (company, field, quarter))
        vintage = np.concatenate([np.arange(n) for n in times])
        days = 25 + (company * 7 + field) % 30 + vintage * (60 + quarter)
        known_at = ends[quarter].astype("M8[us]").astype(np.int64) + days * DAY
        stamp = pa.array(known_at).cast(pa.timestamp("us", "UTC"))
        values = np.random.default_rng(int(block[0])).standard_normal(len(company))
        columns = {
            "company_id": company,
            "field": np.array(FIELDS)[field],
            "unit": np.full(len(company), "USD"),
            "period_start": starts[quarter],
            "period_end": ends[quarter],
            "known_at": stamp,
            "default_known_at": stamp,
            "value": values,
        }
        fill(database, "fundamentals", pa.table(columns))


def peer(database: Database, ids: Ints, days: Sequence[date]) -> bytes:
    """The bytes of the answer, one cell after another."""
    lists = {"fields": WANTED, "companies": ids.tolist(), "days": days}
    statement = LATERAL.format(**{name: f"{{{','.join(map(str, values))}}}" for name, values in lists.items()})
    with database.read() as connection, driver(connection).cursor() as cursor, cursor.copy(statement.encode()) as out:
        return b"".join(out)


def cells(raw: bytes) -> Floats:
    """What the peer's bytes say, (n_days, n_companies, n_fields)."""
    rows = np.frombuffer(raw[19:-2], dtype=CELL)
    result = np.empty((N_MONTHS, N_COMPANIES, len(WANTED)))
    result[rows["n2"] - 1, rows["n1"] - 1, rows["n0"] - 1] = rows["value"]
    return result


def main() -> None:
    with throw_away() as database:
        days = month_ends(database)
        apart(fill_fundamentals, database.url.render_as_string(hide_password=False))
        with database.owner() as connection:
            connection.exec_driver_sql(INDEX)
        tune(database)
        ids = companies(database, N_COMPANIES)
        ours: list[Floats] = []
        theirs: list[bytes] = []

        def timed_ours() -> float:
            rmtree(settings().cache_dir, ignore_errors=True)
            start = perf_counter()
            ours.append(asof(database, WANTED, ids.tolist(), days))
            return perf_counter() - start

        def timed_peer() -> float:
            start = perf_counter()
            theirs.append(peer(database, ids, days))
            return perf_counter() - start

        timed_ours()
        peak = peak_rss_gib()
        best, best_peer = interleaved(timed_ours, timed_peer, repeats=4, peer_repeats=2)
        np.testing.assert_array_equal(ours[-1], cells(theirs[-1]))
        report("asof", best, best_peer, 12, "SQL LATERAL LIMIT 1", peak)


if __name__ == "__main__":
    main()
