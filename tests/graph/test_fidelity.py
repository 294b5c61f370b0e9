"""Fidelity of trained modules on a simulated market; edges named at random must fail."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
from click.testing import CliRunner, Result
from graph.explained_market import Explained, build_explained
from graph.node_market import own_settings
from scipy.stats import wilcoxon
from sqlalchemy import text

from nexus.contract.explain import explain
from nexus.contract.reading import chunks_of
from nexus.contract.runner import train
from nexus.contract.splits import Chunk, Plan
from nexus.db import companies
from nexus.db.engine import Database
from nexus.errors import InputError
from nexus.graph.gnn.edge_list import EdgeList
from nexus.graph.gnn.edge_reasons import Occlusion, Reasons, edge_reasons
from nexus.graph.gnn.fidelity import fidelity
from nexus.graph.gnn.trainer import HGT
from nexus.maths.types import Floats, Ints
from research.explain_graph import main as explain_graph

COMPANIES, EDGES = 10, 5


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

    @property
    def strength(self) -> Floats:
        return np.zeros(len(self.companies))

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


class TestFromCheckpoints:
    """What `train-best` leaves is explained by the contract, and by the command."""

    PARAMS: ClassVar = {"hidden": 16, "heads": 2, "epochs": 4, "explain_companies": 3, "explain_edges": 4}
    PLAN = Plan(first_train_months=12, validation_months=3, test_months=3)
    ARGUMENTS: ClassVar = [
        "--train-months", "12", "--validation-months", "3", "--test-months", "3",
        *(word for name, value in PARAMS.items() for word in ("--set", f"{name}={value}")),
    ]  # fmt: skip

    @pytest.fixture(scope="class")
    @classmethod
    def chunk(cls, explained: Explained) -> Chunk:
        chunk = chunks_of(explained.market.database, HGT, cls.PLAN)[-1]
        train(explained.market.database, HGT, chunk, params=cls.PARAMS)
        return chunk

    def command(self, *arguments: str) -> Result:
        return CliRunner().invoke(explain_graph, [*self.ARGUMENTS, "--edges", "4", *arguments])

    def test_rows_of_edges_are_written(self, explained: Explained, chunk: Chunk) -> None:
        database, day = explained.market.database, chunk.test[-1]
        explain(database, HGT, chunk, [day], params=self.PARAMS)
        with database.read() as connection:
            rows = connection.execute(
                text("SELECT company_id, attribution FROM explanations WHERE as_of = :day AND feature LIKE 'edge:%'"),
                {"day": day},
            ).all()
        assert len(rows) == 12 and len({company for company, _ in rows}) == 3
        assert all(np.isfinite(attribution) and attribution > 0 for _, attribution in rows)

    def test_the_command_names_relations_and_edges_by_ticker(self, explained: Explained, chunk: Chunk) -> None:
        with explained.market.database.read() as connection:
            called = companies.names(connection, chunk_companies(explained, chunk))
        ticker = sorted(called.values())[0]
        said = self.command("--of", ticker, "--companies", "8")
        assert said.exit_code == int("fidelity: FAIL" in said.output), said.output
        assert "explain 1/" in said.stderr and "fidelity 1/" in said.stderr
        assert f"hgt on {chunk.test[-1]}: " in said.output and "company-supplies-company" in said.output
        assert len([line for line in said.output.splitlines() if line.startswith(f"{ticker} ")]) == 4

    def test_it_fails_where_fidelity_does(self, chunk: Chunk, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("nexus.graph.gnn.fidelity.LEVEL", 0.0)
        said = self.command("--companies", "8", "--draws", "1")
        assert said.exit_code == 1 and "fidelity: FAIL" in said.output

    def test_too_few_companies_are_refused_at_once(self) -> None:
        said = self.command("--companies", "6")
        assert said.exit_code == 2 and "6 is not in the range x>=7" in said.output

    def test_a_ticker_that_nobody_has_is_refused(self, chunk: Chunk) -> None:
        said = self.command("--of", "NOBODY")
        assert isinstance(said.exception, InputError) and "ticker NOBODY is not among companies" in str(said.exception)


def chunk_companies(explained: Explained, chunk: Chunk) -> list[int]:
    ids: list[int] = explained.panel.at(chunk.test[-1]).graph("monthly").nodes["company"].tolist()
    return ids
