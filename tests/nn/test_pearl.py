"""PEARL against a dense slow twin, and the properties the paper claims."""

import networkx as nx
import numpy as np
import pytest
import torch

from nexus.nn.pearl import Pearl, basis_inputs, random_inputs, ties


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def seeded(**params) -> Pearl:
    torch.manual_seed(3)
    return Pearl(**params)


def ends_of(graph: nx.Graph) -> torch.Tensor:
    return torch.tensor(sorted(graph.edges), dtype=torch.long).reshape(-1, 2).T


def some_graph(n: int = 40, p: float = 0.12, seed: int = 5) -> nx.Graph:
    return nx.gnp_random_graph(n, p, seed=seed)


def slow(pearl: Pearl, adjacency: np.ndarray, relations: list[np.ndarray], inputs: np.ndarray) -> np.ndarray:
    """The definition, one input at a time, in double precision; a relation's rows are the targets."""
    degree = adjacency.sum() / len(adjacency)
    alone = [each / np.sqrt(each.sum() / (each.sum(axis=1) > 0).sum()) if each.any() else each for each in relations]
    pictures = []
    for column in inputs.T.astype(np.float64):
        layers = []
        x = np.column_stack([column, adjacency @ column / np.sqrt(degree), *(each @ column for each in alone)])
        for layer in pearl.layers:
            weight, bias = (value.detach().double().numpy() for value in (layer.weight, layer.bias))
            layers.append(np.maximum(x @ weight.T + bias, 0))
            x = np.hstack([layers[-1], adjacency @ layers[-1] / degree])
        pictures.append(np.hstack(layers))
    pooled = np.hstack([np.mean(pictures, axis=0), np.var(pictures, axis=0)])
    pooled = (pooled - pooled.mean(axis=0)) / np.sqrt(pooled.var(axis=0) + (1e-2 * pooled.mean(axis=0)) ** 2 + 1e-12)
    return pooled @ pearl.out.weight.detach().double().numpy().T + pearl.out.bias.detach().double().numpy()


def test_equals_the_definition():
    graph = some_graph()
    one_way = torch.tensor(np.random.default_rng(8).integers(0, 40, (2, 30)))
    one_way = one_way.unique(dim=1)
    heard = np.zeros((40, 40))
    heard[one_way[1], one_way[0]] = 1
    pearl = seeded(relations=["forth", "nobody"])
    among = ties(40, ends_of(graph), {"forth": one_way, "unheard": one_way.flip(0)})
    inputs = random_inputs(40, 16, 0, "some content")
    with torch.no_grad():
        made = pearl(among, inputs)
    assert made.shape == (40, 32)
    relations = [heard, np.zeros((40, 40))]
    expected = slow(pearl, nx.to_numpy_array(graph, range(40)), relations, inputs.numpy())
    np.testing.assert_allclose(made, expected, atol=5e-5)


def test_ties_count_edges_whatever_their_direction_and_no_loops():
    among = ties(4, torch.tensor([[0, 1, 2, 3, 0], [1, 0, 3, 3, 2]]))
    expected = torch.tensor([[0, 2, 1, 0], [2, 0, 0, 0], [1, 0, 0, 1], [0, 0, 1, 0]], dtype=torch.float32)
    assert torch.equal(among.counts.to_dense(), expected)
    assert among.degree == 2.0
    assert ties(3, torch.empty(2, 0, dtype=torch.long)).degree == 1.0


def test_basis_inputs_are_equivariant_to_the_numbering():
    graph = some_graph()
    new = np.random.default_rng(1).permutation(40)
    renamed = nx.relabel_nodes(graph, dict(enumerate(new.tolist())))
    pearl = seeded()
    with torch.no_grad():
        one, other = (pearl(ties(40, ends_of(each)), basis_inputs(40)) for each in (graph, renamed))
    torch.testing.assert_close(other[new], one, atol=2e-5, rtol=1e-5)
    assert (one.std(dim=0) > 1e-3).any()  # not everybody alike, or equivariance would say nothing


def test_random_inputs_are_equivariant_when_they_move_with_the_nodes_and_approach_it_with_many():
    graph = some_graph()
    new = np.random.default_rng(1).permutation(40)
    renamed = nx.relabel_nodes(graph, dict(enumerate(new.tolist())))
    pearl = seeded()
    inputs = random_inputs(40, 32, 0, "a")
    moved = torch.empty_like(inputs)
    moved[new] = inputs
    gaps = {}
    with torch.no_grad():
        one, other = pearl(ties(40, ends_of(graph)), inputs), pearl(ties(40, ends_of(renamed)), moved)
        torch.testing.assert_close(other[new], one, atol=2e-5, rtol=1e-5)
        for samples in (400, 40000):
            one = pearl(ties(40, ends_of(graph)), random_inputs(40, samples, 0, "a"))
            other = pearl(ties(40, ends_of(renamed)), random_inputs(40, samples, 0, "b"))
            gaps[samples] = float((other[new] - one).square().mean().sqrt())
    assert gaps[40000] < gaps[400] / 3  # the error falls as the root of the number: at best ten times


def test_tells_triangles_from_a_hexagon_where_constant_inputs_cannot():
    """Two triangles and a hexagon: every node has two neighbours of degree two, all that 1-WL ever sees."""
    graph = nx.disjoint_union_all([nx.cycle_graph(3), nx.cycle_graph(3), nx.cycle_graph(6)])
    nx.set_node_attributes(graph, "", "colour")
    hashes = nx.weisfeiler_lehman_subgraph_hashes(graph, node_attr="colour", iterations=5)
    assert len({tuple(each) for each in hashes.values()}) == 1
    pearl, among = seeded(), ties(12, ends_of(graph))
    with torch.no_grad():
        blind = pearl(among, torch.ones(12, 1))
        exact = pearl(among, basis_inputs(12))
        drawn = pearl(among, random_inputs(12, 4000, 0, "cycles"))
    torch.testing.assert_close(blind, blind[:1].expand_as(blind))
    torch.testing.assert_close(exact[:6], exact[:1].expand(6, -1), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(exact[6:], exact[6:7].expand(6, -1), atol=1e-4, rtol=1e-4)
    gap = (exact[0] - exact[6]).norm()
    assert gap > 0.1
    within = torch.stack([drawn[:6].std(dim=0), drawn[6:].std(dim=0)]).norm()
    assert (drawn[:6].mean(dim=0) - drawn[6:].mean(dim=0)).norm() > within


@pytest.mark.parametrize(("inputs", "least"), [("basis", 0.98), ("random", 0.8)])
def test_the_degree_can_be_read_off(inputs, least):
    """A straight line through the encodings tells the degree of nodes of graphs it was not fitted on."""
    pearl = seeded()

    def encoded(seed: int) -> tuple[np.ndarray, np.ndarray]:
        graph = nx.barabasi_albert_graph(120, 3, seed=seed)
        drawn = basis_inputs(120) if inputs == "basis" else random_inputs(120, 64, 0, str(seed))
        return read(pearl, ties(120, ends_of(graph)), drawn), np.array([graph.degree[node] for node in range(120)])

    assert r_squared(encoded) > least


@pytest.mark.parametrize(("relations", "least", "most"), [(["forth"], 0.7, 1.0), ([], -9.0, 0.3)])
def test_the_degree_of_a_relation_is_told_only_where_it_is_heard_by_itself(relations, least, most):
    """Few edges one way among many others: lost in the sum of all, plain when heard alone."""
    pearl = seeded(relations=relations)

    def encoded(seed: int) -> tuple[np.ndarray, np.ndarray]:
        random = np.random.default_rng(seed)
        others = random.integers(0, 120, (2, 2000))
        forth = np.stack([random.integers(0, 120, 300), random.choice(120, 300, p=random.dirichlet(np.ones(120)))])
        among = ties(120, torch.tensor(np.hstack([others, forth])), {"forth": torch.tensor(forth)})
        return read(pearl, among, random_inputs(120, 64, 0, str(seed))), np.bincount(forth[1], minlength=120)

    assert least < r_squared(encoded) < most


def read(pearl, among, inputs) -> np.ndarray:
    with torch.no_grad():
        values = pearl(among, inputs).numpy()
    return np.column_stack([values, np.ones(len(values))])


def r_squared(encoded) -> float:
    """Of a line fitted on 8 graphs, on another."""
    fitted = [encoded(seed) for seed in range(8)]
    line = np.linalg.lstsq(*(np.concatenate(parts) for parts in zip(*fitted, strict=True)), rcond=None)[0]
    values, told = encoded(99)
    return 1 - np.var(told - values @ line) / np.var(told)


def test_order_and_chunks_of_the_inputs_do_not_matter_nor_for_the_gradients():
    graph, inputs = some_graph(), random_inputs(40, 24, 0, "x")
    shuffled = inputs[:, torch.randperm(24, generator=torch.Generator().manual_seed(1))]
    found = []
    for chunk, given in ((64, inputs), (64, shuffled), (5, inputs)):
        pearl = seeded(chunk=chunk)
        made = pearl(ties(40, ends_of(graph)), given)
        made.square().sum().backward()
        found.append([made.detach(), *(each.grad for each in pearl.parameters())])
    for other in found[1:]:
        for one, two in zip(found[0], other, strict=True):
            torch.testing.assert_close(two, one, atol=1e-4, rtol=1e-3)


def test_inputs_depend_on_seed_and_content_only():
    torch.manual_seed(1)
    first = random_inputs(30, 4, 7, "content")
    torch.manual_seed(2)
    assert torch.equal(first, random_inputs(30, 4, 7, "content"))
    assert not torch.equal(first, random_inputs(30, 4, 8, "content"))
    assert not torch.equal(first, random_inputs(30, 4, 7, "other content"))
    long = random_inputs(200, 500, 0, "moments")
    assert abs(float(long.mean())) < 0.02 and abs(float(long.std()) - 1) < 0.02
    assert float(basis_inputs(30).square().mean()) == pytest.approx(1.0)


def test_a_small_change_of_the_graph_is_a_small_change_of_the_encodings():
    """Stability: one edge of many changes encodings by little, in the end in proportion to its weight."""
    among, pearl = ties(40, ends_of(some_graph())), seeded()
    inputs = basis_inputs(40)
    moved = []
    with torch.no_grad():
        before = pearl(among, inputs)
        for share in (1.0, 0.01, 0.001):
            dense = among.counts.to_dense()
            dense[3, 9] += share
            dense[9, 3] += share
            changed = type(among)(dense.to_sparse(), among.degree)
            moved.append(float((pearl(changed, inputs) - before).norm() / before.norm()))
    assert moved[0] < 0.25
    assert moved[1] < 0.2 * moved[0] and moved[2] < 0.2 * moved[1]


def test_the_encodings_are_made_in_full_precision_whatever_the_callers():
    among, pearl, inputs = ties(40, ends_of(some_graph())), seeded(), random_inputs(40, 16, 0, "x")
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        half = pearl(among, inputs)
    with torch.no_grad():
        assert half.dtype == torch.float32 and torch.equal(half, pearl(among, inputs))
