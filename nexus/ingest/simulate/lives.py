"""Who is listed when, and how a listing ends."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from nexus.ingest.simulate.streams import stream
from nexus.maths.types import Bools, Ints

LEAVERS = 0.035
"""Share of the listed companies that leave in a year of 252 sessions."""
MERGERS = 0.6
"""Share of the leavers that are bought; the others fail."""
SHORTEST = 63
"""Sessions that a listing lasts at least."""
QUIET = 21
"""Nobody leaves in the last sessions of the market, where a delisting cannot be told from the end of the data."""


class Fate(IntEnum):
    """How a company's listing ends."""

    STAYS = 0
    MERGES = 1
    FAILS = 2


@dataclass(frozen=True)
class Lives:
    """Listings, ordered by their first session.

    first, last : (n_companies,) session index of the first and of the last bar
    fate : (n_companies,) of Fate
    """

    first: Ints
    last: Ints
    fate: npt.NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.first)

    def stays(self) -> Bools:
        """Return who is still listed when the market's data end, (n_companies,)."""
        stays: Bools = self.fate == Fate.STAYS
        return stays

    def listed(self, sessions: Ints) -> Bools:
        """Return who has a bar, (n_sessions, n_companies)."""
        listed: Bools = (self.first <= sessions[:, None]) & (sessions[:, None] <= self.last)
        return listed


def lives(seed: int, sessions: int, listed: int) -> Lives:
    """Fill each of `listed` places with one company after the other: a successor starts the session after."""
    random = stream(seed, "lives")
    spells = sorted(spell for _ in range(listed) for spell in _place(random, sessions))
    first, last = np.array(spells, dtype=np.intp).T
    leaves = last < sessions - 1
    bought = random.random(len(first)) < MERGERS
    fate = np.where(leaves, np.where(bought, Fate.MERGES, Fate.FAILS), Fate.STAYS).astype(np.int8)
    return Lives(first, last, fate)


def _place(random: np.random.Generator, sessions: int) -> list[tuple[int, int]]:
    """Return the (first, last) of the companies that held one place."""
    spells: list[tuple[int, int]] = []
    first = 0
    while True:
        last = first + SHORTEST - 1 + int(random.geometric(LEAVERS / 252))
        if last >= sessions - QUIET:
            return [*spells, (first, sessions - 1)]
        spells.append((first, last))
        first = last + 1
