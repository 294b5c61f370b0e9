"""What a live source has, stored company by company: a fetch that is stopped goes on where it was."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import partial
from uuid import UUID

import pandas as pd

from nexus.db.engine import Database
from nexus.db.load import Loaded, SourceInfo, begin_run, finish_run
from nexus.db.rejects import Reject, record
from nexus.errors import InputError
from nexus.ingest import reading
from nexus.ingest.columns import kind_of
from nexus.ingest.orders import Clerk, Order
from nexus.ingest.run import summary
from nexus.ingest.sources.base import REJECTED, Source
from nexus.settings import settings

NAMES = ("yahoo", "edgar")
REMEDY = "not fetched; check the identifier, or try again later"


def live_source(name: str) -> Source:
    """The source called `name`, imported now."""
    if name == "yahoo":
        from nexus.ingest.sources.yfinance import Yahoo

        return Yahoo()
    if name == "edgar":
        from nexus.ingest.sources.edgar import Edgar

        return Edgar(settings().user_agent)
    raise InputError(f"live source {name}: unknown; there are {', '.join(NAMES)}")


def ingest_live(
    database: Database, source: Source | str, identifiers: Sequence[str], start: date, end: date
) -> list[Loaded]:
    """Fetch `identifiers` from `start` to `end` and store each batch as it comes.

    A company that the source does not know is a row of `rejected_rows`; the others go on.

    Raises
    ------
    InputError
        When there is no such source.
    SourceError
        When the source itself cannot be used: what came before is stored.
    """
    source = live_source(source) if isinstance(source, str) else source
    info = SourceInfo(source.name, "reported", description=f"live: {source.name}")
    run_id = begin_run(database, f"ingest live {source.name} {' '.join(identifiers)}"[:200])
    clerk, loaded = Clerk(database, run_id), list[Loaded]()
    try:
        for kind, frame in source.fetch(identifiers, start, end):
            if kind == REJECTED:
                loaded.append(_reject(database, run_id, info, frame))
            else:
                known = [column for column in frame.columns if column in kind_of(kind).names]
                rows = frame[known]
                loaded += clerk.execute(Order(kind, info, partial(reading.of_frame, rows)))
    finally:
        finish_run(database, run_id, summary(loaded))
    return loaded


def _reject(database: Database, run_id: UUID, info: SourceInfo, frame: pd.DataFrame) -> Loaded:
    rejects = [
        Reject(None, "not fetched", f"{row.identifier}: {row.reason}; {REMEDY}", str(row.identifier))
        for row in frame.itertuples()
    ]
    record(database, run_id, "prices", info.source, None, rejects)
    return Loaded("prices", info.source, None, len(rejects), 0, 0, 0, 0, len(rejects), False, False, 0.0)
