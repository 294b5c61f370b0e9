"""One epoch of link prediction over 58 snapshots on two threads, against PyG's HGTConv on one snapshot after another.

    python research/benchmarks/hgt_epoch.py

Both do one optimiser step an epoch, on the same loss: edges of the next month against as many pairs that are none, the
mean of binary cross-entropy per edge type, summed, and its mean over the snapshots. Ours is what a trainer does with
`nexus.nn.hgt`; the peer is the same encoder by HGTConv, graph by graph, its gradients summed. From the same weights the
two must give the same loss and gradients before anything is timed.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from graphs import MONTHS, PARAMETERS, months
from harness import interleaved, peak_rss_gib, report, seconds
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from nexus.db.graph import EdgeType, Graph
from nexus.graph.gnn.data import HISTORY, metadata, tensors
from nexus.nn.dense import DenseBatch
from nexus.nn.hetero import Tensors
from nexus.nn.hgt import HGTEncoder, batches, scores

THREADS, REPEATS, PEER_REPEATS = 2, 7, 3


@dataclass(frozen=True)
class Pairs:
    """Places of both ends of pairs in one snapshot, and 1.0 where the next month has that edge."""

    src: Tensor
    dst: Tensor
    label: Tensor


def snapshots(graphs: Sequence[Graph]) -> list[Tensors]:
    return [tensors(graph, graphs[max(0, i - HISTORY) : i]) for i, graph in enumerate(graphs)]


def pairs(graphs: Sequence[Graph], random: np.random.Generator) -> list[dict[EdgeType, Pairs]]:
    """Of each month but the last, by edge type."""
    return [{kind: _pairs(now, kind, after, random) for kind in after.edges} for now, after in pairwise(graphs)]


def _pairs(now: Graph, kind: EdgeType, after: Graph, random: np.random.Generator) -> Pairs:
    edges = after.edges[kind]
    n_dst = len(now.nodes[kind[2]])
    held = now.places(kind[0], edges.src) * n_dst + now.places(kind[2], edges.dst)
    others = np.setdiff1d(np.arange(len(now.nodes[kind[0]]) * n_dst), held)
    cells = torch.from_numpy(np.concatenate([held, random.choice(others, len(held))]))
    return Pairs(cells // n_dst, cells % n_dst, (torch.arange(len(cells)) < len(held)).float())


class Ours:
    """All snapshots in one batch."""

    def __init__(self, encoder: HGTEncoder, snapshots: list[Tensors], wanted: list[dict[EdgeType, Pairs]]) -> None:
        self.encoder, (self.batch,) = encoder, batches(snapshots)
        assert isinstance(self.batch, DenseBatch)
        self.wanted = {
            kind: (
                torch.cat([self.batch.pairs(kind, i, each[kind].src, each[kind].dst) for i, each in enumerate(wanted)]),
                torch.cat([each[kind].label for each in wanted]),
            )
            for kind in wanted[0]
        }
        self.optimiser = torch.optim.Adam(encoder.parameters(), 5e-3, weight_decay=1e-4, fused=True)

    def loss(self) -> Tensor:
        """As many pairs in every month, so the mean over all is the mean of means."""
        embedded = self.encoder.embed_many(self.batch)
        return torch.stack([
            binary_cross_entropy_with_logits(self.batch.scores(embedded, kind, pairs), label)
            for kind, (pairs, label) in self.wanted.items()
        ]).sum()  # fmt: skip

    def backward(self) -> float:
        """The loss; its gradients are added to those of the weights."""
        loss = self.loss()
        loss.backward()
        return loss.item()


class Peer:
    """One snapshot after another, gradients summed."""

    def __init__(self, encoder: HGTEncoder, snapshots: list[Tensors], wanted: list[dict[EdgeType, Pairs]]) -> None:
        self.encoder, self.snapshots, self.wanted = encoder, snapshots, wanted
        self.optimiser = torch.optim.Adam(encoder.parameters(), 5e-3, weight_decay=1e-4)

    def backward(self) -> float:
        """The loss; its gradients are added to those of the weights."""
        total = 0.0
        for snapshot, wanted in zip(self.snapshots, self.wanted, strict=True):
            embedded = self.encoder(snapshot.features, snapshot.edge_index)
            losses = [
                binary_cross_entropy_with_logits(scores(embedded, kind, each.src, each.dst), each.label)
                for kind, each in wanted.items()
            ]
            loss = torch.stack(losses).sum() / len(self.snapshots)
            loss.backward()
            total += loss.item()
        return total


def epoch(side: Ours | Peer) -> None:
    side.optimiser.zero_grad()
    side.backward()
    side.optimiser.step()


def agree(ours: Ours, peer: Peer) -> None:
    """Without dropout, whose noise is each side's own."""
    for side in (ours, peer):
        side.encoder.eval()
    np.testing.assert_allclose(ours.backward(), peer.backward(), rtol=1e-5)
    for (name, one), two in zip(ours.encoder.named_parameters(), peer.encoder.parameters(), strict=True):
        mine, theirs = (torch.zeros_like(one) if each.grad is None else each.grad for each in (one, two))
        np.testing.assert_allclose(mine, theirs, rtol=1e-3, atol=1e-6, err_msg=name)
    for side in (ours, peer):
        side.encoder.train()


def main() -> None:
    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    graphs = months(MONTHS + 1)
    made, wanted = snapshots(graphs[:-1]), pairs(graphs, np.random.default_rng(1))
    encoder = HGTEncoder(metadata(graphs))
    assert sum(each.numel() for each in encoder.parameters()) == PARAMETERS
    ours, peer = Ours(deepcopy(encoder), made, wanted), Peer(encoder, made, wanted)
    epoch(ours)
    peak = peak_rss_gib()
    ours.encoder.load_state_dict(encoder.state_dict())
    ours.optimiser.zero_grad()
    agree(ours, peer)
    epoch(peer)
    best = interleaved(
        lambda: seconds(lambda: epoch(ours)), lambda: seconds(lambda: epoch(peer)), REPEATS, PEER_REPEATS
    )
    report("hgt_epoch", *best, 7, "PyG, a snapshot at a time", peak)


if __name__ == "__main__":
    main()
