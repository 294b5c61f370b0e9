"""Files of factors that users bring."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_market import Market

from nexus.db.engine import Database
from nexus.db.panel import Panel
from nexus.errors import InputError
from nexus.signals.scores import compute_scores
from nexus.signals.user import from_file

SEVERAL = """
from nexus.signals.factor import Factor

def _last(data, day, params):
    return params["sign"] * data.at(day).prices("close", 1)[-1]

def _broken(data, day, params):
    return data.at(day).prices("close", 1)[-1] / [][0]

def _undeclared(data, day, params):
    return data.at(day).prices("volume", 1)[-1]

def _matrix(data, day, params):
    return data.at(day).prices("close", 2)

def _infinite(data, day, params):
    close = data.at(day).prices("close", 1)[-1]
    return 1 / (close - close) + close.mean()

def _summer(data, day):
    return data.at(day).day.item().month == 7

INPUTS = ("prices.close",)
CHEAP = Factor("cheap", "1", INPUTS, "none", _last, {"sign": -1})
ALIAS = CHEAP
BOTH = [Factor(f"dear_{k}", "1", INPUTS, "none", _last, {"sign": k}) for k in (1, 2)]
BROKEN = Factor("broken", "1", INPUTS, "none", _broken)
UNDECLARED = Factor("undeclared", "1", INPUTS, "none", _undeclared)
MATRIX = Factor("matrix", "1", INPUTS, "none", _matrix)
INFINITE = Factor("infinite", "1", INPUTS, "none", _infinite)
SUMMER = Factor("summer", "1", INPUTS, "none", _last, {"sign": 1}, _summer)
"""


@pytest.fixture
def several(tmp_path: Path) -> Path:
    path = tmp_path / "my_factors.py"
    path.write_text(SEVERAL, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def panel(database: Database, market: Market) -> Panel:
    inputs = ("prices.close", "prices.volume", "universe_members.SP500")
    return Panel.open(database, start=market.day(0), end=market.day(-1), inputs=inputs)


def test_several_in_one_file(several: Path) -> None:
    found = from_file(several)
    assert list(found) == ["cheap", "dear_1", "dear_2", "broken", "undeclared", "matrix", "infinite", "summer"]
    assert len({factor.code_hash for factor in found.values()}) == 1
    assert found["dear_1"].params_hash != found["dear_2"].params_hash


def test_scores_and_universe(several: Path, panel: Panel, market: Market) -> None:
    days = [market.day(100), market.day(600)]
    seen = []
    scores = compute_scores(
        from_file(several)["cheap"], panel, days, "SP500", lambda d: map(lambda x: seen.append(x) or x, d)
    )
    assert seen == days
    assert scores.companies.tolist() == market.companies
    close = market.tables["prices"].set_index(["session", "company_id"])["close"]
    for row, day in enumerate(days):
        expected = [-close.get((day, company), np.nan) for company in market.companies]
        expected[-2:] = [np.nan, np.nan]  # never members
        if row == 1:
            expected[0] = np.nan  # left the universe at session 450
        np.testing.assert_array_equal(scores.values[row], expected)


def test_priced_is_whoever_has_a_bar(several: Path, panel: Panel, market: Market) -> None:
    scores = compute_scores(from_file(several)["cheap"], panel, [market.day(600)], "priced")
    bars = market.tables["prices"]
    assert np.isfinite(scores.values).sum() == (bars["session"] == market.day(600)).sum()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("broken", r"my_factors.py, line 8, factor broken on 2016-\d\d-\d\d: IndexError: list index out of range"),
        ("undeclared", r'my_factors.py, line 11, factor undeclared on 2016-\d\d-\d\d: "prices.volume" is not among'),
        ("matrix", r"my_factors.py, factor matrix on .*shape \(2, 30\); return one score per company, \(30,\)"),
    ],
)
def test_a_factor_that_fails_is_named(several: Path, panel: Panel, market: Market, name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        compute_scores(from_file(several)[name], panel, [market.day(100)], "SP500")


def test_infinite_is_no_opinion(several: Path, panel: Panel, market: Market) -> None:
    assert np.isnan(compute_scores(from_file(several)["infinite"], panel, [market.day(100)], "SP500").values).all()


def test_a_condition_silences_the_day(several: Path, panel: Panel, market: Market) -> None:
    days = [day for day in (market.day(p) for p in range(100, 160, 10))]
    scores = compute_scores(from_file(several)["summer"], panel, days, "SP500")
    assert scores.holds.tolist() == [day.month == 7 for day in days]
    assert 0 < scores.holds.sum() < len(days)
    np.testing.assert_array_equal(np.isfinite(scores.values).any(axis=1), scores.holds)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x = 1\ny = (", r"mine.py, line 2: SyntaxError"),
        (
            "x = 1\nimport helper_that_is_not_there",
            r"mine.py, line 2: ModuleNotFoundError: No module named 'helper_that",
        ),
        ("x = 1", r"mine.py: no factor in it; assign Factor"),
        (SEVERAL.replace("prices.close", "prices.clsoe"), r'mine.py, line 24: factor cheap: input "prices.clsoe"'),
        (SEVERAL.replace("dear_{k}", "dear"), r"mine.py: two factors are called dear; name them apart"),
        (SEVERAL.replace('"cheap"', '"beta"'), r"mine.py: factor beta has the name of a built-in one"),
        (
            "from nexus.signals.factors.price import _beta\n" + SEVERAL.replace('_last, {"sign": -1}', "_beta"),
            "is in .*price.py; move",
        ),
    ],
)
def test_a_file_that_cannot_be_used(tmp_path: Path, source: str, message: str) -> None:
    path = tmp_path / "mine.py"
    path.write_text(source, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        from_file(path)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere.py: No such file or directory"):
        from_file(tmp_path / "nowhere.py")


def test_a_changed_file_is_read_anew(several: Path) -> None:
    before = from_file(several)["cheap"]
    several.write_text(SEVERAL.replace('prices("close", 1)[-1]\n\ndef _broken', 'prices("close", 2)[0]\n\ndef _broken'))
    after = from_file(several)["cheap"]
    assert before.compute.__code__.co_consts != after.compute.__code__.co_consts
