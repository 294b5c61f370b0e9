"""Everything a panel has read, on its sessions and companies: what views and labels are made from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property

import numpy as np

from nexus.db.actions import Actions, no_actions, place_actions
from nexus.db.inputs import MADE, Inputs
from nexus.db.made import Made
from nexus.db.pieces import Pieces
from nexus.db.prices import Prices, no_prices, place_prices
from nexus.db.request import Days, Ints, Market, Request, Source
from nexus.db.snapshot import distinct
from nexus.db.spells import Facts, place_facts
from nexus.db.vintages import Vintages, place_vintages

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Data:
    """Facts on (n sessions, m companies); `facts` is keyed (table, name), `vintages` by field.

    as_of : microseconds since 1970 UTC
    """

    as_of: int
    market: Market
    companies: Ints
    sources: tuple[Source, ...]
    prices: Prices
    actions: Actions
    vintages: dict[str, Vintages]
    facts: dict[tuple[str, str], Facts]
    made: Made

    @cached_property
    def bases(self) -> Days:
        """By rank of source, the day up to which its prices are adjusted for splits."""
        return np.array([source.basis for source in self.sources], dtype="datetime64[D]")

    def actions_at(self, instant: int, last: int) -> Actions:
        """Corporate actions that a reader at `instant` applies, with an ex-date by session `last`."""
        return self.actions.known(instant, last, self.prices.sources(instant), self.bases)


def place(pieces: Pieces, request: Request, inputs: Inputs, made: Made) -> Data:
    """Put what was read on the sessions and companies of the panel.

    The companies are those asked for, else those of the prices, else (nothing being read of prices) of the declared
    universes, else of all that was read.
    """
    companies = _companies(pieces, request, made)
    names = [tuple(name.split(".", 1)) for name in inputs.names]
    facts = {
        (table, name): place_facts(pieces[table], name, companies, request.market)
        for table, name in names
        if table not in ("prices", "fundamentals", *MADE)
    }
    vintages = {
        field: place_vintages(pieces["fundamentals"], number, companies)
        for number, field in enumerate(inputs.of("fundamentals"))
    }
    priced = "prices" in pieces
    prices = place_prices(pieces["prices"], len(request.market.days)) if priced else no_prices(len(companies))
    actions = place_actions(pieces["corporate_actions"], request, companies) if priced else no_actions()
    as_of = (request.as_of - EPOCH) // timedelta(microseconds=1)
    return Data(as_of, request.market, companies, request.sources, prices, actions, vintages, facts, made.on(companies))


def _companies(pieces: Pieces, request: Request, made: Made) -> Ints:
    if "prices" in pieces:
        return pieces["prices"]["company_id"]
    if request.companies is not None:
        return np.array(request.companies, dtype=np.int64)
    if "universe_members" in pieces:
        return distinct(pieces["universe_members"]["company_id"])
    return distinct(made.companies, *(pieces[name]["company_id"] for name in pieces if name != "benchmarks"))
