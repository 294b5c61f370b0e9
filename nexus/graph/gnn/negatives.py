"""Pairs that are no edges: half drawn uniformly, half with the degrees of the edges they stand against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nexus.graph.gnn.links import PER_POSITIVE, Kind, Transition, ends
from nexus.maths.types import Bools, Ints

LIKE = 10
"""A node's likes in degree: at least so many nodes (or all there are), those of nearest degree."""
CELLS = 2**27
"""Up to so many pairs it is marked of each whether it is an edge; beyond, edges are searched for."""
ROUNDS = 60
"""A pair that may not be drawn is drawn again at most so often."""


@dataclass(frozen=True)
class Question:
    """Pairs of one edge type and whether each became an edge.

    src, dst : (n,) places among the nodes of the earlier snapshot
    label : (n,) True for edges of the later snapshot; these come first
    note : said when fewer negatives exist than were wanted, else empty
    """

    src: Ints
    dst: Ints
    label: Bools
    note: str = ""

    @property
    def positives(self) -> int:
        """How many are edges."""
        return int(self.label.sum())


def question(step: Transition, kind: Kind, seed: int = 0) -> Question:
    """What every model and baseline is asked of this snapshot and edge type, drawn from the transition's own numbers.

    "new": new edges, against 10 pairs each that neither snapshot has.
    "all": every edge of the later snapshot whose ends the earlier one has, against the edges that ended and one pair
    each that neither snapshot has.
    """
    if kind == "new":
        positives, first, wanted = step.new, np.empty(0, np.int64), PER_POSITIVE * len(step.new)
    else:
        positives, first, wanted = step.positives, step.ended, len(step.positives)
    codes, note = negatives(step, positives, wanted, step.rng(f"evaluation {kind}", seed))
    src, dst = ends(np.concatenate([positives, first, codes]), step.shape[1])
    return Question(src, dst, np.arange(len(src)) < len(positives), note)


def negatives(step: Transition, positives: Ints, wanted: int, random: np.random.Generator) -> tuple[Ints, str]:
    """Up to `wanted` different pairs absent from both snapshots with both ends in both, ascending, and what to say.

    Half are matched on degree: each positive's ends give way to nodes of like degree in the earlier snapshot. Where
    those run out the rest is uniform; where fewer pairs exist than wanted, it is all of them.
    """
    sampler = Sampler([step])
    available = sampler.available(0)
    if wanted >= available:
        few = wanted > available
        return sampler.enumerate(0), f"{wanted} negatives wanted, {available} exist: all of them" if few else ""
    matched, uniform = sampler.requests([positives])
    asked = np.resize(matched, (wanted // 2, 5)) if len(matched) else matched
    drawn = sampler.distinct(random, asked, np.empty(0, np.int64))
    left = wanted - len(drawn)
    if 2 * wanted > available:
        rest = np.setdiff1d(sampler.enumerate(0), drawn, assume_unique=True)
        return np.union1d(drawn, random.choice(rest, left, replace=False)), ""
    return sampler.distinct(random, np.resize(uniform[:1], (left, 5)), drawn, until=wanted), ""


class Sampler:
    """Draws pairs for many transitions of one edge type at once.

    A pair's code is (transition x most sources of any + source) x most targets of any + target; of one transition alone
    that is the transition's own code. A request is a row (transition, first and last source, first and last target)
    of places in the transition's living nodes ordered by degree, all transitions one after the other.
    """

    def __init__(self, steps: Sequence[Transition]) -> None:
        self._steps = steps
        self._undirected = bool(steps) and steps[0].undirected
        self._same = bool(steps) and steps[0].edge_type[0] == steps[0].edge_type[2]
        self._n_sources = max((step.shape[0] for step in steps), default=0)
        self._n_targets = max((step.shape[1] for step in steps), default=0)
        self._edges = _joined([self.codes(place, step.forbidden) for place, step in enumerate(steps)])
        cells = len(steps) * self._n_sources * self._n_targets
        self._is_edge = _marked(self._edges, cells) if cells <= CELLS else None
        self._sources, self._source_start = _by_degree([(s.alive[0], s.degrees[0]) for s in steps])
        self._sinks, self._sink_start = _by_degree([(s.alive[1], s.degrees[1]) for s in steps])

    def codes(self, place: int, own: Ints) -> Ints:
        """Codes among all transitions of a transition's own codes."""
        src, dst = ends(own, self._steps[place].shape[1])
        return (place * self._n_sources + src) * self._n_targets + dst

    def places(self, codes: Ints) -> tuple[Ints, Ints, Ints]:
        """Transition, source and target of codes among all transitions."""
        row, dst = ends(codes, self._n_targets)
        return *ends(row, self._n_sources), dst

    def available(self, place: int) -> int:
        """How many pairs of a transition may be drawn."""
        step = self._steps[place]
        n_sources, n_targets = (int(alive.sum()) for alive in step.alive)
        pairs = n_sources * n_targets - (n_sources if self._same else 0)
        src, dst = ends(step.forbidden, step.shape[1])
        forbidden = int((step.alive[0][src] & step.alive[1][dst]).sum())
        return (pairs // 2 if self._undirected else pairs) - forbidden

    def enumerate(self, place: int) -> Ints:
        """Codes of all pairs of a transition that may be drawn, ascending."""
        step = self._steps[place]
        free = step.alive[0][:, None] & step.alive[1][None, :]
        if self._same:
            src, dst = np.ogrid[: free.shape[0], : free.shape[1]]
            free &= src < dst if self._undirected else src != dst
        free.flat[step.forbidden] = False
        return np.flatnonzero(free)

    def requests(self, positives: Sequence[Ints]) -> tuple[Ints, Ints]:
        """Rows for the positives of each transition: of like degree, and of any.

        Returns two arrays (n positives, 5), in the order of the transitions.
        """
        matched, uniform = [], []
        for place, (step, codes) in enumerate(zip(self._steps, positives, strict=True)):
            every = (self._source_start[place], self._source_start[place + 1],
                     self._sink_start[place], self._sink_start[place + 1])  # fmt: skip
            src, dst = ends(codes, step.shape[1])
            like = (*_like(self._sources[every[0] : every[1]], step.degrees[0], src, every[0]),
                    *_like(self._sinks[every[2] : every[3]], step.degrees[1], dst, every[2]))  # fmt: skip
            matched.append(np.column_stack([np.full(len(codes), place), *like]))
            uniform.append(np.tile(np.array([(place, *every)]), (len(codes), 1)))
        return _stacked(matched), _stacked(uniform)

    def draw(self, random: np.random.Generator, requests: Ints, rounds: int = ROUNDS) -> Ints:
        """The code of one pair per request, which may repeat; -1 where `rounds` draws gave none."""
        drawn = np.full(len(requests), -1, np.int64)
        todo = np.arange(len(requests))
        for _ in range(rounds):
            codes = self._pairs(random, requests[todo])
            fine = codes >= 0
            drawn[todo[fine]] = codes[fine]
            todo = todo[~fine]
            if not len(todo):
                break
        return drawn

    def distinct(self, random: np.random.Generator, requests: Ints, already: Ints, until: int | None = None) -> Ints:
        """`already` and one more pair per request, all different, ascending; with `until`, at least that many or none.

        Without `until` a request that finds nothing new in its rounds is given up.
        """
        drawn, todo, rounds = already, requests, 0
        while len(todo) and (until is not None or rounds < ROUNDS):
            codes = self._pairs(random, todo)
            _, first = np.unique(codes, return_index=True)
            fresh = np.zeros(len(codes), bool)
            fresh[first] = True
            fresh &= (codes >= 0) & ~np.isin(codes, drawn)
            drawn = np.union1d(drawn, codes[fresh])
            todo, rounds = todo[~fresh], rounds + 1
        return drawn

    def _pairs(self, random: np.random.Generator, requests: Ints) -> Ints:
        """One try per request; -1 where the pair may not be."""
        place, source_from, source_to, sink_from, sink_to = requests.T
        src = self._sources[_between(random, source_from, source_to)]
        dst = self._sinks[_between(random, sink_from, sink_to)]
        if self._undirected:
            src, dst = np.minimum(src, dst), np.maximum(src, dst)
        codes = (place * self._n_sources + src) * self._n_targets + dst
        bad = _among(codes, self._edges) if self._is_edge is None else self._is_edge[codes]
        if self._same:
            bad |= src == dst
        return np.where(bad, -1, codes)


def _marked(codes: Ints, cells: int) -> Bools:
    marked = np.zeros(cells, bool)
    marked[codes] = True
    return marked


def _among(codes: Ints, ascending: Ints) -> Bools:
    found = np.minimum(np.searchsorted(ascending, codes), max(len(ascending) - 1, 0))
    return ascending[found] == codes if len(ascending) else np.zeros(len(codes), bool)


def _between(random: np.random.Generator, low: Ints, high: Ints) -> Ints:
    return low + (random.random(len(low)) * (high - low)).astype(np.int64)


def _by_degree(sides: Sequence[tuple[Bools, Ints]]) -> tuple[Ints, Ints]:
    """Living places of each transition in ascending order of degree, joined, and where each transition starts."""
    ordered = [
        np.flatnonzero(alive)[np.argsort(degree[alive], kind="stable")].astype(np.int64) for alive, degree in sides
    ]
    return _joined(ordered), np.concatenate([[0], np.cumsum([len(part) for part in ordered])]).astype(np.int64)


def _like(ordered: Ints, degree: Ints, nodes: Ints, start: int) -> tuple[Ints, Ints]:
    """From and to, in `ordered` plus `start`, of the nodes like each of `nodes` in degree."""
    sorted_degree = degree[ordered]
    wanted, back = np.unique(degree[nodes], return_inverse=True)
    reach = np.empty(len(wanted), np.int64)
    for i, value in enumerate(wanted):
        distance = np.abs(sorted_degree - value)
        reach[i] = np.partition(distance, min(LIKE, len(distance)) - 1)[min(LIKE, len(distance)) - 1]
    low = np.searchsorted(sorted_degree, wanted - reach, "left")
    high = np.searchsorted(sorted_degree, wanted + reach, "right")
    return low[back] + start, high[back] + start


def _joined(parts: Sequence[Ints]) -> Ints:
    return np.concatenate(parts).astype(np.int64) if parts else np.empty(0, np.int64)


def _stacked(parts: Sequence[Ints]) -> Ints:
    return np.concatenate(parts).astype(np.int64) if parts else np.empty((0, 5), np.int64)
