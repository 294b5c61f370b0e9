"""Who holds, directs and supplies whom: places that are filled, vacated and filled again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from nexus.ingest.simulate.columns import DAY, days, instants, office_hours
from nexus.ingest.simulate.market import Market
from nexus.ingest.simulate.streams import stream
from nexus.maths.types import Bools, Ints


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


RELATIONS = (
    Relation("holds", "fund", "company", 40, None, 30, 0.10, 3, (32, 46)),
    Relation("director_of", "company", "director", None, 3000, 7, 0.012, 1, (2, 5), weighted=False, owner_is_src=False),
    Relation("supplies", "company", "company", None, None, 3, 0.02, 1, (32, 91)),
)


@dataclass(frozen=True)
class Ties:
    """Spells, (n_ties,) each: indices of owner and partner, the first session and the first session after."""

    owner: Ints
    partner: Ints
    start: Ints
    end: Ints


def relations(market: Market) -> pd.DataFrame:
    """Return src_kind, src, relation, dst_kind, dst, valid_from, valid_to, weight, known_at.

    A row when a tie becomes known, without valid_to, and another when its end does.
    """
    return pd.concat([_rows(market, relation, ties(market, relation)) for relation in RELATIONS], ignore_index=True)


def ties(market: Market, relation: Relation) -> Ties:
    """Fill the places of a relation from the first session to the last."""
    random = stream(market.economy.seed, relation.name)
    time = market.economy.time
    last_owner, last_partner = (_last(market, n) for n in (relation.owners, relation.partners))
    steps = np.append(0, time.months[:: relation.every])
    owners, partners = (_alive(market, n, steps) for n in (relation.owners, relation.partners))
    held = np.full((owners.shape[1], relation.places), -1)
    since = np.zeros_like(held)
    found = []
    for step, owner_alive, partner_alive in zip(steps, owners, partners, strict=True):
        stays = (held >= 0) & owner_alive[:, None] & partner_alive[held]
        stays &= random.random(held.shape) >= relation.vacated
        found.append(_closed(held, since, ~stays, step))
        held = _filled(random, np.where(stays, held, -1), owner_alive, np.flatnonzero(partner_alive), relation)
        since = np.where(stays, since, step)
    found.append(_closed(held, since, held >= 0, len(time)))
    owner, partner, start, end = np.concatenate(found, axis=1)
    return Ties(owner, partner, start, np.minimum(end, np.minimum(last_owner[owner], last_partner[partner]) + 1))


def _last(market: Market, n: int | None) -> Ints:
    """Return the last session of each owner or partner; funds and directors outlast the market."""
    return market.economy.lives.last if n is None else np.full(n, len(market.economy.time) - 1)


def _alive(market: Market, n: int | None, steps: Ints) -> Bools:
    """Return who is there at each step, (n_steps, n)."""
    return market.economy.lives.listed(steps) if n is None else np.ones((len(steps), n), dtype=bool)


def _closed(held: Ints, since: Ints, ends: Bools, step: int) -> Ints:
    """Return owner, partner, start and end of the filled places that end, (4, n_ties)."""
    owner, place = np.nonzero(ends & (held >= 0))
    return np.array([owner, held[owner, place], since[owner, place], np.full(len(owner), step)])


def _filled(random: np.random.Generator, held: Ints, owners: Bools, pool: Ints, relation: Relation) -> Ints:
    """Draw partners for the empty places; who would be there twice, or tied to itself, leaves the place empty."""
    kept, place = held >= 0, np.arange(held.shape[1])
    drawn = np.where(~kept & owners[:, None], random.choice(pool, held.shape), held)
    same = drawn[:, :, None] == drawn[:, None, :]
    twice = (same & (kept[:, None, :] | (place < place[:, None]))).any(axis=2)
    itself = (drawn == np.arange(len(held))[:, None]) & (relation.owner_kind == relation.partner_kind)
    filled: Ints = np.where(~kept & (twice | itself), -1, drawn)
    return filled


def _rows(market: Market, relation: Relation, found: Ties) -> pd.DataFrame:
    """Return a row per beginning and a row per end that became known before the market's last close."""
    random = stream(market.economy.seed, f"{relation.name} known")
    time, n = market.economy.time, len(found.start)
    begun, ended = time.dates[found.start], np.append(time.dates, np.datetime64("NaT"))[found.end]
    owner = _label(market, relation.owner_kind, found.owner, found.start)
    partner = _label(market, relation.partner_kind, found.partner, found.start)
    src, dst = (owner, partner) if relation.owner_is_src else (partner, owner)
    kinds = (relation.owner_kind, relation.partner_kind)
    weight = random.uniform(0.01, 0.1, size=n) if relation.weighted else np.full(n, np.nan)
    opening = pd.DataFrame(
        {
            "src_kind": kinds[not relation.owner_is_src],
            "src": src,
            "relation": relation.name,
            "dst_kind": kinds[relation.owner_is_src],
            "dst": dst,
            "valid_from": days(begun),
            "valid_to": days(np.full(n, np.datetime64("NaT"), begun.dtype)),
            "weight": weight,
        }
    )
    known = office_hours(random, begun + random.integers(*relation.lag, size=n) * DAY)
    over = np.flatnonzero(~np.isnat(ended))
    known_over = office_hours(random, ended[over] + random.integers(*relation.lag, size=len(over)) * DAY)
    closing = opening.iloc[over].assign(valid_to=days(ended[over]))
    both = pd.concat([opening, closing], ignore_index=True)
    known = np.concatenate([known, np.maximum(known_over, known[over] + DAY)])
    rows: pd.DataFrame = both.assign(known_at=instants(known)).loc[known <= time.closes[-1]]
    return rows


def _label(market: Market, kind: str, index: Ints, session: Ints) -> np.ndarray:
    """Return the ticker at the beginning of the tie, or the name of a fund or director."""
    if kind == "company":
        return market.names.at(index, session)
    return np.array([f"Simulated {kind} {i:04d}" for i in range(index.max() + 1)])[index]
