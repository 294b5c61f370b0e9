"""The part of a view that shows graphs and what modules made of them, as known at the close."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from nexus.db.bars import Floats
from nexus.db.data import Data
from nexus.db.graph import Graph
from nexus.db.inputs import Inputs
from nexus.db.request import Days, Ints
from nexus.errors import InputError

Array = TypeVar("Array", bound=NDArray[Any])


class GraphView:
    """Graphs and outputs known at the close of `day`; arrays are read-only."""

    def __init__(self, data: Data, row: int, inputs: Inputs) -> None:
        self._data, self._row, self._inputs = data, row, inputs
        self._instant = int(data.market.closes[row])
        self.day: np.datetime64 = data.market.days[row]
        self.companies: Ints = frozen(data.companies.copy())

    def graph(self, graph: str) -> Graph:
        """The newest snapshot of a graph; its nodes and edges are entity ids, not places among `companies`.

        Raises
        ------
        InputError
            When none is known yet.
        """
        found = self.graphs(graph, 1)
        if not found:
            raise InputError(
                f'graph "{graph}": no snapshot is known on {self.day}; build it by `nexus graph snapshots`, '
                "or begin on a later day"
            )
        return found[0]

    def graphs(self, graph: str, n: int) -> list[Graph]:
        """The `n` newest snapshots of a graph, oldest first; fewer where fewer are known."""
        self._inputs.require("graph_snapshots", graph)
        return self._data.made.graphs[graph].known(self.day, self._instant, n)

    def embeddings(self, model_version: str, n: int = 1) -> tuple[Days, Floats]:
        """The newest k <= n snapshot dates, oldest first, and the companies' vectors on each, (k,) and (k, m, d).

        All are of one chunk, that of the latest `trained_to` before `day`; NaN where a company has none.
        """
        return self._made("node_embeddings", model_version, n)

    def centrality(self, column: str, n: int = 1) -> tuple[Days, Floats]:
        """A column of `centrality_history` on the newest k <= n days, oldest first, (k,) and (k, m); NaN none."""
        days, made = self._made("centrality_history", column, n)
        return days, frozen(made[:, :, 0].copy())

    def predictions(self, model_version: str) -> Floats:
        """Scores (m,) of the newest day that the model predicted, by weights trained before `day`; NaN none."""
        days, made = self._made("graph_predictions", model_version, 1)
        return frozen(made[0, :, 0].copy() if len(days) else np.full(len(self.companies), np.nan))

    def _made(self, table: str, name: str, n: int) -> tuple[Days, Floats]:
        self._inputs.require(table, name)
        days, made = self._data.made.rows[table, name].newest(self.day, self._instant, n, len(self.companies))
        return frozen(days), frozen(made)


def frozen(array: Array) -> Array:
    """The array, read-only from now on."""
    array.flags.writeable = False
    return array
