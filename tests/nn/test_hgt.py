"""Many snapshots at once against PyG's HGTConv on one after another: the same weights, values and gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from nexus.errors import InputError
from nexus.nn.hetero import EdgeType, Tensors
from nexus.nn.hgt import (
    BlockBatch,
    DenseBatch,
    HGTEncoder,
    batches,
    block_batch,
    choose,
    dense_batch,
    packed_batch,
    scores,
)

torch.set_num_threads(1)

NODES = ["a", "b", "only_source", "alone"]
EDGES: list[EdgeType] = [
    ("a", "likes", "a"),
    ("a", "likes", "b"),
    ("b", "likes", "a"),
    ("b", "sees", "b"),
    ("only_source", "tells", "a"),
]
Batched = Callable[[Sequence[Tensors]], DenseBatch | BlockBatch]
EVERY = pytest.mark.parametrize("batched", [dense_batch, packed_batch, block_batch])


def snapshot(sizes: dict[str, int], edges: dict[EdgeType, int], seed: int) -> Tensors:
    """Ends drawn with repetition: loops, doubles and nodes without an edge occur."""
    random = torch.Generator().manual_seed(seed)
    return Tensors(
        {kind: torch.randn(n, 5, generator=random, dtype=torch.double) for kind, n in sizes.items()},
        {
            kind: torch.stack([torch.randint(sizes[end], (n,), generator=random) for end in kind[::2]])
            for kind, n in edges.items()
        },
        {kind: np.arange(n) for kind, n in sizes.items()},
        {},
    )


def different(seed: int) -> list[Tensors]:
    """Snapshots of several sizes; some lack an edge type, a node type, or an edge of any kind."""
    a, b, c, d, e = EDGES
    every = {"a": 9, "b": 4, "only_source": 3, "alone": 2}
    return [
        snapshot(every, {a: 20, b: 12, c: 6, d: 5, e: 3}, seed),
        snapshot({**every, "a": 5, "b": 7}, {a: 40, c: 1}, seed + 1),
        snapshot({"a": 3, "b": 1}, {d: 3, b: 2, a: 0}, seed + 2),
        snapshot({"a": 4, "alone": 1}, {}, seed + 3),
        snapshot({"a": 1, "only_source": 6}, {a: 4, e: 9}, seed + 4),
    ]


def encoder(seed: int = 0, **options: float) -> HGTEncoder:
    """With weights of which none is what it starts from: priors of relations and skips start at 1."""
    torch.manual_seed(seed)
    made = HGTEncoder((NODES, EDGES), **{"hidden": 16, "heads": 4, "dropout": 0.0, **options}).double()  # type: ignore[arg-type]
    with torch.no_grad():
        for each in made.parameters():
            each.add_(0.3 * torch.randn_like(each))
    return made


def gradients(made: HGTEncoder, embedded: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Of a sum of everything with weights at random."""
    made.zero_grad()
    random = torch.Generator().manual_seed(9)
    total = torch.zeros((), dtype=torch.double)
    for each in embedded:
        for kind in sorted(each):
            total = total + (each[kind] * torch.randn(each[kind].shape, generator=random)).sum()
    total.backward()
    return {name: each.grad for name, each in made.named_parameters()}  # type: ignore[misc]


@EVERY
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("layers", [1, 3])
def test_many_at_once_are_one_after_another(batched: Batched, seed: int, layers: int) -> None:
    made, snapshots = encoder(seed, layers=layers), different(10 * seed)
    slow = [made(each.features, each.edge_index) for each in snapshots]
    batch = batched(snapshots)
    fast = batch.split(made.embed_many(batch))
    assert len(fast) == len(batch) == len(snapshots)
    for each, one, many in zip(snapshots, slow, fast, strict=True):
        assert set(one) == set(each.features) <= set(many)
        for kind, values in many.items():
            torch.testing.assert_close(values, one.get(kind, values[:0]), rtol=0, atol=1e-10)
    expected, found = (
        gradients(made, slow),
        gradients(made, [{k: m[k] for k in o} for o, m in zip(slow, fast, strict=True)]),
    )
    assert set(found) == set(expected)
    for name, each in expected.items():
        torch.testing.assert_close(found[name], each, rtol=0, atol=1e-9, msg=lambda said, name=name: f"{name}: {said}")


@EVERY
def test_single_precision_is_within_a_hundred_thousandth(batched: Batched) -> None:
    made, snapshots = encoder().float(), [_single(each) for each in different(3)]
    batch = batched(snapshots)
    fast = batch.split(made.embed_many(batch))
    slow = [made(each.features, each.edge_index) for each in snapshots]
    for one, many in zip(slow, fast, strict=True):
        for kind, values in one.items():
            torch.testing.assert_close(many[kind], values, rtol=1e-5, atol=1e-5)


def test_an_edge_given_twice_counts_twice() -> None:
    made, kind = encoder(), EDGES[0]
    twice = snapshot({"a": 3}, {}, 1)
    twice = Tensors(twice.features, {kind: torch.tensor([[1, 1, 2], [0, 0, 0]])}, twice.ids, {})
    once = Tensors(twice.features, {kind: torch.tensor([[1, 2], [0, 0]])}, twice.ids, {})
    one, two = (made.embed([each])[0]["a"] for each in (once, twice))
    assert (one[0] - two[0]).abs().max() > 1e-4
    torch.testing.assert_close(one[1:], two[1:])


@EVERY
def test_types_without_weights_are_left_out(batched: Batched) -> None:
    made = encoder()
    more = snapshot({"a": 6, "b": 2, "new": 3}, {EDGES[0]: 9, ("new", "likes", "a"): 5, ("a", "hates", "a"): 7}, 5)
    less = Tensors(
        {kind: more.features[kind] for kind in "ab"}, {EDGES[0]: more.edge_index[EDGES[0]]}, more.ids, more.weight
    )
    batch = batched([more, more])
    embedded = made.embed_many(batch)
    assert "new" not in embedded
    torch.testing.assert_close(batch.split(embedded)[1]["a"], made(less.features, less.edge_index)["a"])


def test_a_batch_without_an_edge() -> None:
    made, bare = encoder(), snapshot({"a": 3, "alone": 1}, {}, 0)
    for batch in (way([bare, bare]) for way in (dense_batch, packed_batch, block_batch)):
        for each in batch.split(made.embed_many(batch)):
            torch.testing.assert_close(each["a"], made(bare.features, {})["a"])
    assert choose(bare, EDGES) == "dense"


@EVERY
@pytest.mark.parametrize("wanted", [5, 400])
def test_scores_of_pairs_and_their_gradients(batched: Batched, wanted: int) -> None:
    made, snapshots, kind = encoder(), different(7)[:2], EDGES[1]
    random = np.random.default_rng(0)
    which = torch.from_numpy(random.integers(0, 2, wanted))
    ends = [
        torch.tensor([int(random.integers(len(snapshots[i].features[end]))) for i in which.tolist()])
        for end in kind[::2]
    ]
    batch = batched(snapshots)
    embedded = made.embed_many(batch)
    found = batch.scores(embedded, kind, batch.pairs(kind, which, *ends))
    rows = [batch.rows(end, which, places) for end, places in zip(kind[::2], ends, strict=True)]
    one = [made(each.features, each.edge_index) for each in snapshots]
    expected = torch.stack([scores(one[i], kind, *(end[p] for end in ends)) for p, i in enumerate(which.tolist())])
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(scores(embedded, kind, *rows), expected)
    assert _slopes(made, found.square().sum()) == pytest.approx(_slopes(made, expected.square().sum()), rel=1e-9)


@EVERY
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_makes_no_nan(batched: Batched, dtype: torch.dtype) -> None:
    made, snapshots = encoder().float(), [_single(each) for each in different(3)]
    batch = batched(snapshots)
    full = made.embed_many(batch)
    with torch.autocast("cpu", dtype=dtype):
        half = made.embed_many(batch)
    for kind, values in full.items():
        assert torch.isfinite(half[kind]).all()
        assert (half[kind].float() - values).abs().mean() < 0.05 * values.abs().mean()
    sum(each.float().square().sum() for each in half.values()).backward()  # type: ignore[union-attr]
    assert all(torch.isfinite(each.grad).all() for each in made.parameters() if each.grad is not None)


def test_dropout_only_in_training() -> None:
    made, batch = encoder(dropout=0.5), dense_batch(different(0))
    quiet = [made.eval().embed_many(batch)["a"] for _ in range(2)]
    noisy = [made.train().embed_many(batch)["a"] for _ in range(2)]
    assert torch.equal(*quiet)
    assert not torch.equal(*noisy)


def test_dropout_is_torchs() -> None:
    """0 with the probability asked for, else so much larger that the mean stays; gradients alike."""
    made, x = encoder(dropout=0.2), torch.ones(200, 500, dtype=torch.double, requires_grad=True)
    found = made.train()._dropped(x)
    expected = torch.nn.functional.dropout(x, 0.2)
    assert set(found.unique().tolist()) == set(expected.unique().tolist()) == {0.0, 1.25}
    assert float((found == 0).double().mean()) == pytest.approx(0.2, abs=4 * (0.2 * 0.8 / x.numel()) ** 0.5)
    found.sum().backward()
    assert x.grad is not None and torch.equal(x.grad, found)


def test_an_encoder_without_edges_is_refused() -> None:
    with pytest.raises(InputError, match="no edge type"):
        HGTEncoder((NODES, []))


def test_dense_where_it_pays_and_only_as_much_as_memory_has_room_for() -> None:
    made = encoder()
    tight = [snapshot({"a": 20, "b": n}, {EDGES[0]: 100, EDGES[1]: 40}, n) for n in range(10, 17)]
    thin = [snapshot({"a": 1000}, {EDGES[0]: 100}, 0)]
    kinds = [("a", f"likes_{n}", "a") for n in range(20)]
    manifold = [snapshot({"a": 60}, dict.fromkeys(kinds, 3) | {EDGES[0]: 300}, 0)]
    assert [choose(each, each.edge_index) for each in (tight[0], manifold[0], thin[0])] == ["dense", "packed", "blocks"]
    assert choose(thin[0], [("a", f"likes_{n}", "a") for n in range(200)]) == "packed"
    assert [len(each) for each in batches([*tight, *manifold * 2, *tight])] == [7, 2, 7]
    assert [type(each) for each in batches([*tight, *tight])] == [DenseBatch]
    assert [len(each) for each in batches(tight, cells_at_once=3 * (20 * 20 + 20 * 16))] == [3, 3, 1]
    assert [len(each) for each in batches(tight, cells_at_once=1)] == [1] * 7
    assert [len(each) for each in batches(thin * 5, edges_at_once=200)] == [2, 2, 1]
    assert not list(batches([]))
    for snapshots in (tight, thin, [*tight[:2], *manifold, *thin]):
        for each, found in zip(snapshots, made.embed(snapshots), strict=True):
            torch.testing.assert_close(found["a"], made(each.features, each.edge_index)["a"])


def test_the_same_twice_to_the_bit() -> None:
    made, batch = encoder().float(), dense_batch([_single(each) for each in different(1)])
    found = []
    for _ in range(2):
        made.zero_grad()
        sum(each.square().sum() for each in made.embed_many(batch).values()).backward()  # type: ignore[union-attr]
        found.append([each.grad.clone() for each in made.parameters() if each.grad is not None])
    assert all(torch.equal(one, two) for one, two in zip(*found, strict=True))


def _slopes(made: HGTEncoder, loss: Tensor) -> list[float]:
    made.zero_grad()
    loss.backward()
    return [0.0 if each.grad is None else float(each.grad.norm()) for each in made.parameters()]


def _single(each: Tensors) -> Tensors:
    return Tensors({k: v.float() for k, v in each.features.items()}, each.edge_index, each.ids, each.weight)
