"""Edges between companies, funds, directors and firms outside the universe, each with its spell."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from nexus.ingest.arrival import Arrival, Desk, spell_rows, spells
from nexus.ingest.identity import UNKNOWN, Ids, ensure_named
from nexus.ingest.sieve import Sieve

KINDS = ("company", "fund", "director", "extended")
KEY = ["src_id", "relation", "dst_id"]


def arrivals(frame: pd.DataFrame, sieve: Sieve, desk: Desk) -> Iterator[Arrival]:
    """Edges, known from the day after they began, their end from the day after it."""
    for kind in ("src_kind", "dst_kind"):
        strange = ~frame[kind].isin(KINDS)
        sieve.refuse(strange, "unknown kind", f"{kind} {{{kind}}} is none of {', '.join(KINDS)}")
    src, dst = _ends(frame, sieve, desk, "src"), _ends(frame, sieve, desk, "dst")
    edges = frame[["relation", "valid_from", "valid_to", "weight", "known_at"]].assign(src_id=src, dst_id=dst)
    sieve.refuse(src == dst, "edge to itself", "{src} and {dst} are the same; leave the row out")
    vintages, at = spells(edges, KEY, sieve, desk.now)
    yield Arrival("relations", spell_rows(vintages, [*KEY, "weight"]), sieve.raw.numbers[at])


def _ends(frame: pd.DataFrame, sieve: Sieve, desk: Desk, end: str) -> Ids:
    """Entities at one end; other firms and people than companies are added as they come."""
    kind = frame[f"{end}_kind"].to_numpy(object)
    day = frame["valid_from"] if desk.label is None else desk.label
    found = np.where(kind == "company", desk.who.holders(frame[end], day), UNKNOWN)
    strange = (kind == "company") & (found == UNKNOWN)
    if desk.strangers:
        kind = np.where(strange, "extended", kind)
    else:
        remedy = f"{end} {{{end}}} is no company's ticker; add it with `nexus ingest reference`, or call it extended"
        sieve.refuse(strange, "unknown ticker", remedy)
    for other in KINDS[1:]:
        theirs = np.flatnonzero((kind == other) & sieve.good)
        if len(theirs):
            names = frame[end].iloc[theirs]
            found[theirs] = names.map(ensure_named(desk.database, desk.who, other, names))
    return found
