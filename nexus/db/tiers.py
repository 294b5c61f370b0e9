"""Which sources a read used, and the tier that follows from how those know when they knew."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from nexus.db.data import Data
from nexus.db.inputs import Inputs
from nexus.db.pieces import Pieces
from nexus.db.request import Source


def sources_used(pieces: Pieces, inputs: Inputs, data: Data) -> dict[str, frozenset[Source]]:
    """Per declared input the sources of its rows; for prices those of the corporate actions that count too."""
    used: dict[str, frozenset[Source]] = {}
    for declared in inputs.names:
        table, _, name = declared.partition(".")
        piece = pieces[table]
        if table == "prices":
            ranks = np.concatenate([piece["sources"], data.actions_at(data.as_of, len(data.market.days)).source])
        elif table == "fundamentals":
            ranks = piece["source"][piece["field"] == inputs.of(table).index(name)]
        else:
            ranks = piece["source"][piece["name"] == name]
        used[declared] = frozenset(data.sources[rank] for rank in np.unique(ranks).tolist())
    return used


def tier(used: Mapping[str, Iterable[Source]], inputs: Inputs) -> str:
    """C where a source of the inputs is backdated, B where one is assumed, else A."""
    bases = {source.known_at_basis for name in inputs.names for source in used[name]}
    return "C" if "backdated" in bases else "B" if "assumed" in bases else "A"
