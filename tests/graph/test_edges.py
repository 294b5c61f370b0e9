"""Edges of a world written by hand, month by month, from what was known then."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest
from graph_rows import add, close, entities, weekdays

from nexus.db.engine import Database
from nexus.db.graph import UNDIRECTED, Graph
from nexus.db.panel import Panel
from nexus.db.relations import Relations
from nexus.graph.compose import compose
from nexus.graph.edges import board, fund_similarity, sector, stated
from nexus.graph.recipes import EdgeKind, Recipe

STATED, BOARD, SIMILAR = EdgeKind("stated", stated), EdgeKind("board", board), EdgeKind("similar", fund_similarity)
HAND = Recipe("hand", "1", (STATED, BOARD, SIMILAR), "U")
Weights = dict[tuple[str, str], float]


class World:
    """A database, the names of its entities, and graphs of it."""

    def __init__(self, database: Database, ids: dict[str, int]) -> None:
        self.database, self.ids = database, ids
        self.names = {number: name for name, number in ids.items()}

    def graph(self, day: str, recipe: Recipe = HAND, load_id: int | None = None) -> Graph:
        """The snapshot of a day."""
        end = date.fromisoformat(day)
        panel = Panel.open(self.database, start=date(2020, 1, 1), end=end, inputs=recipe.inputs, load_id=load_id)
        relations = Relations.open(self.database, load_id=load_id, undirected=UNDIRECTED)
        return compose(recipe, panel, relations, np.datetime64(end), round(close(day).timestamp() * 1e6))

    def edges(self, graph: Graph, src: str, relation: str, dst: str) -> Weights:
        """Weights of one type by the names of the ends."""
        edges = graph.edges.get((src, relation, dst))
        if edges is None:
            return {}
        ends = zip(edges.src.tolist(), edges.dst.tolist(), strict=True)
        return {
            (self.names[one], self.names[other]): round(float(weight), 6)
            for (one, other), weight in zip(ends, edges.weight, strict=True)
        }

    def nodes(self, graph: Graph, node_type: str) -> str:
        """Names of the nodes of a type, in a row."""
        return " ".join(self.names[number] for number in graph.nodes.get(node_type, []))


@pytest.fixture(scope="module")
def world(database: Database) -> World:
    weekdays(database, "2020-01-01", "2020-12-31")
    ids = entities(database, "extended", ["Mill"])
    for kind, names in (("company", "ABCDFG"), ("fund", "WXYZV"), ("director", "PQR"), ("extended", ["Yard"])):
        ids |= entities(database, kind, names)
    members = [("U", ids[name], "2019-06-03", None, "2019-06-04") for name in "ABCDG"]
    members += [("U", ids["D"], "2019-06-03", "2020-06-15", "2020-06-16")]
    add(database, "universe_members", members, preference=1)
    add(database, "relations", [_row(ids, *row) for row in FIRST], source="first", preference=1)
    add(database, "relations", [_row(ids, *row) for row in SECOND], source="second", basis="assumed", preference=2)
    return World(database, ids)


# src, relation, dst, valid_from, valid_to, weight, known_at
FIRST = (
    ("A", "supplies", "B", "2020-01-10", None, 0.2, "2020-03-05"),
    ("A", "supplies", "B", "2020-01-10", None, 0.5, "2020-05-04"),
    ("B", "supplies", "C", "2020-02-03", None, None, "2020-02-04"),
    ("B", "supplies", "C", "2020-02-03", "2020-07-01", None, "2020-08-20"),
    ("A", "supplies", "C", "2020-02-03", None, 0.1, "2020-02-04"),
    ("A", "supplies", "C", "2020-02-03", "2020-05-01", 0.1, "2020-05-02"),
    ("Mill", "supplies", "A", "2020-02-03", None, 1.0, "2020-02-04"),
    ("A", "licenses", "D", "2020-02-03", None, None, "2020-02-04"),
    ("B", "competes", "A", "2020-02-03", None, 3.0, "2020-02-04"),
    ("Mill", "competes", "B", "2020-02-03", None, 1.0, "2020-02-04"),
    ("Yard", "competes", "C", "2020-02-03", None, 1.0, "2020-02-04"),
    *[(director, "director_of", seat, "2020-02-03", None, None, "2020-02-04") for director, seat in
      (("P", "A"), ("P", "B"), ("Q", "A"), ("Q", "B"), ("Q", "D"), ("R", "F"), ("R", "C"))],
    ("X", "holds", "A", "2020-02-03", None, 3.0, "2020-02-04"),
    ("X", "holds", "Mill", "2020-02-03", None, 4.0, "2020-02-04"),
    ("Y", "holds", "A", "2020-02-03", None, 40.0, "2020-02-04"),
    ("Y", "holds", "Mill", "2020-02-03", None, 30.0, "2020-02-04"),
    ("Z", "holds", "A", "2020-02-03", None, 0.3, "2020-02-04"),
    ("Z", "holds", "Mill", "2020-02-03", None, 0.4, "2020-02-04"),
    ("W", "holds", "F", "2020-02-03", None, 1.0, "2020-02-04"),
    ("V", "holds", "A", "2020-02-03", None, 5.0, "2020-02-04"),
    ("V", "holds", "F", "2020-02-03", None, None, "2020-02-04"),
)  # fmt: skip
SECOND = (
    ("A", "supplies", "C", "2020-01-02", None, 0.9, "2020-01-03"),
    ("A", "competes", "B", "2020-01-02", None, 7.0, "2020-01-03"),
)


def _row(ids: dict[str, int], src: str, relation: str, dst: str, *rest: object) -> tuple[object, ...]:
    return (ids[src], relation, ids[dst], *rest)


@pytest.mark.parametrize(
    ("day", "supplies"),
    [
        ("2020-01-31", {("A", "C"): 0.9}),
        ("2020-02-28", {("A", "C"): 0.1, ("B", "C"): 1.0}),
        ("2020-03-04", {("A", "C"): 0.1, ("B", "C"): 1.0}),
        ("2020-03-05", {("A", "B"): 0.2, ("A", "C"): 0.1, ("B", "C"): 1.0}),
        ("2020-05-01", {("A", "B"): 0.2, ("A", "C"): 0.1, ("B", "C"): 1.0}),
        ("2020-05-29", {("A", "B"): 0.5, ("B", "C"): 1.0}),
        ("2020-08-19", {("A", "B"): 0.5, ("B", "C"): 1.0}),
        ("2020-08-20", {("A", "B"): 0.5}),
    ],
)
def test_supply_as_it_was_known(world: World, day: str, supplies: Weights) -> None:
    """Known late, restated, of two sources, ended (by the preferred one), its end known late."""
    assert world.edges(world.graph(day), "company", "supplies", "company") == supplies


def test_every_relation_has_its_own_name_and_types(world: World) -> None:
    graph = world.graph("2020-02-28")
    assert world.edges(graph, "company", "licenses", "company") == {("A", "D"): 1.0}
    assert world.edges(graph, "extended", "supplies", "company") == {("Mill", "A"): 1.0}
    assert world.edges(graph, "fund", "holds", "company") == {
        ("X", "A"): 3,
        ("Y", "A"): 40,
        ("Z", "A"): 0.3,
        ("V", "A"): 5,
    }
    assert world.edges(graph, "director", "director_of", "extended") == {("R", "F"): 1.0}
    assert world.nodes(graph, "company") == "A B C D G"
    assert world.nodes(graph, "extended") == "Mill F Yard"
    assert world.nodes(graph, "fund") == "W X Y Z V"
    assert world.nodes(graph, "director") == "P Q R"
    assert graph.tier == "A"


def test_an_undirected_relation_is_stored_once_from_the_type_that_sorts_first(world: World) -> None:
    january, february = world.graph("2020-01-31"), world.graph("2020-02-28")
    assert world.edges(january, "company", "competes", "company") == {("A", "B"): 7.0}
    assert world.edges(february, "company", "competes", "company") == {("A", "B"): 3.0}
    assert world.ids["Mill"] < world.ids["B"] < world.ids["Yard"]
    assert world.edges(february, "company", "competes", "extended") == {("B", "Mill"): 1.0, ("C", "Yard"): 1.0}
    assert ("extended", "competes", "company") not in february.edges


def test_board_counts_the_directors_that_members_share(world: World) -> None:
    graph = world.graph("2020-05-29")
    assert world.edges(graph, "company", "board", "company") == {("A", "B"): 2, ("A", "D"): 1, ("B", "D"): 1}


def test_who_leaves_the_universe_becomes_extended(world: World) -> None:
    """D is out from 2020-06-15, which is known the day after; its edges stay, its seats make no interlock."""
    assert world.nodes(world.graph("2020-06-15"), "company") == "A B C D G"
    graph = world.graph("2020-06-16")
    assert world.nodes(graph, "company") == "A B C G"
    assert world.nodes(graph, "extended") == "Mill D F Yard"
    assert world.edges(graph, "company", "licenses", "extended") == {("A", "D"): 1.0}
    assert world.edges(graph, "director", "director_of", "extended") == {("Q", "D"): 1.0, ("R", "F"): 1.0}
    assert world.edges(graph, "company", "board", "company") == {("A", "B"): 2}
    assert [kind for kind in graph.edges if kind[1] == "board"] == [("company", "board", "company")]


def test_fund_similarity_is_a_spectrum(world: World) -> None:
    """X and Z hold the same, Y the same names the other way round; V shares one of two with them, W one with V."""
    similar = world.edges(world.graph("2020-02-28"), "fund", "fund_similarity", "fund")
    half = np.sqrt(0.5)
    expected = {
        ("W", "V"): half, ("X", "Y"): 0.96, ("X", "Z"): 1.0, ("X", "V"): 0.6 * half, ("Y", "Z"): 0.96,
        ("Y", "V"): 0.8 * half, ("Z", "V"): 0.6 * half,
    }  # fmt: skip
    assert similar == pytest.approx(expected, abs=1e-6)
    assert max(similar.values()) <= 1
    floor = Recipe("hand", "1", (EdgeKind("similar", fund_similarity, {"least": 0.9}),), "U")
    assert set(world.edges(world.graph("2020-02-28", floor), "fund", "fund_similarity", "fund")) == {
        pair for pair, weight in expected.items() if weight > 0.9
    }


def test_a_graph_needs_no_edge(world: World) -> None:
    graph = world.graph("2020-01-01", Recipe("bare", "1", (BOARD,), "U"))
    assert world.nodes(graph, "company") == "A B C D G" and set(graph.nodes) == {"company"} and not graph.edges


def test_the_tier_is_of_the_sources_used(world: World) -> None:
    """What `second`, an assumed source, says counts on days on which it is heard."""
    assert world.graph("2020-01-31").tier == "B"
    assert world.graph("2020-02-28").tier == "A"
    assert world.graph("2020-01-31", Recipe("bare", "1", (BOARD,), "U")).tier == "A"


def _sector(*schemes: str, **params: object) -> Recipe:
    inputs = tuple(f"classifications.{scheme}" for scheme in schemes)
    return Recipe("sectors", "1", (EdgeKind("sector", sector, {"schemes": schemes, **params}, inputs),), "U")


@pytest.fixture(scope="module")
def classes(world: World) -> World:
    """GICS is backdated; of OWN, G is unclassified and C moves in June; SIC knows G and C."""
    rows = [("GICS", name, "1996-01-02", None, "Tech", "1996-01-03") for name in "ABCDG"]
    add(world.database, "classifications", _classes(world, rows), source="late", basis="backdated")
    rows = [("OWN", name, "2020-01-02", None, code, "2020-01-03") for name, code in zip("ABD", "xyx", strict=True)]
    rows += [
        ("OWN", "C", "2020-01-02", None, "x", "2020-01-03"),
        ("OWN", "C", "2020-01-02", "2020-06-01", "x", "2020-06-02"),
    ]
    rows += [("OWN", "C", "2020-06-01", None, "y", "2020-06-02")]
    rows += [
        ("SIC", "G", "2020-01-02", None, "3571 Computers", "2020-01-03"),
        ("SIC", "C", "2020-01-02", None, "7372", "2020-01-03"),
    ]
    add(world.database, "classifications", _classes(world, rows), source="first")
    return world


def _classes(world: World, rows: list[tuple[str | None, ...]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["scheme", "company_id", "valid_from", "valid_to", "code", "known_at"])
    return frame.assign(company_id=frame["company_id"].map(world.ids))


def test_sector_ties_members_of_a_class_as_it_was_known(classes: World) -> None:
    own = _sector("GICS", "OWN")
    may, june = classes.graph("2020-05-29", own), classes.graph("2020-06-30", own)
    assert set(classes.edges(may, "company", "sector", "company")) == {("A", "C"), ("A", "D"), ("C", "D")}
    assert set(classes.edges(june, "company", "sector", "company")) == {("B", "C")}
    assert may.tier == "A" and classes.graph("2020-01-02", own).edges == {}


def test_a_backdated_scheme_is_passed_over_unless_it_is_asked_for(classes: World) -> None:
    assert classes.graph("2020-05-29", _sector("GICS")).edges == {}
    graph = classes.graph("2020-05-29", _sector("GICS", backdated=True))
    assert len(graph.edges["company", "sector", "company"]) == 10 and graph.tier == "C"


def test_a_sic_counts_where_no_other_class_is_known(classes: World) -> None:
    """Apple's 3571 and Microsoft's 7372 are one GICS sector; by OWN, C is elsewhere."""
    both = classes.graph("2020-05-29", _sector("SIC"))
    assert set(classes.edges(both, "company", "sector", "company")) == {("C", "G")}
    first = classes.graph("2020-05-29", _sector("OWN", "SIC"))
    assert set(classes.edges(first, "company", "sector", "company")) == {("A", "C"), ("A", "D"), ("C", "D")}


def test_a_large_class_is_a_ring(classes: World) -> None:
    """Five members, one neighbour on either side: each has two ties, and one can walk round."""
    graph = classes.graph("2020-05-29", _sector("GICS", backdated=True, k=1))
    ends = graph.edges["company", "sector", "company"]
    degree = np.unique(np.concatenate([ends.src, ends.dst]), return_counts=True)[1]
    assert len(ends) == 5 and set(degree) == {2}
