from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from nexus.maths import performance
from nexus.maths.track import monthly, returns_of, rolling_sharpe


def test_monthly_returns_compound() -> None:
    days = pd.bdate_range("2019-11-15", "2020-02-10")
    returns = np.random.default_rng(8).normal(0, 0.01, len(days))
    found = monthly(days.to_numpy().astype("datetime64[D]"), returns)
    expected = pd.Series(1 + returns, days).resample("ME").prod() - 1
    assert list(found) == [2019, 2020]
    assert found[2019][10:] == pytest.approx(expected.iloc[:2].tolist())
    assert found[2020][:2] == pytest.approx(expected.iloc[2:].tolist())
    assert found[2019][:10] == [None] * 10


def test_rolling_sharpe_is_that_of_each_window() -> None:
    returns = np.random.default_rng(9).normal(0.001, 0.01, 40)
    returns[:12] = 0
    found = rolling_sharpe(returns, 10, 252)
    assert np.isnan(found[:12]).all()
    assert found[25] == pytest.approx(performance.sharpe(returns[16:26], 252))
    assert np.isnan(rolling_sharpe(returns[:5], 10)).all()


def test_an_account_that_lost_everything_has_lost_everything() -> None:
    assert returns_of(np.array([100.0, 50.0, -10.0, 5.0])).tolist() == [-0.5, -1.0, 0.0]
