"""`peers` against cosines by numpy, by the rule that the views of a panel follow."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest
from made_rows import embedding, put, some_loads, some_run
from sqlalchemy import text
from world import CLOSES, DAYS, World

from nexus.db.engine import Database

N = 12
AT = dict(zip(DAYS, CLOSES, strict=True))
TRAINED = (DAYS[0], DAYS[5])


@pytest.fixture(scope="module")
def world(database: Database) -> World:
    made = World(database, n_companies=N)
    tickers = [
        {"company_id": company, "ticker": f"T{company}", "valid_from": DAYS[0], "valid_to": None,
         "source": made.sources[0], "known_at": CLOSES[0]}
        for company in made.companies
    ]  # fmt: skip
    made.load("symbols", tickers)
    return made


@pytest.fixture(scope="module")
def rows(world: World) -> list[dict[str, Any]]:
    """Two chunks, the second trained to day 5, which it embeds too; an older model; somebody without a direction."""
    (load_id,) = some_loads(world.database, 1)
    random = np.random.default_rng(2)
    made: list[dict[str, Any]] = []
    for version in ("older", "newer"):
        run = some_run(world.database, load_id)
        for chunk, trained in enumerate(TRAINED):
            for day in DAYS[1::2] if chunk == 0 else DAYS[5::2]:
                for company in world.companies:
                    vector = random.standard_normal(8) * (company != world.companies[-1])
                    stamps = {"model_version": version, "chunk": chunk, "trained_to": trained}
                    known = max(AT[day], AT[trained])
                    made.append(embedding(company, day, known, run, np.float32(vector).tolist(), **stamps))
    put(world.database, "node_embeddings", made)
    return made


def nearest(rows: list[dict[str, Any]], company: int, day: date, k: int, model: str) -> list[tuple[int, float]]:
    """The rule and the cosine, spelled out."""
    own = [r for r in rows if r["model_version"] == model and r["trained_to"] < day and r["snapshot_date"] <= day]
    own = [r for r in own if r["known_at"].date() <= day]
    newest = max(((r["trained_to"], r["chunk"], r["snapshot_date"]) for r in own), default=None)
    here = {r["company_id"]: np.array(r["embedding"]) for r in own
            if (r["trained_to"], r["chunk"], r["snapshot_date"]) == newest}  # fmt: skip
    with np.errstate(invalid="ignore"):
        cosines = {
            other: float(here[company] @ vector / np.linalg.norm(here[company]) / np.linalg.norm(vector))
            for other, vector in here.items()
            if other != company and company in here
        }
    there = [(other, cosine) for other, cosine in cosines.items() if np.isfinite(cosine)]
    return sorted(there, key=lambda one: -one[1])[:k]


def asked(database: Database, *arguments: object) -> list[Any]:
    names = ", ".join(f":a{place}" for place in range(len(arguments)))
    given = {f"a{place}": value for place, value in enumerate(arguments)}
    with database.read() as connection:
        return list(connection.execute(text(f"SELECT * FROM peers({names})"), given))


@pytest.mark.parametrize("model", ["older", "newer"])
@pytest.mark.parametrize("place", [1, 2, 5, 6, 7, 11])
def test_peers_are_the_nearest_of_one_chunk(world: World, rows: list[dict[str, Any]], model: str, place: int) -> None:
    for company in (world.companies[0], world.companies[7]):
        found = asked(world.database, company, DAYS[place], 5, model)
        expected = nearest(rows, company, DAYS[place], 5, model)
        assert [row.company_id for row in found] == [other for other, _ in expected]
        np.testing.assert_allclose([row.similarity for row in found], [cosine for _, cosine in expected], rtol=1e-6)
        assert len(found) == 5
        assert {row.chunk for row in found} == {int(DAYS[place] > TRAINED[1])}
        assert [row.ticker for row in found] == [f"T{other}" for other, _ in expected]


def test_by_default_ten_of_the_model_that_ran_last(world: World, rows: list[dict[str, Any]]) -> None:
    found = asked(world.database, world.companies[0], DAYS[7])
    assert [row.company_id for row in found] == [
        other for other, _ in nearest(rows, world.companies[0], DAYS[7], 10, "newer")
    ]
    assert len(found) == N - 2  # itself and the one without a direction


def test_nobody_where_nothing_is_known(world: World, rows: list[dict[str, Any]]) -> None:
    assert asked(world.database, world.companies[0], DAYS[0]) == []
    assert asked(world.database, world.companies[0], DAYS[1] - timedelta(1)) == []
    assert asked(world.database, world.companies[-1], DAYS[7]) == []
    assert asked(world.database, 987654, DAYS[7]) == []
