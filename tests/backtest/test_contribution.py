from __future__ import annotations

import pytest
import small_inputs
from small_inputs import spec

from nexus.backtest.contribution import by_signal
from nexus.backtest.runs import backtest
from nexus.maths import performance


def test_each_signal_alone_is_the_run_of_a_spec_that_names_it_alone() -> None:
    inputs, both = small_inputs.inputs(), spec()
    found = by_signal(inputs, both, backtest(inputs, both)[1])
    for name, other, weight in (("a", "b", 1.0), ("b", "a", -0.5)):
        returns = backtest(inputs, spec(signals=[{"name": name, "weight": weight}]))[1].returns
        expected = {"cagr": performance.cagr(returns, 252), "sharpe": performance.sharpe(returns, 252)}
        assert found[name]["alone"] == pytest.approx(expected) == found[other]["without"]


def test_without_its_only_signal_there_is_no_book() -> None:
    inputs, one = small_inputs.inputs(), spec(signals=[{"name": "a"}])
    result = backtest(inputs, one)[1]
    found = by_signal(inputs, one, result)
    assert found["a"]["without"] is None
    assert found["a"]["alone"] is not None and found["a"]["alone"]["sharpe"] == performance.sharpe(result.returns, 252)
