"""One simulated market, whole."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from nexus.ingest.simulate.bars import Bars, bars
from nexus.ingest.simulate.economy import START, Economy, economy
from nexus.ingest.simulate.names import Names, names
from nexus.ingest.simulate.neighbours import Label
from nexus.ingest.simulate.truths import Truths, truths_of
from nexus.ingest.simulate.wiring import Wiring


@dataclass(frozen=True)
class Market:
    """What happened (economy), what was printed (bars), under which names, and what a judge should find (truths)."""

    economy: Economy
    bars: Bars
    names: Names
    truths: Truths


def simulate(
    seed: int = 0,
    sessions: int = 5040,
    listed: int = 500,
    start: date = START,
    wiring: Wiring = "affinity",
    label: Label = "planted",
) -> Market:
    """Draw a market: equal arguments give the same one to the last bit.

    wiring : how companies find customers: by affinity, at random, or only at the first session ("static")
    label : what pays: what is planted, or only customers' returns ("supply") or the number of suppliers ("degree")
    """
    world = economy(seed, sessions, listed, start, wiring, label)
    return Market(world, bars(world), names(seed, world.lives), truths_of(world))
