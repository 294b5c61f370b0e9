"""Exposures and neutralisation against pandas and statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.stats import rankdata
from small_market import Market

from nexus.db.engine import Database
from nexus.db.panel import Panel
from nexus.errors import InputError
from nexus.maths.types import Floats
from nexus.signals.exposures import LEAST, WINDOW, deviation, exposures, slope
from nexus.signals.factor import Factor
from nexus.signals.scores import compute_scores, inputs_of, neutralised, sectors
from nexus.signals.user import factors

PLACES = (400, 640, 880)


def close(data, day, params):
    return data.at(day).prices("close", 1)[-1]


def priced(neutralise: str) -> Factor:
    return Factor("close", "1", ("prices.close",), neutralise, close)


@pytest.fixture(scope="module")
def panel(database: Database, market: Market) -> Panel:
    inputs = inputs_of([*factors().values(), priced("beta+volatility+sector")], "SP500")
    return Panel.open(database, start=market.day(0), end=market.day(-1), companies=market.companies, inputs=inputs)


def test_slope_and_deviation_pass_over_gaps() -> None:
    random = np.random.default_rng(1)
    market, returns = random.standard_normal(60), random.standard_normal((60, 8))
    returns[random.random(returns.shape) < 0.2] = np.nan
    returns[3:, 7] = np.nan
    market[[4, 9]] = np.nan
    for column in range(7):
        both = np.isfinite(returns[:, column]) & np.isfinite(market)
        fit = sm.OLS(returns[both, column], sm.add_constant(market[both])).fit()
        np.testing.assert_allclose(slope(returns, market, 30)[column], fit.params[1], rtol=1e-10)
        np.testing.assert_allclose(deviation(returns, 30)[column], np.nanstd(returns[:, column], ddof=1), rtol=1e-12)
    assert np.isnan(slope(returns, market, 30)[7])
    assert np.isnan(deviation(returns, 30)[7])
    assert np.isnan(slope(returns, np.full(60, 0.5), 30)).all()


def test_exposures_are_of_the_last_year(panel: Panel, market: Market) -> None:
    days = [market.day(place) for place in PLACES]
    found = exposures(panel, days)
    assert found.beta.shape == found.volatility.shape == (3, len(market.companies))
    for row, day in enumerate(days):
        view = panel.at(day)
        returns, level = view.returns(WINDOW), view.market(WINDOW + 1)
        made = level[1:] / level[:-1] - 1
        for column in range(len(market.companies)):
            y = returns[:, column]
            known = np.isfinite(y)
            if known.sum() < LEAST:
                assert np.isnan(found.beta[row, column])
                assert np.isnan(found.volatility[row, column])
                continue
            expected = np.polyfit(made[known], y[known], 1)[0]
            np.testing.assert_allclose(found.beta[row, column], expected, rtol=1e-8)
            np.testing.assert_allclose(found.volatility[row, column], y[known].std(ddof=1), rtol=1e-10)
    assert np.isnan(found.beta).any() and np.isfinite(found.beta).sum() > 70


def residual_ranks(score: Floats, *exposed: Floats, groups: np.ndarray | None = None) -> Floats:
    """One date: ranks regressed on ranks, with an intercept or one per group, by statsmodels."""
    known = np.isfinite(score) & np.all([np.isfinite(x) for x in exposed], axis=0)
    if groups is not None:
        known &= groups >= 0
    out = np.full(len(score), np.nan)
    columns = [rankdata(x[known]) for x in exposed]
    if groups is None:
        design = sm.add_constant(np.column_stack(columns))
    else:
        design = np.column_stack([*columns, *(groups[known] == g for g in np.unique(groups[known]))]).astype(float)
    out[known] = sm.OLS(rankdata(score[known]), design).fit().resid
    return out


@pytest.mark.parametrize("how", ["none", "beta", "beta+volatility", "beta+volatility+sector"])
def test_neutralised(panel: Panel, market: Market, how: str) -> None:
    days = [market.day(place) for place in PLACES]
    known, groups = exposures(panel, days), sectors(panel, days)
    scores = compute_scores(priced(how), panel, days, "SP500")
    found = neutralised(scores, panel)
    np.testing.assert_array_equal(found.values, neutralised(scores, panel, known).values)
    for row in range(len(days)):
        score, beta, volatility = scores.values[row], known.beta[row], known.volatility[row]
        expected = {
            "none": lambda s=score: s,
            "beta": lambda s=score, b=beta: residual_ranks(s, b),
            "beta+volatility": lambda s=score, b=beta, v=volatility: residual_ranks(s, b, v),
            "beta+volatility+sector": lambda s=score, b=beta, v=volatility, g=groups[row]: residual_ranks(
                s, b, v, groups=g
            ),
        }[how]()
        np.testing.assert_allclose(found.values[row], expected, atol=1e-9)
        assert np.isfinite(expected).sum() > 20


def test_exposures_need_their_inputs(database: Database, market: Market) -> None:
    bare = Panel.open(database, start=market.day(0), end=market.day(-1), inputs=("prices.close",))
    with pytest.raises(InputError, match=r'"benchmarks.SP500" is not among the declared inputs'):
        exposures(bare, [market.day(400)])
    assert "benchmarks.market" in inputs_of([priced("beta")], "priced")
    assert inputs_of([priced("none")], "SP500") == ("prices.close", "universe_members.SP500")
