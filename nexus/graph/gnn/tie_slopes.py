"""Edges among the ties that encodings are made of: where each stands, and what it adds to first order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from nexus.graph.gnn.data import UNDIRECTED
from nexus.graph.gnn.edge_list import EdgeList
from nexus.maths.types import Floats, Ints
from nexus.nn.pearl import Ties


def tracked(ties: Ties) -> Ties:
    """The same ties, of which gradients can be taken."""
    relations = {name: _leaf(each) for name, each in ties.relations.items()}
    return replace(ties, counts=_leaf(ties.counts), relations=relations)


def matrices(ties: Ties) -> list[Tensor]:
    """All there are, in the order that `by_edge` takes their gradients."""
    return [ties.counts, *ties.relations.values()]


def by_edge(edges: EdgeList, ties: Ties, slopes: Sequence[Tensor | None]) -> Floats:
    """First-order change by each edge (n_edges,), as if without it all others kept their scale."""
    found = np.zeros(len(edges))
    for name, matrix, slope in zip([None, *ties.relations], matrices(ties), slopes, strict=True):
        if slope is not None:
            for numbers, rows, columns in _entries(edges, name):
                unit = _at(matrix, rows, columns) if name else 1.0
                found[numbers] += unit * _at(slope, rows, columns)
    return found


def pairs_of(edges: EdgeList, counts: Tensor) -> Ints:
    """The one edge that ties each pair of `counts`, (n_pairs,), in their order; -1 where there are more."""
    found = np.full(counts.indices().shape[1], -1)
    for numbers, rows, columns in _entries(edges, None):
        places = _places(counts, rows, columns)
        found[places[places >= 0]] = numbers[places >= 0]
    found[counts.values().numpy() != 1] = -1
    return found


def _entries(edges: EdgeList, name: str | None) -> Iterator[tuple[Ints, Ints, Ints]]:
    """Edges, and row (who hears) and column of each, of all ties or of one relation in one direction."""
    src, dst = edges.ends
    if name is None:
        every = np.arange(len(edges))
        yield from ((every, dst, src), (every, src, dst))
        return
    base = name.removeprefix("rev_")
    named = [place for place, kind in enumerate(edges.kinds) if kind[1] == base]
    numbers = np.flatnonzero(np.isin(edges.kind, named))
    if base == name:
        yield numbers, dst[numbers], src[numbers]
    if base != name or base in UNDIRECTED:
        yield numbers, src[numbers], dst[numbers]


def _at(matrix: Tensor, rows: Ints, columns: Ints) -> Floats:
    """Values of a sparse matrix; 0 where it has none."""
    matrix = matrix.detach().cpu().coalesce()
    places = _places(matrix, rows, columns)
    values: Floats = matrix.values().double().numpy()
    return np.where(places >= 0, values[places], 0.0) if len(values) else np.zeros(len(rows))


def _places(matrix: Tensor, rows: Ints, columns: Ints) -> Ints:
    """Where among the entries of a coalesced matrix; -1 where it has none."""
    n, (row, column) = matrix.shape[1], matrix.indices().numpy()
    keys, wanted = row * n + column, rows * n + columns
    if not len(keys):
        return np.full(len(wanted), -1)
    places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[places] == wanted, places, -1)


def _leaf(matrix: Tensor) -> Tensor:
    return torch.Tensor.requires_grad_(matrix.detach().clone())
