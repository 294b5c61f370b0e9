"""Scores that come as a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from small_market import Market

from nexus.db.engine import Database
from nexus.db.panel import Panel
from nexus.errors import InputError
from nexus.signals.canary import canary
from nexus.signals.scores import compute_scores, inputs_of
from nexus.signals.user import from_scores


def frame(market: Market, key: str, values: list[object]) -> pd.DataFrame:
    days = [market.day(100), market.day(121)]
    rows = [(value, day, float(10 * row + place)) for row, day in enumerate(days) for place, value in enumerate(values)]
    return pd.DataFrame(rows, columns=[key, "date", "score"])


@pytest.mark.parametrize(("key", "suffix"), [("company_id", "parquet"), ("ticker", "parquet"), ("ticker", "csv")])
def test_scores_of_a_file(database: Database, market: Market, tmp_path: Path, key: str, suffix: str) -> None:
    given = market.companies[2:6] if key == "company_id" else market.tickers[2:6]
    scores = frame(market, key, given)
    path = tmp_path / f"mine.{suffix}"
    scores.to_csv(path, index=False) if suffix == "csv" else scores.to_parquet(path)
    factor = from_scores(path)
    assert (factor.name, factor.type, factor.condition) == ("mine", "scores", None)
    panel = Panel.open(database, start=market.day(0), end=market.day(300), inputs=inputs_of([factor], "SP500"))
    found = compute_scores(factor, panel, [market.day(p) for p in (100, 110, 121)], "SP500")
    np.testing.assert_array_equal(found.values[:, 2:6], [[0, 1, 2, 3], [np.nan] * 4, [10, 11, 12, 13]])
    assert np.isnan(np.delete(found.values, range(2, 6), axis=1)).all()


def test_a_renamed_company_is_found_under_its_ticker_of_the_day(
    database: Database, market: Market, tmp_path: Path
) -> None:
    old, new = market.renamed
    scores = pd.DataFrame({"ticker": [old, new], "date": market.day(100), "score": [1.0, 2.0]})
    later = scores.assign(date=market.day(700))
    path = tmp_path / "mine.parquet"
    pd.concat([scores, later]).to_parquet(path)
    panel = Panel.open(database, start=market.day(0), end=market.day(-1), inputs=("prices.close", "symbols.ticker"))
    found = compute_scores(from_scores(path), panel, [market.day(100), market.day(700)], "priced")
    assert found.values[:, 1].tolist() == [1.0, 2.0]


def test_the_hash_is_of_the_content(market: Market, tmp_path: Path) -> None:
    scores = frame(market, "company_id", market.companies[:3])
    hashes = []
    for change in (0.0, 0.0, 1.0):
        path = tmp_path / "mine.csv"
        scores.assign(score=scores["score"] + change).to_csv(path, index=False)
        hashes.append(from_scores(path).code_hash)
    assert hashes[0] == hashes[1] != hashes[2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"columns": {"score": "value"}},
            r"columns are company_id, date, value; needs date, score and company_id or t",
        ),
        ({"twice": True}, r"company_id \d+ has two scores on 2016-\d\d-\d\d; keep one"),
        ({"score": np.nan}, "no finite score"),
        ({"score": "high"}, "dates are ISO, scores numbers"),
    ],
)
def test_refused(market: Market, tmp_path: Path, change: dict[str, object], message: str) -> None:
    scores = frame(market, "company_id", market.companies[:3]).rename(columns=change.get("columns", {}))
    if "score" in change:
        scores["score"] = change["score"]
    if "twice" in change:
        scores = pd.concat([scores, scores.iloc[:1]])
    path = tmp_path / "mine.csv"
    scores.to_csv(path, index=False)
    with pytest.raises(InputError, match=message):
        from_scores(path)


def test_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "mine.parquet").write_bytes(b"PAR1 and no more")
    for name in ("mine.parquet", "nowhere.csv"):
        with pytest.raises(InputError, match=rf"{name}: .*pass a Parquet file, or a CSV"):
            from_scores(tmp_path / name)
    with pytest.raises(InputError, match="neutralise 'size' is unknown"):
        from_scores(tmp_path / "nowhere.csv", "size")


def test_no_canary(database: Database, market: Market, tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    frame(market, "company_id", market.companies[:3]).to_csv(path, index=False)
    with pytest.raises(InputError, match="mine: scores computed elsewhere cannot be put through the canary"):
        canary(database, from_scores(path), [market.day(100)])
