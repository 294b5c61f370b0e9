"""What passed along each edge of the attention layers of a network, and what its target would be without it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from nexus.nn.pyg import GATv2Conv, HGTConv, softmax

ALL = 1 - 1e-6
"""A share of attention from which on an edge is the only one of its target."""


@dataclass(frozen=True)
class Passed:
    """One call of an attention layer.

    layer : whose call; target : (n_edges,) row that each edge leads to
    share : (n_edges, heads) attention; message : (n_edges, heads, size) share times value
    received : (n_targets, ...) sum of the messages, as it goes on: gradients can be taken of it
    """

    layer: nn.Module
    target: Tensor
    share: Tensor
    message: Tensor
    received: Tensor

    def lost(self) -> Tensor:
        """How far each edge alone moves what its target receives, (n_edges, heads, size): with it, less without it.

        Exact: without edge e the softmax goes over the others, so the sum s becomes (s - share_e value_e) / (1 -
        share_e); 0 where e was the only one.
        """
        message, share = self.message.detach(), self.share.detach()[..., None]
        received = self.received.detach().view(-1, *message.shape[1:])[self.target]
        alone = share > ALL
        return torch.where(alone, message, (message - share * received) / torch.where(alone, 1.0, 1 - share))

    def slopes(self, lost: Tensor, gradient: Tensor) -> Tensor:
        """First-order change of what the gradient is of by each edge's `lost`, (n_edges,)."""
        return (lost * gradient.view(-1, *lost.shape[1:])[self.target]).sum(dim=(1, 2))


@contextmanager
def recording(network: nn.Module) -> Iterator[list[Passed]]:
    """Within, each call of an HGTConv or GATv2Conv of the network joins the list, in order."""
    calls: list[Passed] = []
    with ExitStack() as stack:
        for layer in network.modules():
            if isinstance(layer, HGTConv | GATv2Conv):
                recorder = _Recorder(calls)
                stack.callback(layer.register_message_forward_hook(recorder.message).remove)
                stack.callback(layer.register_propagate_forward_hook(recorder.end).remove)
        yield calls


class _Recorder:
    def __init__(self, calls: list[Passed]) -> None:
        self.calls = calls
        self.passed: tuple[Tensor, Tensor] | None = None

    def message(self, layer: nn.Module, inputs: tuple[dict[str, Any]], out: Tensor) -> None:
        share = _share(inputs[0])
        self.passed = share, out.view(*share.shape, out.shape[1:].numel() // share.shape[1])

    def end(self, layer: nn.Module, inputs: Sequence[Any], out: Tensor) -> None:
        assert self.passed is not None
        self.calls.append(Passed(layer, inputs[0][1], *self.passed, out))


def _share(given: dict[str, Any]) -> Tensor:
    """Attention by edge and head: GATv2Conv hands it to its message, HGTConv computes it there."""
    if "alpha" in given:
        share: Tensor = given["alpha"]
        return share
    query, prior = given["q_i"], given["edge_attr"]
    score = (query * given["k_j"]).sum(dim=-1) * prior / math.sqrt(query.shape[-1])
    computed: Tensor = softmax(score, given["index"], given["ptr"], given["size_i"])
    return computed
