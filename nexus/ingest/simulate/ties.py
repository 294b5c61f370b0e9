"""The ties as files: a row when a tie becomes known, and another when its end does."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nexus.ingest.simulate.columns import days, instants
from nexus.ingest.simulate.market import Market
from nexus.ingest.simulate.places import DIRECTS, HOLDS, SUPPLIES, Relation, Ties, ties
from nexus.maths.types import Ints

NOT_YET = np.datetime64("NaT")


def relations(market: Market) -> pd.DataFrame:
    """Return src_kind, src, relation, dst_kind, dst, valid_from, valid_to, weight, known_at.

    A row when a tie becomes known, without valid_to, and another when its end does.
    """
    world = market.economy
    found = [(relation, ties(world.seed, world.time, world.lives, relation)) for relation in (HOLDS, DIRECTS)]
    return pd.concat([_rows(market, *each) for each in [*found, (SUPPLIES, world.supply)]], ignore_index=True)


def _rows(market: Market, relation: Relation, found: Ties) -> pd.DataFrame:
    """Return a row per beginning and a row per end that became known before the market's last close."""
    time = market.economy.time
    begun, ended = time.dates[found.start], np.append(time.dates, NOT_YET)[found.end]
    owner = _label(market, relation.owner_kind, found.owner, found.start)
    partner = _label(market, relation.partner_kind, found.partner, found.start)
    src, dst = (owner, partner) if relation.owner_is_src else (partner, owner)
    kinds = (relation.owner_kind, relation.partner_kind)
    opening = pd.DataFrame(
        {
            "src_kind": kinds[not relation.owner_is_src],
            "src": src,
            "relation": relation.name,
            "dst_kind": kinds[relation.owner_is_src],
            "dst": dst,
            "valid_from": days(begun),
            "valid_to": days(np.full(len(begun), NOT_YET, begun.dtype)),
            "weight": found.weight,
        }
    )
    past = np.flatnonzero(~np.isnat(ended))
    both = pd.concat([opening, opening.iloc[past].assign(valid_to=days(ended[past]))], ignore_index=True)
    known = np.concatenate([found.known, found.over[past]])
    rows: pd.DataFrame = both.assign(known_at=instants(known)).loc[known <= time.closes[-1]]
    return rows


def _label(market: Market, kind: str, index: Ints, session: Ints) -> np.ndarray:
    """Return the ticker at the beginning of the tie, or the name of a fund or director."""
    if kind == "company":
        return market.names.at(index, session)
    return np.array([f"Simulated {kind} {i:04d}" for i in range(index.max() + 1)])[index]
