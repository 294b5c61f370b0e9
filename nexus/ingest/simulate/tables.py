"""The market as the files a user would bring: one frame per kind of `nexus ingest`."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from nexus.ingest.simulate import announcements, filings, frames, ties
from nexus.ingest.simulate.market import Market

KINDS: dict[str, Callable[[Market], pd.DataFrame]] = {
    "reference": frames.reference,
    "universe": frames.universe,
    "prices": frames.prices,
    "actions": frames.actions,
    "benchmarks": frames.benchmarks,
    "fundamentals": filings.fundamentals,
    "events": announcements.events,
    "relations": ties.relations,
}


def tables(market: Market) -> dict[str, pd.DataFrame]:
    """Return the frame of each kind, identities first; columns are listed where each is made."""
    return {kind: make(market) for kind, make in KINDS.items()}
