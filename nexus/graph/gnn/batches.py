"""What one step of the optimiser sees: as many snapshots as fit, the edges that came and pairs that did not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import torch
from torch import Tensor, nn

from nexus.db.graph import EdgeType
from nexus.errors import InputError
from nexus.graph.gnn.links import Transition
from nexus.graph.gnn.negatives import Sampler
from nexus.maths.types import Ints
from nexus.nn.hetero import Tensors
from nexus.nn.hgt import BlockBatch, DenseBatch, HGTEncoder, batches, block_batch
from nexus.nn.sampling import Neighbours, PygNeighbours

ROUNDS = 8
"""A pair that is an edge is drawn again so often, then left out."""

SAMPLERS = ("nexus", "pyg")
Encoded = DenseBatch | BlockBatch


@dataclass(frozen=True)
class LinkBatch:
    """Snapshots to encode and pairs of their nodes.

    pairs : edge type -> what `encoded.scores` takes, and how many of them, the first ones, are edges
    """

    encoded: Encoded
    pairs: Mapping[EdgeType, tuple[Tensor, int]]


@dataclass(frozen=True)
class Size:
    """How much of a graph a batch may hold.

    per_positive : pairs that are no edges for each that is
    edges : a snapshot of more is not encoded whole in training: each batch samples around its pairs
    pairs : of such a batch; fanout : edges of a type into each node that it samples, on each layer
    sampler : one of SAMPLERS: our own, or PyG's LinkNeighborLoader, whose batches are of one edge type each
    """

    per_positive: int = 1
    edges: int = 2_000_000
    pairs: int = 16_384
    fanout: int = 16
    sampler: str = "nexus"

    def __post_init__(self) -> None:
        for name in ("per_positive", "pairs", "fanout"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} {getattr(self, name)}: at least 1 of each batch")
        if self.sampler not in SAMPLERS:
            raise InputError(f"sampler {self.sampler!r} is unknown; one of {', '.join(SAMPLERS)}")


class LinkBatches:
    """Snapshots with the edges of the next ones, ready to be drawn from epoch after epoch."""

    def __init__(
        self,
        snapshots: Sequence[Tensors],
        transitions: Mapping[EdgeType, Sequence[Transition]],
        size: Size,
        layers: int,
        device: torch.device,
    ) -> None:
        """Prepare.

        snapshots : as the network wants them
        transitions : edge type -> one transition per snapshot
        layers : of the encoder, hops that a sample goes
        """
        self._size, self._layers, self._device = size, layers, device
        self._parts: list[_Whole | _Large] = []
        first = 0
        for large, run in groupby(snapshots, lambda each: _edges(each) > size.edges):
            for part in [[each] for each in run] if large else list(batches(list(run))):
                count = len(part)
                asked = _asked({kind: steps[first : first + count] for kind, steps in transitions.items()})
                self._parts.append(
                    self._large(part[0], asked) if isinstance(part, list) else _Whole(part.to(device), asked)
                )
                first += count

    def _large(self, snapshot: Tensors, asked: Mapping[EdgeType, _Asked]) -> _Large:
        by_pyg = self._size.sampler == "pyg"
        return _Large(PygNeighbours(snapshot, self._fanouts) if by_pyg else Neighbours(snapshot), asked)

    @property
    def _fanouts(self) -> list[int]:
        return [self._size.fanout] * self._layers

    def epoch(self, random: np.random.Generator, shuffle: bool) -> Iterator[LinkBatch]:
        """Every edge once, against pairs drawn anew: half of like degree, half of any."""
        order = random.permutation(len(self._parts)) if shuffle else np.arange(len(self._parts))
        for place in order:
            part = self._parts[place]
            if not part.asked:
                continue
            drawn = {kind: asked.draw(random, self._size.per_positive) for kind, asked in part.asked.items()}
            if isinstance(part, _Whole):
                yield LinkBatch(part.encoded, {kind: self._pairs(part, kind, codes) for kind, codes in drawn.items()})
            else:
                yield from self._samples(part, drawn, random)

    def _pairs(self, part: _Whole, kind: EdgeType, codes: Ints) -> tuple[Tensor, int]:
        asked = part.asked[kind]
        snapshot, src, dst = (torch.from_numpy(each).to(self._device) for each in asked.sampler.places(codes))
        return part.encoded.pairs(kind, snapshot, src, dst), len(asked.positives)

    def _samples(
        self, part: _Large, drawn: Mapping[EdgeType, Ints], random: np.random.Generator
    ) -> Iterator[LinkBatch]:
        """A large snapshot in pieces, each with a share of the edges and of the other pairs of every type."""
        pieces = -(-sum(len(codes) for codes in drawn.values()) // self._size.pairs)
        shares = {}
        for kind, codes in drawn.items():
            count = len(part.asked[kind].positives)
            shares[kind] = [np.array_split(random.permutation(each), pieces) for each in (codes[:count], codes[count:])]
        for piece in range(pieces):
            ends = {}
            for kind, (edges, others) in shares.items():
                codes = np.concatenate([edges[piece], others[piece]])
                if len(codes):
                    ends[kind] = *part.asked[kind].sampler.places(codes)[1:], len(edges[piece])
            if isinstance(part.neighbours, PygNeighbours):
                for kind, (*places, n_edges) in ends.items():
                    snapshot, (src, dst) = part.neighbours.around(kind, np.stack(places), random)
                    yield self._local(snapshot, {kind: (src, dst, n_edges)})
            else:
                yield self._sample(part.neighbours, ends, random)

    def _sample(
        self, neighbours: Neighbours, ends: Mapping[EdgeType, tuple[Ints, Ints, int]], random: np.random.Generator
    ) -> LinkBatch:
        asked: dict[str, list[Ints]] = {}
        for (source, _, target), (src, dst, _) in ends.items():
            asked.setdefault(source, []).append(src)
            asked.setdefault(target, []).append(dst)
        seeds = {kind: np.unique(np.concatenate(each)) for kind, each in asked.items()}
        part = neighbours.around(seeds, self._fanouts, random)
        local = {
            kind: (np.searchsorted(seeds[kind[0]], src), np.searchsorted(seeds[kind[2]], dst), edges)
            for kind, (src, dst, edges) in ends.items()
        }
        return self._local(part, local)

    def _local(self, snapshot: Tensors, ends: Mapping[EdgeType, tuple[Ints, Ints, int]]) -> LinkBatch:
        """A batch of one part of a snapshot and pairs of its nodes."""
        batch = block_batch([snapshot]).to(self._device)
        pairs = {}
        for kind, (src, dst, edges) in ends.items():
            of_it = (np.zeros_like(src), src, dst)
            pairs[kind] = batch.pairs(kind, *(torch.from_numpy(each).to(self._device) for each in of_it)), edges
        return LinkBatch(batch, pairs)


@dataclass(frozen=True)
class _Asked:
    """Edges of one type in some snapshots, and the requests for pairs against them."""

    sampler: Sampler
    positives: Ints
    matched: Ints
    uniform: Ints

    def draw(self, random: np.random.Generator, per_positive: int) -> Ints:
        """Codes of the edges, then of pairs that are none."""
        matched, uniform = (np.repeat(each, per_positive, axis=0) for each in (self.matched, self.uniform))
        codes = self.sampler.draw(random, np.where(random.random((len(matched), 1)) < 0.5, matched, uniform), ROUNDS)
        return np.concatenate([self.positives, codes[codes >= 0]])


@dataclass(frozen=True)
class _Whole:
    encoded: Encoded
    asked: Mapping[EdgeType, _Asked]


@dataclass(frozen=True)
class _Large:
    neighbours: Neighbours | PygNeighbours
    asked: Mapping[EdgeType, _Asked]


def _asked(transitions: Mapping[EdgeType, Sequence[Transition]]) -> dict[EdgeType, _Asked]:
    found = {}
    for kind, steps in transitions.items():
        if any(len(step.positives) for step in steps):
            sampler = Sampler(steps)
            codes = [sampler.codes(place, step.positives) for place, step in enumerate(steps)]
            found[kind] = _Asked(sampler, np.concatenate(codes), *sampler.requests([step.positives for step in steps]))
    return found


def link_loss(network: HGTEncoder, batch: LinkBatch) -> Tensor:
    """Binary cross-entropy of edges against pairs that are none: a mean per edge type, then over edge types.

    A type of which every pair is an edge teaches nothing, and is left out; where all are, 0.
    """
    embedded = network.embed_many(batch.encoded)
    losses = []
    for kind, (pairs, edges) in batch.pairs.items():
        if pairs.shape[-1] == edges:
            continue
        logits = batch.encoded.scores(embedded, kind, pairs)
        label = torch.zeros_like(logits)
        label[:edges] = 1.0
        losses.append(nn.functional.binary_cross_entropy_with_logits(logits, label))
    if not losses:
        return torch.cat(list(embedded.values())).sum() * 0.0
    return torch.stack(losses).mean()


def _edges(snapshot: Tensors) -> int:
    return sum(index.shape[1] for index in snapshot.edge_index.values())
