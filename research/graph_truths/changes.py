"""Scores of a graph's changes alone: drift of embeddings by weights that were never trained, change of PageRank."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import torch

from nexus.db.graph import Graph
from nexus.graph.centrality import Joined
from nexus.graph.gnn.data import FEATURES, HISTORY, metadata, tensors
from nexus.ingest.simulate.economy import Economy
from nexus.maths.types import Floats, Ints
from nexus.nn.hgt import HGTEncoder
from nexus.signals.factors.graph_based import STILL
from research.graph_truths.graphs import graphs

SNAPSHOTS = 12
"""Over which PageRank changes."""


def drift(world: Economy) -> Floats:
    """One minus the cosine of each company's embedding and that of the month before, (n_months, n_companies).

    As the factor of this name, by an HGT with random weights: what structure alone makes of every change.
    """
    scores = np.full((len(world.time.months), len(world.lives)), np.nan)
    for month, (before, now) in enumerate(pairwise(_embeddings(world)), 1):
        ids, was, there = np.intersect1d(before[0], now[0], assume_unique=True, return_indices=True)
        one, other = before[1][was], now[1][there]
        moved = 1 - (one * other).sum(axis=1) / (np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1))
        if np.mean(moved < STILL) <= 0.5:
            scores[month, ids] = moved
    return scores


def centrality_change(world: Economy) -> Floats:
    """Change of PageRank over SNAPSHOTS month-ends, (n_months, n_companies)."""
    known = np.full((len(world.time.months), len(world.lives)), np.nan)
    for month, graph in enumerate(_known(world)):
        joined = Joined.of(graph)
        known[month, graph.nodes["company"]] = joined.shares()["pagerank"][joined.companies]
    change = np.full_like(known, np.nan)
    change[SNAPSHOTS:] = known[SNAPSHOTS:] - known[:-SNAPSHOTS]
    return change


def _known(world: Economy) -> list[Graph]:
    return graphs(world, range(len(world.time.months)))


def _embeddings(world: Economy) -> Iterator[tuple[Ints, Floats]]:
    """Of each month-end the companies and their embeddings."""
    known = _known(world)
    with torch.random.fork_rng():
        torch.manual_seed(world.seed)
        encoder = HGTEncoder(metadata(known), len(FEATURES)).eval()
    for place, graph in enumerate(known):
        made = tensors(graph, known[max(0, place - HISTORY) : place])
        with torch.no_grad():
            embedded = encoder(made.features, made.edge_index)["company"]
        yield graph.nodes["company"], embedded.double().numpy()
