"""The interface of a live source: frames in the columns that a user's own file has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Protocol, TypeAlias

import pandas as pd

from nexus.errors import NexusError

REJECTED = "rejected"

Batch: TypeAlias = tuple[str, pd.DataFrame]
"""A kind (`prices`, `actions`, `fundamentals`, `events` or `rejected`) and rows in that kind's documented columns."""


class Source(Protocol):
    """Somewhere that facts come from, company by company."""

    name: str
    """Stored as `source` in the key of every fact: two sources are never vintages of one another."""

    def fetch(self, identifiers: Sequence[str], start: date, end: date) -> Iterator[Batch]:
        """Yield what is known of each company from `start` to `end`, both included.

        Companies come in the order given, so that a caller who stores each batch can be stopped at any time. One that
        the source does not know, or answers with nonsense, is a row of a `rejected` batch (`identifier`, `reason`) and
        the others go on; SourceError ends the fetch when the source itself cannot be used.
        """
        ...


class SourceError(NexusError):
    """A live source cannot be reached, refuses us, or does not recover."""


class UnusableReply(SourceError):
    """What came back for one company is missing or not in the documented format."""


def rejected(identifier: str, reason: object) -> Batch:
    """One company that could not be fetched, and why."""
    return REJECTED, pd.DataFrame({"identifier": [identifier], "reason": [str(reason)]})
