"""Recipes of graphs: which kinds of edges, among which companies."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import nexus
from nexus.contract.code import file_hash
from nexus.db.fingerprint import digest
from nexus.errors import InputError
from nexus.graph.edges import Known, Ties, board, correlation, fund_similarity, sector, stated

_CODE = (
    "graph/edges.py",
    "graph/compose.py",
    "graph/sic.py",
    "db/graph.py",
    "db/relations.py",
    "maths/correlation*.py",
)
PRICES = "prices.close"


@dataclass(frozen=True)
class EdgeKind:
    """One kind of edges.

    make : a function of `nexus.graph.edges`; params : handed to it
    inputs : of the panel, read for it; the `relations` table is read for every graph
    """

    name: str
    make: Callable[..., Iterator[Ties]] = field(repr=False)
    params: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    inputs: tuple[str, ...] = ()

    def ties(self, known: Known) -> Iterator[Ties]:
        """Its edges."""
        return self.make(known, **self.params)


@dataclass(frozen=True)
class Recipe:
    """How a graph is made; another name, version, kind, parameter or universe is another builder.

    universe : its members are the company nodes; None: whoever has a price on the day
    """

    name: str
    version: str
    kinds: tuple[EdgeKind, ...]
    universe: str | None = None

    @cached_property
    def builder(self) -> str:
        """Digest of the recipe and of the code that makes edges and snapshots; comments and docstrings do not count."""
        files = [path for pattern in _CODE for path in sorted(Path(nexus.__file__).parent.glob(pattern))]
        kinds = [(kind.name, sorted(kind.params.items()), kind.inputs) for kind in self.kinds]
        return digest(self.name, self.version, self.universe, kinds, *map(file_hash, files))

    @property
    def members(self) -> str:
        """The input that says who is a member."""
        return PRICES if self.universe is None else f"universe_members.{self.universe}"

    @property
    def inputs(self) -> tuple[str, ...]:
        """What is read of the panel."""
        return tuple(sorted({self.members, *(name for kind in self.kinds for name in kind.inputs)}))

    @property
    def lead(self) -> int:
        """Sessions with prices before the first snapshot: the window, where all its edges look back over one."""
        windows = [kind.params.get("window", 0) for kind in self.kinds]
        return max(windows) if all(windows) else 0

    @property
    def priced(self) -> bool:
        """Whether prices are read."""
        return PRICES in self.inputs


def _sector(*schemes: str) -> EdgeKind:
    inputs = tuple(f"classifications.{scheme}" for scheme in schemes)
    return EdgeKind("sector", sector, MappingProxyType({"schemes": schemes, "k": 5}), inputs)


def _correlation(k: int) -> EdgeKind:
    return EdgeKind("correlation", correlation, MappingProxyType({"window": 252, "k": k}), (PRICES,))


_TIES = (
    EdgeKind("stated", stated),
    EdgeKind("board", board),
    EdgeKind("fund_similarity", fund_similarity),
    _sector("GICS", "SIM", "SIC", "RSR"),
)
RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {
        recipe.name: recipe
        for recipe in (
            Recipe("monthly", "1", (*_TIES, _correlation(10))),
            Recipe("relations", "1", _TIES),
            Recipe("correlation", "1", (_correlation(50),)),
        )
    }
)


def recipe(name: str, universe: str | None = None) -> Recipe:
    """The recipe of that name, of a universe.

    Raises
    ------
    InputError
        When there is no recipe of that name.
    """
    if name not in RECIPES:
        raise InputError(f'graph "{name}": there is no such recipe; there are {", ".join(RECIPES)}')
    return replace(RECIPES[name], universe=universe)
