"""Entities and their tickers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date

import pandas as pd
import pytest
from loading import Feed, moment

from nexus.db.engine import Database
from nexus.db.identity import ensure_entities, entities, symbol_spells
from nexus.errors import InputError


def wanted(*rows: tuple[str, str, int | None]) -> pd.DataFrame:
    kinds, identities, ciks = zip(*rows, strict=True)
    return pd.DataFrame({"kind": kinds, "identity": identities, "cik": ciks, "name": [f"{i} Inc" for i in identities]})


def test_an_entity_is_added_once_and_keeps_its_id(database: Database) -> None:
    first = ensure_entities(database, wanted(("company", "a", 1), ("fund", "b", None)))
    again = ensure_entities(database, wanted(("fund", "b", None), ("company", "c", 3)))
    assert set(first) == {"a", "b"} and set(again) == {"b", "c"}
    assert again["b"] == first["b"] and again["c"] not in first.values()
    found = entities(database).set_index("identity")
    assert found.loc["a", ["entity_id", "kind", "cik", "name"]].tolist() == [first["a"], "company", 1, "a Inc"]
    assert found["cik"].isna()["b"]


def test_a_missing_cik_is_filled_in(database: Database) -> None:
    ensure_entities(database, wanted(("company", "d", None)))
    ensure_entities(database, wanted(("company", "d", 44)))
    ensure_entities(database, wanted(("company", "d", None)))
    assert entities(database).set_index("identity")["cik"]["d"] == 44


@pytest.mark.parametrize("row", [("company", "e", 6), ("director", "e", 5)])
def test_an_identity_is_not_two_entities(database: Database, row: tuple[str, str, int]) -> None:
    ensure_entities(database, wanted(("company", "e", 5)))
    with pytest.raises(InputError, match=r"entity e: known as company with CIK 5, not as .* give it another identity"):
        ensure_entities(database, wanted(row))


def test_an_identity_twice_in_one_frame_is_refused(database: Database) -> None:
    with pytest.raises(InputError, match="entity z: named more than once"):
        ensure_entities(database, wanted(("company", "z", 5), ("company", "z", 5)))


def test_loaders_at_once_agree_on_ids(database: Database) -> None:
    names = [f"n{n}" for n in range(200)]
    orders = [names[start:] + names[:start] for start in range(0, 200, 25)]
    others = [Database(database.url) for _ in orders]
    with ThreadPoolExecutor(len(orders)) as pool:
        frames = [wanted(*(("company", name, None) for name in order)) for order in orders]
        maps = list(pool.map(ensure_entities, others, frames))
    for other in others:
        other.dispose()
    assert all(found == maps[0] for found in maps)
    assert len(set(maps[0].values())) == 200


def test_symbol_spells_are_the_newest_vintages(database: Database) -> None:
    feed, ids = Feed(database), ensure_entities(database, wanted(("company", "meta", 1326801)))
    spell = {"company_id": ids["meta"], "ticker": "FB", "valid_from": date(2012, 5, 18), "default_known_at": moment(1)}
    feed.load("symbols", [{**spell, "valid_to": None}])
    feed.load("symbols", [{**spell, "valid_to": date(2022, 6, 9), "default_known_at": moment(900)}])
    found = symbol_spells(database)
    [row] = found[found["source"] == feed.source].to_dict("records")
    assert row["company_id"] == ids["meta"] and row["ticker"] == "FB" and row["cik"] == 1326801
    assert (row["valid_from"], row["valid_to"]) == (pd.Timestamp("2012-05-18"), pd.Timestamp("2022-06-09"))
