"""Fidelity of trained modules on a simulated market; edges named at random must fail."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest
from graph.explained_market import Explained, build_explained
from graph.node_market import own_settings
from scipy.stats import wilcoxon

from nexus.db.engine import Database
from nexus.errors import InputError
from nexus.graph.gnn.edge_list import EdgeList
from nexus.graph.gnn.edge_reasons import Occlusion, Reasons, edge_reasons
from nexus.graph.gnn.fidelity import fidelity
from nexus.maths.types import Floats, Ints

COMPANIES, EDGES = 12, 5


@pytest.fixture(scope="module")
def explained(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Explained]:
    with own_settings(database, tmp_path_factory.mktemp("home")):
        yield build_explained(database)


@pytest.fixture(scope="module", params=["hgt", "role_aware"])
def told(request: pytest.FixtureRequest, explained: Explained) -> tuple[Occlusion, list[Reasons]]:
    occlusion = explained.occlusion(request.param)
    return occlusion, edge_reasons(occlusion, occlusion.companies[:COMPANIES].tolist(), EDGES)


def test_named_edges_move_what_is_said_more_than_others(told: tuple[Occlusion, list[Reasons]]) -> None:
    found = fidelity(*told, EDGES, draws=4)
    assert found.passes and str(found).startswith("PASS")
    assert found.named > 2 * found.random and found.share > 0.8
    assert (found.companies, found.passed_over, found.edges, found.draws) == (COMPANIES, 0, EDGES, 4)
    assert fidelity(*told, EDGES, draws=1, seed=1).random != fidelity(*told, EDGES, draws=1, seed=2).random


def test_edges_named_at_random_fail(told: tuple[Occlusion, list[Reasons]]) -> None:
    occlusion, reasons = told
    random = np.random.default_rng(7)
    dealt = [
        replace(each, edges=random.choice(occlusion.edges.around(each.company, 2), EDGES, replace=False))
        for each in reasons
    ]
    found = fidelity(occlusion, dealt, EDGES, draws=4)
    assert not found.passes and str(found).startswith("FAIL")


def test_figures_are_those_of_taking_the_edges_away_together(told: tuple[Occlusion, list[Reasons]]) -> None:
    """Slow twin, the same draws."""
    occlusion, reasons = told
    found = fidelity(occlusion, reasons, 3, draws=2, seed=5)
    generator = np.random.default_rng(5)
    named, others = [], []
    for each in reasons:
        row = occlusion.companies.tolist().index(each.company)
        around = occlusion.edges.around(each.company, occlusion.layers)
        drops = [each.edges[:3], *(generator.choice(around, 3, replace=False) for _ in range(2))]
        mine, *rest = (abs(occlusion.moved(less)[row]) for less in occlusion.without(drops))
        named.append(mine)
        others.append(np.mean(rest))
    assert found.named == pytest.approx(np.mean(named), rel=1e-4)
    assert found.random == pytest.approx(np.mean(others), rel=1e-4)
    assert found.share == np.mean(np.array(named) > np.array(others))
    p = wilcoxon(np.array(named), np.array(others), alternative="greater").pvalue
    assert found.p == pytest.approx(p, rel=1e-6)


class Deaf(Occlusion):
    """Says the same whatever is taken away."""

    def __init__(self, edges: EdgeList, companies: Ints) -> None:
        self.edges, self.companies, self.layers = edges, companies, 2

    @property
    def said(self) -> Floats:
        return np.ones((len(self.companies), 1))

    def without(self, drops: Sequence[Ints]) -> Iterator[Floats]:
        return (self.said for _ in drops)

    def promise(self, rows: Ints) -> Iterator[Floats]:
        return (np.ones(len(self.edges)) for _ in rows)

    def moved(self, less: Floats) -> Floats:
        return (self.said - less)[:, 0]


def test_a_model_that_no_edge_moves_has_no_reasons_and_fails(explained: Explained) -> None:
    told = explained.occlusion("hgt")
    deaf = Deaf(told.edges, told.companies)
    nothing = edge_reasons(deaf, told.companies[:8].tolist(), EDGES)
    assert not any(len(each.edges) for each in nothing)
    with pytest.raises(InputError, match="0 companies have edges enough"):
        fidelity(deaf, nothing)
    named = [replace(each, edges=told.edges.around(each.company, 2)[:EDGES]) for each in nothing]
    found = fidelity(deaf, named, EDGES)
    assert found.p == 1.0 and not found.passes


def test_companies_with_hardly_more_edges_than_are_named_are_passed_over(told: tuple[Occlusion, list[Reasons]]) -> None:
    occlusion, reasons = told
    around = occlusion.edges.around(reasons[0].company, 2)
    most = replace(reasons[0], edges=around[: len(around) // 2 + 1])
    found = fidelity(occlusion, [most, *reasons[1:]], len(around), draws=1)
    assert (found.companies, found.passed_over) == (COMPANIES - 1, 1)
