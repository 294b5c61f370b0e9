"""Which sources a read used, and the tier that follows from how those know when they knew."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from nexus.db.data import Data
from nexus.db.inputs import MADE, Inputs
from nexus.db.pieces import Pieces
from nexus.db.request import Source

_TIERS = {"reported": "A", "assumed": "B", "backdated": "C"}


def sources_used(pieces: Pieces, inputs: Inputs, data: Data) -> dict[str, frozenset[Source]]:
    """Per declared fact the sources of its rows; for prices those of the corporate actions that count too."""
    used: dict[str, frozenset[Source]] = {}
    for declared in inputs.names:
        table, _, name = declared.partition(".")
        if table in MADE:
            continue
        piece = pieces[table]
        if table == "prices":
            ranks = np.concatenate([piece["sources"], data.actions_at(data.as_of, len(data.market.days)).source])
        elif table == "fundamentals":
            ranks = piece["source"][piece["field"] == inputs.of(table).index(name)]
        else:
            ranks = piece["source"][piece["name"] == name]
        used[declared] = frozenset(data.sources[rank] for rank in np.unique(ranks).tolist())
    return used


def tier(used: Mapping[str, Iterable[Source]], made: Mapping[str, str | None], inputs: Inputs) -> str:
    """C where a source of the inputs is backdated, B where one is assumed, else A; `made`: tiers that inputs bring."""
    sources = (_TIERS[source.known_at_basis] for name in inputs.names for source in used.get(name, ()))
    return max((*sources, *(made.get(name) or "A" for name in inputs.names)), default="A")
