"""Variants of a spec are all combinations of the values, each once."""

from __future__ import annotations

from pathlib import Path

import pytest

from nexus.backtest.variants import read
from nexus.errors import InputError

SPEC = """
universe = "U"
start = 2010-01-01
end = 2012-01-01
signals = [{ name = "a" }]
portfolio = { quantiles = 5 }
"""


def written(path: Path, variants: str) -> Path:
    path.write_text(SPEC + variants)
    return path


def test_all_combinations_without_the_spec_itself(tmp_path: Path) -> None:
    grid = '[variants]\n"portfolio.quantiles" = [5, 10]\n"costs.impact" = [0.7, 0.0, 1.4]\n'
    spec, variants = read(written(tmp_path / "spec.toml", grid))
    assert spec.portfolio.quantiles == 5
    found = {(one.portfolio.quantiles, one.costs.impact) for one in variants}
    assert found == {(5, 0.0), (5, 1.4), (10, 0.7), (10, 0.0), (10, 1.4)} and len(variants) == 5
    assert all(one.signals == spec.signals for one in variants)


def test_without_a_table_there_are_none(tmp_path: Path) -> None:
    assert read(written(tmp_path / "spec.toml", ""))[1] == []


def test_values_that_mean_the_same_are_one(tmp_path: Path) -> None:
    _, variants = read(written(tmp_path / "spec.toml", "[variants]\ncapital = [1e7, 10000000, 1e6]\n"))
    assert [one.capital for one in variants] == [1e6]


@pytest.mark.parametrize(
    ("grid", "said"),
    [
        ("variants = 3", "table of lists"),
        ("[variants]\ncapital = 3", "table of lists"),
        ("[variants]\ncapital = []", "table of lists"),
        ("[variants]\ncapitol = [1, 2]", "did you mean capital"),
        ('[variants]\n"capital.x" = [1]', "capital"),
        ("[variants]\ncapital = [-1]", "capital is -1"),
    ],
)
def test_what_is_no_grid_is_refused(tmp_path: Path, grid: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read(written(tmp_path / "spec.toml", grid))
