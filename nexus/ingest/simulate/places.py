"""Who holds, directs and supplies whom: places that are filled, vacated and filled again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from nexus.ingest.simulate.columns import DAY, office_hours
from nexus.ingest.simulate.lives import Lives
from nexus.ingest.simulate.streams import stream
from nexus.ingest.simulate.timeline import Timeline
from nexus.maths.types import Bools, Dates, Floats, Ints

Draw = Callable[[np.random.Generator, Ints, Ints, Bools], Ints]
"""(random, held, pool, wanted) -> a partner of `pool` for each place, (n_owners, places), read where `wanted`."""


@dataclass(frozen=True)
class Relation:
    """How a kind of tie comes and goes.

    owners, partners : how many, None: the companies; an owner has `places` partners
    vacated : share of places that fall free at each step, `every` so many months
    lag : days until a beginning or an end is known, at least and less than
    """

    name: str
    owner_kind: str
    partner_kind: str
    owners: int | None
    partners: int | None
    places: int
    vacated: float
    every: int
    lag: tuple[int, int]
    weighted: bool = True
    owner_is_src: bool = True


HOLDS = Relation("holds", "fund", "company", 40, None, 30, 0.10, 3, (32, 46))
DIRECTS = Relation(
    "director_of", "company", "director", None, 3000, 7, 0.012, 1, (2, 5), weighted=False, owner_is_src=False
)
SUPPLIES = Relation("supplies", "company", "company", None, None, 3, 0.02, 1, (32, 91))


@dataclass(frozen=True)
class Ties:
    """Spells, (n_ties,) each.

    owner, partner : indices
    start, end : the first session and the first session after; the number of sessions where it outlasts the market
    weight : NaN where the relation has none
    known, over : instants at which the beginning and the end become known; NaT where there is no end
    """

    owner: Ints
    partner: Ints
    start: Ints
    end: Ints
    weight: Floats
    known: Dates
    over: Dates

    def open(self, instant: np.datetime64) -> Ints:
        """Return the ties that are known at an instant to be open: their beginning is, and no end is."""
        return np.flatnonzero((self.known <= instant) & ~(self.over <= instant))

    def coming(self, instant: np.datetime64) -> Ints:
        """Return the ties of which nothing is known yet at an instant, whether they exist by then or not."""
        return np.flatnonzero(self.known > instant)


def uniformly(random: np.random.Generator, held: Ints, pool: Ints, wanted: Bools) -> Ints:
    """Draw anybody of the pool for every place."""
    return random.choice(pool, held.shape)


def ties(
    seed: int, time: Timeline, lives: Lives, relation: Relation, draw: Draw = uniformly, part: str | None = None
) -> Ties:
    """Fill the places of a relation from the first session to the last.

    draw : who fills the free places
    part : the random stream that all is drawn from, where it is not the relation's own
    """
    part = part or relation.name
    random = stream(seed, part)
    last_owner, last_partner = (_last(time, lives, n) for n in (relation.owners, relation.partners))
    steps = np.append(0, time.months[:: relation.every])
    owners, partners = (_alive(lives, n, steps) for n in (relation.owners, relation.partners))
    held = np.full((owners.shape[1], relation.places), -1)
    since = np.zeros_like(held)
    found = []
    for step, owner_alive, partner_alive in zip(steps, owners, partners, strict=True):
        stays = (held >= 0) & owner_alive[:, None] & partner_alive[held]
        stays &= random.random(held.shape) >= relation.vacated
        found.append(_closed(held, since, ~stays, step))
        held = np.where(stays, held, -1)
        wanted = ~stays & owner_alive[:, None]
        drawn = np.where(wanted, draw(random, held, np.flatnonzero(partner_alive), wanted), held)
        held = _sensible(held, drawn, relation.owner_kind == relation.partner_kind)
        since = np.where(stays, since, step)
    found.append(_closed(held, since, held >= 0, len(time)))
    owner, partner, start, end = np.concatenate(found, axis=1)
    end = np.minimum(end, np.minimum(last_owner[owner], last_partner[partner]) + 1)
    return Ties(owner, partner, start, end, *_disclosed(stream(seed, f"{part} known"), time, relation, start, end))


def _last(time: Timeline, lives: Lives, n: int | None) -> Ints:
    """Return the last session of each owner or partner; funds and directors outlast the market."""
    return lives.last if n is None else np.full(n, len(time) - 1)


def _alive(lives: Lives, n: int | None, steps: Ints) -> Bools:
    """Return who is there at each step, (n_steps, n)."""
    return lives.listed(steps) if n is None else np.ones((len(steps), n), dtype=bool)


def _closed(held: Ints, since: Ints, ends: Bools, step: int) -> Ints:
    """Return owner, partner, start and end of the filled places that end, (4, n_ties)."""
    owner, place = np.nonzero(ends & (held >= 0))
    return np.array([owner, held[owner, place], since[owner, place], np.full(len(owner), step)])


def _sensible(held: Ints, drawn: Ints, one_kind: bool) -> Ints:
    """Return `drawn`, but who would be there twice, or tied to itself, leaves the place empty."""
    kept, place = held >= 0, np.arange(held.shape[1])
    same = drawn[:, :, None] == drawn[:, None, :]
    twice = (same & (kept[:, None, :] | (place < place[:, None]))).any(axis=2)
    itself = one_kind & (drawn == np.arange(len(held))[:, None])
    sensible: Ints = np.where(~kept & (twice | itself), -1, drawn)
    return sensible


def _disclosed(
    random: np.random.Generator, time: Timeline, relation: Relation, start: Ints, end: Ints
) -> tuple[Floats, Dates, Dates]:
    """Return weight, and the instants at which beginning and end become known, the end after the beginning."""
    n = len(start)
    weight = random.uniform(0.01, 0.1, size=n) if relation.weighted else np.full(n, np.nan)
    begun, ended = time.dates[start], np.append(time.dates, np.datetime64("NaT"))[end]
    known = office_hours(random, begun + random.integers(*relation.lag, size=n) * DAY)
    past = np.flatnonzero(~np.isnat(ended))
    over = np.full(n, np.datetime64("NaT"), known.dtype)
    over[past] = office_hours(random, ended[past] + random.integers(*relation.lag, size=len(past)) * DAY)
    return weight, known, np.maximum(over, known + DAY)
