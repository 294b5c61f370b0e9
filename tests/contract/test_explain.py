"""Explanations are rows: stamped as predictions are, written once, refused where they are not what they should be."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from contract.linear import LINEAR, Linear
from contract.plans import PLAN
from small_market import Market
from sqlalchemy import text

from nexus.contract.explain import explain
from nexus.contract.reading import Calendar, chunks_of, read_prediction
from nexus.contract.runner import restore, train
from nexus.contract.splits import Chunk
from nexus.contract.torch import TorchState
from nexus.db.engine import Database
from nexus.db.panel import Observations
from nexus.errors import InputError

FAST = {"epochs": 2, "batch": 512}


@pytest.fixture(scope="module")
def chunk(database: Database, market: Market) -> Chunk:
    return chunks_of(database, LINEAR, PLAN)[-1]


def rows(database: Database) -> pd.DataFrame:
    with database.read() as connection:
        return pd.read_sql(text("SELECT * FROM explanations ORDER BY as_of, company_id, feature"), connection)


def test_rows_are_what_the_module_says(database: Database, chunk: Chunk, home: Path) -> None:
    train(database, LINEAR, chunk, params=FAST, home=home)
    days = [chunk.companion, *chunk.test[:1]]
    done = explain(database, LINEAR, chunk, days, params=FAST, home=home)
    found = rows(database)
    assert done.rows == len(found) > 0
    state = restore(LINEAR, chunk, params=FAST, home=home).state
    panel = read_prediction(database, LINEAR, days)
    for day in days:
        said = LINEAR.explain(state, panel.blind(), day).set_index(["company_id", "feature"])["attribution"]
        there = found[found["as_of"] == day].set_index(["company_id", "feature"])["attribution"]
        pd.testing.assert_series_equal(there.sort_index(), said.sort_index(), check_dtype=False)
    closes = {day: Calendar.read(database).close(max(day, chunk.trained_to)) for day in days}
    assert [known.to_pydatetime() for known in found["known_at"]] == [closes[day] for day in found["as_of"]]
    assert explain(database, LINEAR, chunk, days, params=FAST, home=home).rows == 0
    assert rows(database).equals(found)


class Terse(Linear):
    """Explains the three that it holds to be the best."""

    version = "terse-1"

    def explain(self, state: TorchState, data: Observations, day: date) -> pd.DataFrame:
        best = self.predict(state, data, day).nlargest(3, "score")["company_id"]
        told = super().explain(state, data, day)
        return told[told["company_id"].isin(best)].reset_index(drop=True)


def test_of_what_earlier_weights_explained_nothing_is_left(database: Database, chunk: Chunk, home: Path) -> None:
    terse, days = Terse(), chunk.test[:2]
    for seed, asked in ((0, days), (1, days[:1])):
        train(database, terse, chunk, params=FAST, home=home, seed=seed)
        explain(database, terse, chunk, asked, params=FAST, home=home, seed=seed)
        there = rows(database).query("model_version == 'terse-1'")
        assert there["run_id"].nunique() == 1 and set(there["as_of"]) == set(days)
        assert set(there.groupby("as_of")["company_id"].nunique()) == {3}


class Careless(Linear):
    """Says the same of a company twice, or in other words than agreed."""

    def __init__(self, columns: list[str]) -> None:
        self.columns = columns

    def explain(self, state: object, data: object, day: date) -> pd.DataFrame:
        return pd.DataFrame([[1, "f", 0.5], [1, "f", 0.5]], columns=self.columns)


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        (["company_id", "feature", "attribution"], "says f of company 1 twice"),
        (["company", "feature", "attribution"], "gave columns"),
    ],
)
def test_careless_explanations_are_refused(
    database: Database, chunk: Chunk, home: Path, columns: list[str], told: str
) -> None:
    module = Careless(columns)
    train(database, module, chunk, params=FAST, home=home)
    before = rows(database)
    with pytest.raises(InputError, match=told):
        explain(database, module, chunk, list(chunk.test), params=FAST, home=home)
    assert rows(database).equals(before)
