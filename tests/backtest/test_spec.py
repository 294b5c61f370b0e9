"""A spec says one thing in one way, and what is not clear is refused with its remedy."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nexus.backtest.spec import Spec
from nexus.errors import InputError

LEAST: dict[str, Any] = {
    "signals": [{"name": "momentum_12_1"}],
    "universe": "SP500",
    "start": "2010-01-01",
    "end": "2020-12-31",
}

TOML = """
universe = "SP500"
start = 2010-01-01
end = 2020-12-31
capital = 10_000_000

[[signals]]
name = "momentum_12_1"
"""


def test_equal_specs_have_equal_hashes_however_they_are_written(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(TOML)
    (tmp_path / "a.json").write_text(Spec.of(LEAST).canonical)
    hashes = {
        Spec.of(LEAST).sha256,
        Spec.of({**LEAST, "capital": 10_000_000, "costs": {"half_spread_bps": 2.5}}).sha256,
        Spec.read(tmp_path / "a.toml").sha256,
        Spec.read(tmp_path / "a.json").sha256,
    }
    assert len(hashes) == 1
    two = [{"name": "a"}, {"name": "b", "weight": 2}]
    assert Spec.of({**LEAST, "signals": two}).sha256 == Spec.of({**LEAST, "signals": two[::-1]}).sha256
    neutral = [{"neutral": ["sector", "beta"]}, {"neutral": ["beta", "sector"]}]
    assert len({Spec.of({**LEAST, "portfolio": one}).sha256 for one in neutral}) == 1


def test_another_spec_has_another_hash() -> None:
    others = [{}, {"capital": 1e6}, {"shares": "whole"}, {"portfolio": {"quantiles": 5}}, {"rebalance": ["2011-01-31"]}]
    assert len({Spec.of({**LEAST, **other}).sha256 for other in others}) == len(others)


def test_a_canonical_spec_can_be_read_back() -> None:
    spec = Spec.of({**LEAST, "rebalance": ["2011-01-31", "2011-02-28"], "portfolio": {"max_weight": 0.02}})
    assert Spec.model_validate_json(spec.canonical) == spec
    assert spec.rebalance == (date(2011, 1, 31), date(2011, 2, 28))


def test_rates_become_fractions() -> None:
    rules = Spec.of({**LEAST, "costs": {"commission_bps": 2, "borrow_bps": 100}, "shares": "whole"}).rules
    assert rules.costs.commission == pytest.approx(0.0002)
    assert rules.costs.borrow == pytest.approx(0.01)
    assert rules.whole
    assert rules.max_turnover == np.inf


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"captial": 1}, "captial: unknown key; did you mean capital?"),
        ({"portfolio": {"quantile": 5}}, "portfolio.quantile: unknown key; did you mean quantiles?"),
        ({"signals": [{"name": "a", "wieght": 2}]}, "signals.0.wieght: unknown key; did you mean weight?"),
        ({"zzz": 1}, "zzz: unknown key; known are signals, universe"),
        ({"capital": -5}, "capital is -5: .*greater than 0"),
        ({"capital": 0}, "capital is 0: .*greater than 0"),
        ({"capital": float("nan")}, "capital is nan: .*finite"),
        ({"end": "2009-12-31"}, "start 2010-01-01 is not before end 2009-12-31"),
        ({"start": "2010-13-01"}, "start is '2010-13-01'"),
        ({"rebalance": []}, "rebalance: no days"),
        ({"rebalance": ["2011-02-28", "2011-02-28"]}, "2011-02-28 comes after 2011-02-28"),
        ({"rebalance": ["2011-02-28", "2011-01-31"]}, "2011-01-31 comes after 2011-02-28"),
        ({"rebalance": ["2021-01-29"]}, "2021-01-29 is outside 2010-01-01 to 2020-12-31"),
        ({"rebalance": "hourly"}, "rebalance is 'hourly': .*'monthly'"),
        ({"signals": []}, "signals: none"),
        ({"signals": [{"name": "a"}, {"name": "a"}]}, "signals: a is there twice"),
        ({"signals": [{"name": "a", "weight": 0}]}, "all weights are 0"),
        ({"universe": ""}, "universe is ''"),
        ({"costs": {"borrow_bps": -1}}, "costs.borrow_bps is -1"),
        ({"portfolio": {"kind": "long_only", "neutral": ["beta"]}}, "neutral cannot hold for long_only"),
        ({"portfolio": {"neutral": ["beta", "beta"]}}, "neutral names something twice"),
        ({"portfolio": {"risk_aversion": 5}}, "risk_aversion is for mean_variance, not for long_short"),
        ({"portfolio": {"max_volume_share": 1.5}}, "portfolio.max_volume_share is 1.5"),
        ({"portfolio": {"max_turnover": 0}}, "portfolio.max_turnover is 0"),
    ],
)
def test_what_is_not_clear_is_refused(change: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        Spec.of({**LEAST, **change})


def test_all_that_is_missing_is_named_at_once() -> None:
    with pytest.raises(InputError, match=r"signals: missing; universe: missing; start: missing; end: missing"):
        Spec.of({})


@pytest.mark.parametrize(("name", "text"), [("a.toml", "= 1"), ("a.json", "{"), ("none.json", None)])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str, text: str | None) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=f"{name} cannot be read"):
        Spec.read(tmp_path / name)


def test_a_file_that_holds_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[1]")
    with pytest.raises(InputError, match="holds a list"):
        Spec.read(tmp_path / "a.json")
