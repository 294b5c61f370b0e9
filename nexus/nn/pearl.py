"""Positional encodings from a small graph network on meaningless inputs: PEARL.

Kanatsoulis, Choi, Jegelka, Leskovec & Ribeiro (2025), "Learning Efficient Positional Encodings with Graph Neural
Networks", ICLR. The network sees each of M inputs alone, one number per node; what is pooled over the M no longer
depends on how the nodes were numbered, but tells where each one stands: its degree, the cycles through it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

_SMALL = 1e-12
_FLAT = 1e-3
"""A statistic that varies by less than this share of its mean is hardly told from one that does not."""


@dataclass(frozen=True)
class Ties:
    """Who is tied to whom, without directions and types.

    counts : sparse (n, n), symmetric: how many edges tie two nodes
    degree : mean number of edges at a node, 1 where there is no edge at all
    """

    counts: Tensor
    degree: float

    def to(self, device: torch.device) -> Ties:
        """The same on a device."""
        return Ties(self.counts.to(device), self.degree)


def ties(n: int, ends: Tensor) -> Ties:
    """Make them of edges.

    n : number of nodes; ends : (2, n_edges), each edge once, whatever its direction; a loop counts for nothing
    """
    ends = ends[:, ends[0] != ends[1]]
    both = torch.cat([ends, ends.flip(0)], dim=1)
    ones = torch.ones(both.shape[1])
    counts = torch.sparse_coo_tensor(both, ones, (n, n), check_invariants=False).coalesce()
    return Ties(counts, both.shape[1] / n if both.shape[1] else 1.0)


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

    A layer is relu(x W + A x V + b). The ties are scaled so that a node of mean degree keeps its size: by the root of
    the mean degree for the inputs, which are as often negative as positive, later by the mean degree. Mean and variance
    over the inputs are pooled, and standardised over the nodes, which differ by little before.

    Of few random inputs the encodings are mostly noise: a node's degree comes out with a relative error of sqrt(2 / m).
    chunk : inputs at a time; only that many are in memory at once, in training too, where they are computed twice
    """

    def __init__(self, out: int = 32, hidden: int = 16, layers: int = 3, chunk: int = 64) -> None:
        super().__init__()
        self.chunk = chunk
        sizes = [1] + [hidden] * layers
        self.layers = nn.ModuleList(_layer(2 * before, after) for before, after in pairwise(sizes))
        self.out = nn.Linear(2 * hidden, out)

    def forward(self, among: Ties, inputs: Tensor) -> Tensor:
        """Encode the nodes.

        inputs : (n, m); in full precision whatever the caller's is
        """
        with torch.autocast(inputs.device.type, enabled=False):
            total = squares = inputs.new_zeros(())
            for piece in self._pieces(among, inputs.float()):
                total, squares = total + piece[0], squares + piece[1]
            mean = total / inputs.shape[1]
            variance = (squares / inputs.shape[1] - mean**2).clamp_min(_SMALL)
            encoded: Tensor = self.out(_standardised(torch.cat([mean, variance], dim=1)))
            return encoded

    def _pieces(self, among: Ties, inputs: Tensor) -> Iterator[Tensor]:
        """Sums over a chunk of inputs of what the last layer gives and of its squares, (2, n, hidden)."""
        chunks = torch.split(inputs, self.chunk, dim=1)
        for chunk in chunks:
            if len(chunks) > 1 and torch.is_grad_enabled():
                yield checkpoint(self._pooled, among, chunk, use_reentrant=False, preserve_rng_state=False)
            else:
                yield self._pooled(among, chunk)

    def _pooled(self, among: Ties, inputs: Tensor) -> Tensor:
        x, scale = inputs.unsqueeze(2), among.degree**-0.5
        for layer in self.layers:
            near = torch.sparse.mm(among.counts, x.flatten(1)).view_as(x) * scale
            x, scale = torch.relu(layer(torch.cat([x, near], dim=2))), 1 / among.degree
        return torch.stack([x.sum(dim=1), (x**2).sum(dim=1)])


def _layer(before: int, after: int) -> nn.Linear:
    layer = nn.Linear(before, after)
    nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
    return layer


def _standardised(values: Tensor) -> Tensor:
    mean = values.mean(dim=0)
    gap = values - mean
    return gap * (gap.square().mean(dim=0) + (_FLAT * mean) ** 2 + _SMALL).rsqrt()
