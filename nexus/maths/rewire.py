"""Random graphs that keep the degrees of a given one: what is left when only who is tied to whom is lost."""

from __future__ import annotations

import numpy as np

from nexus.maths.types import Bools, Ints

ROUNDS = 1_000
"""Swaps are tried at most so often; a graph so dense that it has hardly another keeps a few repetitions."""


def rewired(src: Ints, dst: Ints, random: np.random.Generator) -> tuple[Ints, Ints]:
    """Permute the targets of directed edges, (n_edges,) each: every in-degree and out-degree stays.

    No edge becomes a loop or comes twice; those that would swap targets with others, chosen at random, until none does.
    Maslov & Sneppen (2002), from a random start instead of the given graph.
    """
    dst = random.permutation(dst)
    for _ in range(ROUNDS):
        bad = np.flatnonzero(_improper(src, dst))
        if not len(bad):
            break
        for edge, other in zip(bad, random.integers(0, len(dst), len(bad)), strict=True):
            dst[edge], dst[other] = dst[other], dst[edge]
    return src.copy(), dst


def _improper(src: Ints, dst: Ints) -> Bools:
    """Loops, and repetitions of an earlier edge."""
    pair = src.astype(np.int64) << 32 | dst
    repeated = np.ones(len(pair), bool)
    repeated[np.unique(pair, return_index=True)[1]] = False
    return np.asarray(repeated | (src == dst))
