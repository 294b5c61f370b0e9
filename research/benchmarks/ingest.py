"""1.26 million bars from a Parquet file into an empty table, through the real ingest path, against pandas to_sql.

    python research/benchmarks/ingest.py ingest|ingest_again

ingest: against `DataFrame.to_sql` into a twin with the same columns and key and no trigger, from rows that are read,
checked and resolved already. ingest_again: the same rows from a file of another sha256, against the first load.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from harness import interleaved, peak_rss_gib, report, seconds
from sqlalchemy import text
from store import calendar, throw_away

from nexus.db import admin
from nexus.db.engine import Database
from nexus.ingest.run import ingest_file, ingest_frames

N_COMPANIES, N_SESSIONS, FIRST = 500, 2520, date(2010, 1, 4)
AT_LEAST = {"ingest": 6.0, "ingest_again": 1.0}
TICKERS = [f"T{number:03d}" for number in range(N_COMPANIES)]


def bars(days: np.ndarray) -> pa.Table:
    """Bars in the columns of a user's file, by ticker and date."""
    random = np.random.default_rng(5)
    steps = random.standard_normal((N_COMPANIES, N_SESSIONS)) * 0.02
    close = np.round(50 * np.exp(steps.cumsum(axis=1)), 2).ravel()
    spread = np.round(close * random.uniform(0, 0.02, len(close)), 2)
    return pa.table(
        {
            "ticker": np.repeat(TICKERS, N_SESSIONS),
            "date": pa.array(np.tile(days, N_COMPANIES), pa.date32()),
            "open": close + spread / 2,
            "high": close + spread,
            "low": close - spread,
            "close": close,
            "volume": random.integers(1, 10**8, len(close)).astype(float),
        }
    )


def twin(database: Database) -> pd.DataFrame:
    """The rows of `prices`, and a table like it to put them in."""
    with database.owner() as connection:
        connection.execute(text("CREATE TABLE twin (LIKE prices INCLUDING INDEXES)"))
        return pd.read_sql(text("SELECT * FROM prices ORDER BY company_id, session"), connection)


def to_sql(database: Database, frame: pd.DataFrame) -> float:
    with database.owner() as connection:
        connection.execute(text("TRUNCATE twin"))
    with database.owner() as connection:
        return seconds(lambda: frame.to_sql("twin", connection, if_exists="append", index=False))


@contextmanager
def fresh(database: Database, name: str = "copy") -> Iterator[Database]:
    """A copy of the database with its companies and without a price."""
    clone = admin.clone(database, f"{database.url.database}_{name}")
    try:
        yield clone
    finally:
        admin.drop(clone)


def load(database: Database, path: Path, inserted: int) -> float:
    """Seconds that `path` takes; it must insert so many rows and reject none."""
    loaded = []
    took = seconds(lambda: loaded.extend(ingest_file(database, "prices", path, source="bench")))
    assert [one.inserted for one in loaded] == [inserted, 0] and not any(one.rejected for one in loaded)
    return took


def loads(database: Database, first: Path, *again: Path) -> list[float]:
    """Seconds of the first load into an empty table, and of the same rows again."""
    with fresh(database) as clone:
        return [load(clone, first, N_COMPANIES * N_SESSIONS), *(load(clone, path, 0) for path in again)]


def main(name: str) -> None:
    with throw_away() as database, TemporaryDirectory() as folder:
        days = calendar(database, FIRST, N_SESSIONS).days
        listed = pd.DataFrame({"ticker": TICKERS, "name": TICKERS, "valid_from": pd.Timestamp("2000-01-03")})
        ingest_frames(database, {"reference": listed}, "bench")
        files = (Path(folder) / "first.parquet", Path(folder) / "again.parquet")
        table = bars(days)
        pq.write_table(table, files[0])
        pq.write_table(table.replace_schema_metadata({"sha256": "another"}), files[1])
        if name == "ingest_again":
            pairs = [loads(database, *files) for _ in range(3)]
            first, again = (min(column) for column in zip(*pairs, strict=True))
            report(name, again, first, AT_LEAST[name], "the first load")
            return
        loads(database, files[0])
        peak = peak_rss_gib()
        with fresh(database, "peer") as theirs:
            load(theirs, files[0], N_COMPANIES * N_SESSIONS)
            frame = twin(theirs)
            times = interleaved(
                lambda: loads(database, files[0])[0], lambda: to_sql(theirs, frame), repeats=3, peer_repeats=1
            )
        report(name, *times, AT_LEAST[name], "pandas to_sql", peak)


if __name__ == "__main__":
    main(sys.argv[1])
