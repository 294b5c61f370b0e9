"""Positional encodings from a small graph network on meaningless inputs: PEARL.

Kanatsoulis, Choi, Jegelka, Leskovec & Ribeiro (2025), "Learning Efficient Positional Encodings with Graph Neural
Networks", ICLR. The network sees each of M inputs alone, one number per node; what is pooled over the M no longer
depends on how the nodes were numbered, but tells where each one stands: its degree, the cycles through it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

_SMALL = 1e-12
_FLAT = 1e-2
"""A statistic that varies by less than this share of its mean is hardly told from one that does not."""


@dataclass(frozen=True)
class Ties:
    """Who is tied to whom.

    counts : sparse (n, n), symmetric: how many edges tie two nodes, whatever their relation and direction
    degree : mean number of edges at a node, 1 where there is no edge at all
    relations : name -> sparse (n, n): one relation in one direction, row the target, column the source, over the root
        of the mean number of sources of who has one
    """

    counts: Tensor
    degree: float
    relations: Mapping[str, Tensor] = field(default_factory=dict)

    def to(self, device: torch.device) -> Ties:
        """The same on a device."""
        relations = {name: each.to(device) for name, each in self.relations.items()}
        return Ties(self.counts.to(device), self.degree, relations)


def ties(n: int, ends: Tensor, relations: Mapping[str, Tensor] | None = None) -> Ties:
    """Make them of edges.

    n : number of nodes; ends : (2, n_edges), each edge once, whatever its direction; a loop counts for nothing
    relations : name -> (2, n_edges), sources and targets
    """
    ends = ends[:, ends[0] != ends[1]]
    both = torch.cat([ends, ends.flip(0)], dim=1)
    heard = {name: _heard(n, each) for name, each in (relations or {}).items() if each.shape[1]}
    return Ties(_sparse(n, both, 1.0), both.shape[1] / n if both.shape[1] else 1.0, heard)


def _heard(n: int, edges: Tensor) -> Tensor:
    return _sparse(n, edges.flip(0), math.sqrt(len(torch.unique(edges[1])) / edges.shape[1]))


def _sparse(n: int, places: Tensor, value: float) -> Tensor:
    values = torch.full((places.shape[1],), value)
    return torch.sparse_coo_tensor(places, values, (n, n), check_invariants=False).coalesce()


def random_inputs(n: int, samples: int, seed: int, content: str) -> Tensor:
    """Inputs of R-PEARL, (n, samples), standard normal: the same for the same seed and the same graph.

    content : a hash of the graph
    """
    drawn = int.from_bytes(sha256(f"{seed}:{content}".encode()).digest()[:8], "big") >> 1
    return torch.randn(n, samples, generator=torch.Generator().manual_seed(drawn))


def basis_inputs(n: int) -> Tensor:
    """Inputs of B-PEARL, (n, n): the unit vectors, scaled to the mean square that random inputs have."""
    return torch.eye(n) * math.sqrt(n)


class Pearl(nn.Module):
    """Encodings of (n, out), equivariant to the numbering of the nodes; of random inputs so in distribution.

    A layer is relu(x W + A x V + b), A all ties. The first one also hears each relation by itself, so that a node with
    many suppliers is told from one with many customers. Ties are scaled so that a node of mean degree keeps its size:
    by the root of the mean degree for the inputs, which are as often negative as positive, later by the mean degree.
    Mean and variance over the inputs of every layer are pooled, and standardised over the nodes, which differ by little
    before. Of few random inputs much is noise: a node's degree comes out with a relative error of sqrt(2 / m).

    relations : names of those heard by themselves; one without a tie on the day is silent, others are not heard
    chunk : inputs at a time; only that many are in memory at once, in training too, where they are computed twice
    """

    def __init__(
        self, out: int = 32, hidden: int = 16, layers: int = 3, relations: Sequence[str] = (), chunk: int = 64
    ) -> None:
        super().__init__()
        self.relations, self.chunk = list(relations), chunk
        sizes = [2 + len(self.relations)] + [2 * hidden] * (layers - 1)
        self.layers = nn.ModuleList(_layer(before, hidden) for before in sizes)
        self.out = nn.Linear(2 * hidden * layers, out)

    def forward(self, among: Ties, inputs: Tensor) -> Tensor:
        """Encode the nodes.

        inputs : (n, m); in full precision whatever the caller's is
        """
        with torch.autocast(inputs.device.type, enabled=False):
            total = torch.stack(list(self._pieces(among, inputs.float()))).sum(dim=0) / inputs.shape[1]
            mean, squares = total
            variance = (squares - mean**2).clamp_min(_SMALL)
            encoded: Tensor = self.out(_standardised(torch.cat([mean, variance], dim=1)))
            return encoded

    def _pieces(self, among: Ties, inputs: Tensor) -> Iterator[Tensor]:
        """Sums over a chunk of inputs of what the layers give and of its squares, (2, n, layers x hidden)."""
        chunks = torch.split(inputs, self.chunk, dim=1)
        for chunk in chunks:
            if len(chunks) > 1 and torch.is_grad_enabled():
                yield checkpoint(self._pooled, among, chunk, use_reentrant=False, preserve_rng_state=False)
            else:
                yield self._pooled(among, chunk)

    def _pooled(self, among: Ties, inputs: Tensor) -> Tensor:
        x, found = self._first(among, inputs), []
        for layer in self.layers:
            x = torch.relu(layer(x))
            found.append(torch.stack([x.sum(dim=1), (x**2).sum(dim=1)]))
            if len(found) < len(self.layers):
                near = torch.sparse.mm(among.counts, x.flatten(1)).view_as(x) / among.degree
                x = torch.cat([x, near], dim=2)
        return torch.cat(found, dim=2)

    def _first(self, among: Ties, inputs: Tensor) -> Tensor:
        """What the first layer is given, (n, m, 2 + relations)."""
        silent = torch.zeros_like(inputs)
        heard = [torch.sparse.mm(among.counts, inputs) / math.sqrt(among.degree)]
        for name in self.relations:
            there = among.relations.get(name)
            heard.append(silent if there is None else torch.sparse.mm(there, inputs))
        return torch.stack([inputs, *heard], dim=2)


def _layer(before: int, after: int) -> nn.Linear:
    layer = nn.Linear(before, after)
    nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
    return layer


def _standardised(values: Tensor) -> Tensor:
    mean = values.mean(dim=0)
    gap = values - mean
    return gap * (gap.square().mean(dim=0) + (_FLAT * mean) ** 2 + _SMALL).rsqrt()
