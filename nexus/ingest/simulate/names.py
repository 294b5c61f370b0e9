"""Tickers, their renames and their second owners; a company's identity is its CIK."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nexus.ingest.simulate.lives import Lives
from nexus.ingest.simulate.risk import YEAR
from nexus.ingest.simulate.streams import stream
from nexus.maths.types import Ints

RENAMES = 0.01
"""Share of the listed companies that change their ticker in a year."""
REUSED = 2
"""Tickers of leavers that a company listed at least a year later takes over."""
FIRST_CIK = 9_000_001
ALPHABET, LETTERS = "BCDFGHJKLMNPQRSTVWXZ", 4


@dataclass(frozen=True)
class Names:
    """Ticker spells, ordered by company and start.

    company, start : (n_spells,), index of the company and session index from which the ticker holds
    ticker : (n_spells,) str
    cik : (n_companies,)
    """

    company: Ints
    start: Ints
    ticker: npt.NDArray[np.str_]
    cik: Ints

    def spell(self, company: Ints, session: Ints) -> Ints:
        """Return the spell in force for each company at each session; its first one before that."""
        key = self.company * _WIDE + self.start
        at = np.searchsorted(key, company * _WIDE + session, side="right") - 1
        return np.maximum(at, np.searchsorted(self.company, company))

    def at(self, company: Ints, session: Ints) -> npt.NDArray[np.str_]:
        """Return the ticker in force, as `spell` finds it."""
        return self.ticker[self.spell(company, session)]


_WIDE = 1 << 32


def names(seed: int, lives: Lives) -> Names:
    """Give each company a ticker, a new one to some, and to the latest two that of a company long gone."""
    random = stream(seed, "names")
    company, start = _spells(random, lives)
    ticker = _tickers(random, len(company))
    gone = np.flatnonzero(~lives.stays())
    gone = gone[np.argsort(lives.last[gone])][:REUSED]
    heirs = np.arange(len(lives) - len(gone), len(lives))
    for heir, predecessor in zip(heirs, gone, strict=True):
        if lives.first[heir] > lives.last[predecessor] + YEAR:
            ticker[np.searchsorted(company, heir)] = ticker[np.searchsorted(company, predecessor, side="right") - 1]
    return Names(company, start, ticker, FIRST_CIK + np.arange(len(lives)))


def _spells(random: np.random.Generator, lives: Lives) -> tuple[Ints, Ints]:
    """Return company and first session of each spell, ordered: one from the listing and one from each rename."""
    length = lives.last - lives.first + 1
    renamed = np.repeat(np.arange(len(lives)), random.poisson(RENAMES / YEAR * length))
    session = lives.first[renamed] + 1 + random.integers(length[renamed] - 1)
    company, start = np.r_[np.arange(len(lives)), renamed], np.r_[lives.first, session]
    company, start = np.unique([company, start], axis=1)
    return company, start


def _tickers(random: np.random.Generator, n: int) -> npt.NDArray[np.str_]:
    """Return different tickers; without vowels none is a word, least of all one that a CSV reader takes for a gap."""
    codes = random.choice(len(ALPHABET) ** LETTERS, n, replace=False)
    letters = np.array(list(ALPHABET))[codes[:, None] // len(ALPHABET) ** np.arange(LETTERS) % len(ALPHABET)]
    return np.ascontiguousarray(letters).view(f"<U{LETTERS}")[:, 0]
