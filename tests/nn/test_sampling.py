"""A sample of everything is the whole; a sample of some is what it says."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nexus.errors import InputError
from nexus.nn.hetero import EdgeType, Tensors
from nexus.nn.hgt import HGTEncoder
from nexus.nn.sampling import Neighbours, PygNeighbours, pyg_sampler

torch.set_num_threads(1)

SIZES = {"company": 300, "fund": 20, "alone": 3}
EDGES: dict[EdgeType, int] = {
    ("company", "supplies", "company"): 900,
    ("company", "rev_supplies", "company"): 900,
    ("fund", "holds", "company"): 500,
    ("company", "rev_holds", "fund"): 500,
}


@pytest.fixture(scope="module")
def whole() -> Tensors:
    random = torch.Generator().manual_seed(0)
    return Tensors(
        {kind: torch.randn(n, 5, generator=random) for kind, n in SIZES.items()},
        {
            kind: torch.stack([torch.randint(SIZES[end], (n,), generator=random) for end in kind[::2]])
            for kind, n in EDGES.items()
        },
        {kind: np.arange(1000, 1000 + n) for kind, n in SIZES.items()},
        {kind: torch.arange(n).float() for kind, n in EDGES.items()},
    )


@pytest.fixture(scope="module")
def encoder() -> HGTEncoder:
    torch.manual_seed(0)
    return HGTEncoder((sorted(SIZES), sorted(EDGES)), hidden=16).double().eval()


def embedded(encoder: HGTEncoder, part: Tensors) -> dict[str, torch.Tensor]:
    return encoder({kind: each.double() for kind, each in part.features.items()}, part.edge_index)


def test_with_all_neighbours_the_seeds_are_embedded_as_in_the_whole(whole: Tensors, encoder: HGTEncoder) -> None:
    random = np.random.default_rng(0)
    seeds = {"company": np.array([7, 290, 3]), "fund": np.array([19]), "alone": np.array([1])}
    sample = Neighbours(whole).around(seeds, [None, None], random)
    assert len(sample.features["company"]) < SIZES["company"]
    found, expected = embedded(encoder, sample), embedded(encoder, whole)
    for kind, places in seeds.items():
        torch.testing.assert_close(found[kind][: len(places)], expected[kind][torch.from_numpy(places)])


def test_fewer_hops_than_layers_are_not_enough(whole: Tensors, encoder: HGTEncoder) -> None:
    seeds = {"company": np.arange(5)}
    sample = Neighbours(whole).around(seeds, [None], np.random.default_rng(0))
    assert not torch.allclose(embedded(encoder, sample)["company"][:5], embedded(encoder, whole)["company"][:5])


def test_a_sample_has_nothing_that_is_not_in_the_whole(whole: Tensors) -> None:
    neighbours, random = Neighbours(whole), np.random.default_rng(1)
    for part in np.array_split(random.permutation(SIZES["company"]), 5):
        sample = neighbours.around({"company": part}, [4, 2], random)
        np.testing.assert_array_equal(sample.ids["company"][: len(part)], whole.ids["company"][part])
        _is_part(sample, whole)


def test_no_more_edges_into_a_node_than_asked_for(whole: Tensors) -> None:
    seeds = np.arange(100)
    sample = Neighbours(whole).around({"company": seeds}, [2], np.random.default_rng(2))
    for kind, index in whole.edge_index.items():
        if kind[2] != "company":
            continue
        drawn = sample.edge_index[kind]
        there = torch.bincount(index[1], minlength=300)[:100]
        torch.testing.assert_close(torch.bincount(drawn[1], minlength=100), there.clamp(max=2))


def test_every_edge_is_drawn_as_often_as_any_other() -> None:
    """Two of five, 2,000 times: 800 each, give or take four standard deviations."""
    star = Tensors(
        {"a": torch.zeros(6, 1)}, {("a", "to", "a"): torch.tensor([[1, 2, 3, 4, 5], [0] * 5])}, {"a": np.arange(6)}, {}
    )
    neighbours, random = Neighbours(star), np.random.default_rng(3)
    drawn = [neighbours.around({"a": np.array([0])}, [2], random).ids["a"][1:] for _ in range(2_000)]
    assert all(len(each) == 2 for each in drawn)
    counts = np.bincount(np.concatenate(drawn), minlength=6)[1:]
    assert abs(counts - 800).max() < 4 * np.sqrt(2_000 * 0.4 * 0.6)


def test_the_same_seed_the_same_samples(whole: Tensors) -> None:
    neighbours, seeds = Neighbours(whole), {"company": np.arange(100)}
    one, two, other = (
        neighbours.around(seeds, [3, 3], np.random.default_rng(seed)).ids["company"].tolist() for seed in (5, 5, 6)
    )
    assert one == two != other


HOLDS, NEW = ("fund", "holds", "company"), ("alone", "joins", "fund")
ENDS = np.array([[3, 3, 19], [290, 7, 0]])
needs_pyg = pytest.mark.skipif(pyg_sampler() is None, reason="neither pyg-lib nor torch-sparse is installed")


@needs_pyg
def test_pyg_with_all_neighbours_embeds_the_ends_as_in_the_whole(whole: Tensors, encoder: HGTEncoder) -> None:
    expected = embedded(encoder, whole)
    for kind, ends in ((HOLDS, ENDS), (NEW, np.array([[1, 1, 2], [3, 4, 3]]))):
        part, local = PygNeighbours(whole, [-1, -1]).around(kind, ends, np.random.default_rng(0))
        found = embedded(encoder, part)
        for node_type, here, there in zip(kind[::2], local, ends, strict=True):
            torch.testing.assert_close(found[node_type][here], expected[node_type][there])
        _is_part(part, whole)


@needs_pyg
def test_pyg_draws_by_the_seed_and_leaves_the_state_of_torch_alone(whole: Tensors) -> None:
    pyg, before = PygNeighbours(whole, [2, 2]), torch.get_rng_state()
    one, two, other = (pyg.around(HOLDS, ENDS, np.random.default_rng(seed))[0] for seed in (5, 5, 6))
    assert torch.equal(torch.get_rng_state(), before)
    assert one.ids["company"].tolist() == two.ids["company"].tolist() != other.ids["company"].tolist()
    for part in (one, other):
        _is_part(part, whole)
        for kind, index in part.edge_index.items():
            assert not index.numel() or torch.bincount(index[1]).max() <= 2, kind


@needs_pyg
def test_pyg_leaves_the_state_of_a_gpu_alone(whole: Tensors, monkeypatch: pytest.MonkeyPatch) -> None:
    seeded: list[int] = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded.append)
    PygNeighbours(whole, [2, 2]).around(HOLDS, ENDS, np.random.default_rng(5))
    assert not seeded


@pytest.mark.skipif(pyg_sampler() is not None, reason="a library that PyG samples by is installed")
def test_without_its_library_pyg_does_not_sample_and_says_what_to_do(whole: Tensors) -> None:
    with pytest.raises(InputError, match="neither pyg-lib nor torch-sparse is installed; install one, or sample by"):
        PygNeighbours(whole, [4, 2])


def _is_part(part: Tensors, whole: Tensors) -> None:
    """Features, ids, ends and weights of the part are those of the whole, no edge twice."""
    for kind, ids in part.ids.items():
        torch.testing.assert_close(part.features[kind], whole.features[kind][torch.from_numpy(ids - 1000)])
        assert len(set(ids.tolist())) == len(ids)
    for kind, index in part.edge_index.items():
        edges = part.weight[kind].long()  # the weight of an edge is its number
        assert len(edges.unique()) == len(edges) == index.shape[1]
        for end, places, expected in zip(kind[::2], index, whole.edge_index[kind][:, edges], strict=True):
            np.testing.assert_array_equal(part.ids[end][places.numpy()] - 1000, expected.numpy())
