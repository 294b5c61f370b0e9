"""What a layer's target loses with an edge, against running the layer again without it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from nexus.nn.messages import recording
from nexus.nn.pyg import GATv2Conv, HGTConv
from nexus.nn.relation_gat import RelationAttention

N, HIDDEN, HEADS = 7, 8, 2
KINDS = [("a", "likes", "a"), ("b", "knows", "a")]


def edges(seed: int, n: int) -> Tensor:
    """Some targets have one edge only, one has a double, some have none."""
    index = torch.randint(0, N - 2, (2, n), generator=torch.Generator().manual_seed(seed))
    lonely, double = torch.tensor([[0], [N - 2]]), torch.tensor([[1, 1], [2, 2]])
    return torch.cat([index, lonely, double], dim=1)


def without(index: Tensor, edge: int) -> Tensor:
    return torch.cat([index[:, :edge], index[:, edge + 1 :]], dim=1)


def received(layer: nn.Module, *given: object) -> tuple[Tensor, Tensor]:
    """What the targets of a call receive, (n, hidden), and what is lost by edge."""
    with torch.no_grad(), recording(layer) as calls:
        layer(*given)
    (call,) = calls
    return call.received.reshape(-1, HIDDEN), call.lost().reshape(-1, HIDDEN)


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def test_of_hgt_where_all_relations_share_a_softmax() -> None:
    layer = HGTConv(HIDDEN, HIDDEN, (["a", "b"], KINDS), HEADS)
    x = {name: torch.randn(N, HIDDEN) for name in ("a", "b")}
    index = dict(zip(KINDS, (edges(1, 9), edges(2, 6)), strict=True))
    whole, lost = received(layer, x, index)
    first = 0
    for kind in KINDS:
        for edge in range(index[kind].shape[1]):
            less, _ = received(layer, x, {**index, kind: without(index[kind], edge)})
            target = index[kind][1, edge]
            torch.testing.assert_close(lost[first + edge], (whole - less)[target], atol=1e-6, rtol=1e-5)
        first += index[kind].shape[1]
    assert len(lost) == first


def test_of_attention_that_knows_its_relation() -> None:
    layer, x, index = RelationAttention(HIDDEN, HEADS), torch.randn(N, HIDDEN), edges(3, 12)
    nn.init.normal_(layer.slope)
    weight = torch.rand(index.shape[1])
    whole, lost = received(layer, (x, x), index, weight)
    for edge in range(index.shape[1]):
        kept = torch.arange(index.shape[1]) != edge
        less, _ = received(layer, (x, x), index[:, kept], weight[kept])
        torch.testing.assert_close(lost[edge], (whole - less)[index[1, edge]], atol=1e-6, rtol=1e-5)


def test_of_attention_with_loops_that_come_last() -> None:
    layer, x, index = GATv2Conv(HIDDEN, HIDDEN // HEADS, HEADS), torch.randn(N, HIDDEN), edges(4, 10)
    index = index[:, index[0] != index[1]]
    whole, lost = received(layer, x, index)
    assert len(lost) == index.shape[1] + N
    for edge in range(index.shape[1]):
        less, _ = received(layer, x, without(index, edge))
        torch.testing.assert_close(lost[edge], (whole - less)[index[1, edge]], atol=1e-6, rtol=1e-5)


def test_slopes_are_the_gradient_times_what_is_lost_and_nothing_is_left_behind() -> None:
    layer, x, index = GATv2Conv(HIDDEN, HIDDEN // HEADS, HEADS), torch.randn(N, HIDDEN), edges(5, 10)
    with recording(layer) as calls:
        said = layer(x, index)
    call, direction = calls[0], torch.randn(HIDDEN)
    (gradient,) = torch.autograd.grad(said[3] @ direction, call.received)
    slopes = call.slopes(call.lost(), gradient)
    expected = (call.lost().flatten(1) @ direction) * (call.target == 3)
    torch.testing.assert_close(slopes, expected)
    layer(x, index)
    assert len(calls) == 1
