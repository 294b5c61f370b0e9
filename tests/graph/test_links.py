"""Transitions and negatives against their definitions, spelled out over sets of pairs."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from graph.link_graphs import BOARD, HOLDS, RIVALS, SUPPLY, graph, random_graphs, with_rivals
from scipy.stats import mannwhitneyu

from nexus.errors import InputError
from nexus.graph.gnn import negatives as negatives_module
from nexus.graph.gnn.links import ends, transition, transitions
from nexus.graph.gnn.negatives import LIKE, Sampler, negatives, question

TYPES = [SUPPLY, BOARD, HOLDS, RIVALS]


def as_pairs(step, codes):
    src, dst = ends(codes, step.shape[1])
    source, _, target = step.edge_type
    return set(
        zip(step.before.nodes[source][src].tolist(), step.before.nodes[target][dst].tolist(), strict=True)
    )  # fmt: skip


def pairs_of(graph, edge_type):
    edges = graph.edges.get(edge_type)
    return set() if edges is None else set(zip(edges.src.tolist(), edges.dst.tolist(), strict=True))


def slow(before, after, edge_type):
    """The definitions of METHOD.md over sets."""
    source, relation, target = edge_type
    was, is_now = pairs_of(before, edge_type), pairs_of(after, edge_type)
    here = {side: set(before.nodes[side].tolist()) for side in (source, target)}
    there = {side: set(after.nodes[side].tolist()) for side in (source, target)}
    known = {(a, b) for a, b in is_now if a in here[source] and b in here[target]}
    free = {
        (a, b)
        for a, b in itertools.product(here[source] & there[source], here[target] & there[target])
        if (source != target or a != b) and (relation != "board" or a < b)
    } - was - is_now  # fmt: skip
    ended = {(a, b) for a, b in was - is_now if a in there[source] and b in there[target]}
    return known & was, known - was, ended, len(is_now - known), free


@pytest.mark.parametrize("edge_type", TYPES)
def test_transitions_are_the_sets_they_are_said_to_be(edge_type):
    graphs = with_rivals(random_graphs(1, 8))
    seen = np.zeros(4, int)
    for step in transitions(graphs, edge_type):
        stayed, new, ended, of_new_nodes, free = slow(step.before, step.after, edge_type)
        assert as_pairs(step, step.stayed) == stayed
        assert as_pairs(step, step.new) == new
        assert as_pairs(step, step.ended) == ended
        assert step.of_new_nodes == of_new_nodes
        sampler = Sampler([step])
        assert as_pairs(step, sampler.enumerate(0)) == free
        assert sampler.available(0) == len(free)
        seen += [len(stayed), len(new), len(ended), of_new_nodes]
    assert (seen[[0, 1, 2, 3]] > 0).all()


@pytest.mark.parametrize("edge_type", TYPES)
def test_negatives_are_ten_different_free_pairs_per_new_edge(edge_type):
    for step in transitions(with_rivals(random_graphs(2, 8, companies=40, funds=12)), edge_type):
        *_, free = slow(step.before, step.after, edge_type)
        asked = question(step, "new")
        assert asked.positives == len(step.new) and asked.label[: len(step.new)].all()
        codes = asked.src * step.shape[1] + asked.dst
        drawn = as_pairs(step, codes[~asked.label])
        assert len(drawn) == (~asked.label).sum() == min(10 * len(step.new), len(free))
        assert drawn <= free
        assert bool(asked.note) == (10 * len(step.new) > len(free))


def test_all_edges_stand_against_those_that_ended_and_one_free_pair_each():
    for edge_type in TYPES:
        for step in transitions(with_rivals(random_graphs(3, 6)), edge_type):
            _, _, ended, _, free = slow(step.before, step.after, edge_type)
            asked = question(step, "all")
            drawn = as_pairs(step, (asked.src * step.shape[1] + asked.dst)[~asked.label])
            assert asked.positives == len(step.stayed) + len(step.new)
            assert ended <= drawn and drawn - ended <= free
            assert len(drawn - ended) == min(asked.positives, len(free))


def test_negatives_depend_on_snapshot_edge_type_and_seed_only():
    graphs = random_graphs(4, 4, companies=40)
    again = transition(graphs[1], graphs[2], SUPPLY)
    one, other = question(transition(graphs[1], graphs[2], SUPPLY), "new"), question(again, "new")
    assert np.array_equal(one.src, other.src) and np.array_equal(one.dst, other.dst)
    reseeded = question(again, "new", seed=1)
    assert not np.array_equal(one.src, reseeded.src)


def test_where_pairs_run_out_all_are_taken_and_it_is_said():
    nodes = {"company": [1, 2, 3, 4]}
    step = transition(graph(0, nodes, {BOARD: {(1, 2)}}), graph(1, nodes, {BOARD: {(1, 2), (3, 4)}}), BOARD)
    asked = question(step, "new")
    assert asked.note == "10 negatives wanted, 4 exist: all of them"
    assert as_pairs(step, (asked.src * 4 + asked.dst)[~asked.label]) == {(1, 3), (1, 4), (2, 3), (2, 4)}


def test_half_the_negatives_have_the_degrees_of_the_new_edges():
    # a hub graph: new edges come to hubs; uniform pairs are tell-tale by degree, matched ones are not
    random = np.random.default_rng(0)
    n = 300
    pull = 1.0 / np.arange(1, n + 1) ** 0.8
    pull /= pull.sum()
    nodes = {"company": list(range(n))}

    def draw(k):
        ends = random.choice(n, (4 * k, 2), p=pull)
        return {(int(a), int(b)) for a, b in ends if a != b}

    old = draw(300)
    step = transition(graph(0, nodes, {SUPPLY: old}), graph(1, nodes, {SUPPLY: old | draw(100)}), SUPPLY)
    sampler = Sampler([step])
    matched, uniform = sampler.requests([step.new])

    def score(codes):
        src, dst = ends(codes, n)
        return step.degrees[0][src] * step.degrees[1][dst]

    def told(requests):
        codes = sampler.distinct(random, np.repeat(requests, 5, axis=0), np.empty(0, np.int64))
        return mannwhitneyu(score(step.new), score(codes)).statistic / len(step.new) / len(codes)

    assert told(uniform) > 0.7
    assert abs(told(matched) - 0.5) < 0.08
    codes, note = negatives(step, step.new, 10 * len(step.new), np.random.default_rng(1))
    assert not note and len(codes) == 10 * len(step.new)
    both = mannwhitneyu(score(step.new), score(codes)).statistic / len(step.new) / len(codes)
    assert abs(both - (told(uniform) + told(matched)) / 2) < 0.05


def test_likes_are_the_nodes_of_nearest_degree():
    step = transitions(random_graphs(5, 2, companies=60), SUPPLY)[0]
    sampler = Sampler([step])
    matched, _ = sampler.requests([step.new])
    alive = np.flatnonzero(step.alive[0])
    for row, src in zip(matched, ends(step.new, step.shape[1])[0], strict=True):
        likes = sampler._sources[row[1] : row[2]]
        distance = np.abs(step.degrees[0][alive] - step.degrees[0][src])
        reach = np.sort(distance)[LIKE - 1]
        assert set(likes.tolist()) == set(alive[distance <= reach].tolist())


@pytest.mark.parametrize("cells", [negatives_module.CELLS, 0])
def test_many_transitions_at_once_draw_free_pairs_of_their_own(monkeypatch, cells):
    monkeypatch.setattr(negatives_module, "CELLS", cells)
    steps = transitions(random_graphs(6, 6), BOARD)
    sampler = Sampler(steps)
    requests = np.concatenate(sampler.requests([step.positives for step in steps]))
    drawn = sampler.draw(np.random.default_rng(0), requests)
    assert (drawn >= 0).mean() > 0.95
    for place, step in enumerate(steps):
        codes = drawn[(requests[:, 0] == place) & (drawn >= 0)]
        which, src, dst = sampler.places(codes)
        assert (which == place).all() and np.array_equal(sampler.codes(place, src * step.shape[1] + dst), codes)
        codes = src * step.shape[1] + dst
        *_, free = slow(step.before, step.after, BOARD)
        assert as_pairs(step, codes) <= free


def test_snapshots_out_of_order_and_loops_are_refused():
    one, two = random_graphs(7, 2)
    with pytest.raises(InputError, match="does not come after"):
        transition(two, one, SUPPLY)
    with pytest.raises(InputError, match="joins a node with itself"):
        transition(one, graph(5, {"company": [1, 2]}, {SUPPLY: {(1, 1)}}), SUPPLY)
