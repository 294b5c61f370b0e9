"""What a Factor refuses, and what its hashes see."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nexus.contract.code import file_hash
from nexus.errors import InputError
from nexus.signals.factor import Factor
from nexus.signals.factors import TABLE
from nexus.signals.user import factors

PLAIN = """
import numpy as np
from nexus.signals.factor import Factor

def compute(data, day, params):
    return data.at(day).prices("close", 1)[-1]

PRICE = Factor("price", "1", ("prices.close",), "none", compute)
"""


def nothing(data: object, day: object, params: object) -> np.ndarray:
    return np.empty(0)


def make(**changes: object) -> Factor:
    fields = {"name": "f", "version": "1", "inputs": ("prices.close",), "neutralise": "none", "compute": nothing}
    return Factor(**{**fields, **changes})


def hash_of(folder: Path, source: str) -> str:
    path = folder / f"f{len(list(folder.iterdir()))}.py"
    path.write_text(source, encoding="utf-8")
    return file_hash(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"inputs": ("prices.clsoe",)}, 'factor f: input "prices.clsoe".*"close"'),
        ({"inputs": ("fundamentls.revenue",)}, 'factor f: .*did you mean "fundamentals"'),
        ({"inputs": "prices.close"}, r"factor f: inputs is the string 'prices.close'; write a tuple"),
        ({"neutralise": "size"}, r"factor f: neutralise 'size' is unknown; one of none, beta, beta\+"),
        ({"type": "prices"}, "factor f: type 'prices' is unknown"),
        ({"name": "f@SP500"}, "factor 'f@SP500' version '1': use letters"),
        ({"version": ""}, "factor 'f' version '': use letters"),
        ({"params": {"day": object()}}, r"factor f: params .* use plain numbers"),
        ({"params": {"x": float("nan")}}, r"factor f: params .* use plain numbers"),
        ({"compute": np.mean.__call__}, "factor f: .* is no plain function"),
        ({"compute": eval("lambda data, day, params: None")}, "code of <string>: .*; a factor is written in a file"),
    ],
)
def test_refused_when_made(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make(**changes)


def test_a_condition_lives_in_the_file_of_the_factor() -> None:
    from small_market import close_of

    with pytest.raises(InputError, match=r"its code is in .* and .*; write it in one file"):
        make(condition=close_of)
    assert make(condition=nothing).condition_name == "nothing"
    assert make().condition_name is None


def test_hash_sees_code_and_nothing_else(tmp_path: Path) -> None:
    same = [
        PLAIN,
        PLAIN.replace("\ndef", "\n# a comment\n\n\ndef"),
        PLAIN.replace('("close", 1)', '(\n        "close",\n        1,\n    )'),
        PLAIN.replace("    return", '    """Last close."""\n    return'),
        '"""A module."""\n' + PLAIN,
        PLAIN.replace('"', "'"),
        PLAIN.replace("\n", "\r\n"),
    ]
    other = [
        PLAIN.replace('"close", 1', '"close", 2'),
        PLAIN.replace("[-1]", "[0]"),
        PLAIN + "\nUNUSED = 1\n",
        PLAIN.replace('"none"', '"beta"'),
    ]
    assert len({hash_of(tmp_path, source) for source in same}) == 1
    assert len({hash_of(tmp_path, source) for source in [PLAIN, *other]}) == 1 + len(other)


def test_a_docstring_that_is_data_counts(tmp_path: Path) -> None:
    """A string that is no docstring is code."""
    one, two = (hash_of(tmp_path, PLAIN + f"\nNOTE = '{word}'\n") for word in ("a", "b"))
    assert one != two


def test_parameters_are_hashed_in_any_order_and_cannot_be_changed() -> None:
    def meddle(data: object, day: object, params: dict[str, list[int]]) -> np.ndarray:
        params["a"].append(1)
        return np.array([float(len(params["a"]))])

    one, two = make(params={"a": [1], "b": 2.5}), make(params={"b": 2.5, "a": (1,)})
    assert one.params_hash == two.params_hash != make(params={"a": [1], "b": 2}).params_hash
    meddling = make(params={"a": [1]}, compute=meddle)
    assert [meddling.scores(None, None)[0] for _ in range(2)] == [2.0, 2.0]
    assert meddling.params == {"a": [1]}


def test_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        make().name = "g"


def test_table_names_what_is_there() -> None:
    built_in = factors()
    assert list(built_in) == list(TABLE)
    assert all(name == factor.name for name, factor in built_in.items())
    assert {built_in[n].neutralise for n in ("momentum_12_1", "reversal_21", "amihud")} == {"beta+volatility"}
    assert built_in["volatility"].neutralise == "beta"
    assert built_in["beta"].neutralise == built_in["asset_growth"].neutralise == "none"
    assert {built_in[n].type for n in ("beta", "accruals", "earnings_drift")} == {"price", "fundamental", "event"}


def test_the_table_imports_nothing() -> None:
    code = "import sys, nexus.signals.factors; print(any(m in sys.modules for m in ('numpy', 'pandas', 'sqlalchemy')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
