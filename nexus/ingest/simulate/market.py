"""One simulated market, whole."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from nexus.ingest.simulate.bars import Bars, bars
from nexus.ingest.simulate.economy import START, Economy, economy
from nexus.ingest.simulate.names import Names, names
from nexus.ingest.simulate.truths import Truths, truths_of


@dataclass(frozen=True)
class Market:
    """What happened (economy), what was printed (bars), under which names, and what a judge should find (truths)."""

    economy: Economy
    bars: Bars
    names: Names
    truths: Truths


def simulate(seed: int = 0, sessions: int = 5040, listed: int = 500, start: date = START) -> Market:
    """Draw a market: equal arguments give the same one to the last bit."""
    world = economy(seed, sessions, listed, start)
    return Market(world, bars(world), names(seed, world.lives), truths_of(world))
