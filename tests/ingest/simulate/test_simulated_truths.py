"""Each planted truth, measured: means over the seeds, within four standard errors of what is claimed."""

from __future__ import annotations

import numpy as np
import pytest

from nexus.ingest.simulate import TRUTHS, Market, Truths, truths
from nexus.maths.ic import calendar_time_ic, rank_ic
from nexus.maths.returns import Forward, forward_return, one_period_return, total_return, wealth
from nexus.maths.stats import rank_autocorrelation, residualise
from nexus.maths.types import Floats

CHANCE = 499**-0.5


def series(market: Truths, name: str, horizon: int = 21) -> Floats:
    ic = rank_ic(market.scores[name], market.forward[horizon])
    return ic[np.isfinite(ic)]


def assert_mean(of: list[Floats], mean: float, sd: float) -> None:
    values = np.concatenate(of)
    assert values.mean() == pytest.approx(mean, abs=4 * sd / np.sqrt(len(values)))


def assert_sd(of: list[Floats], sd: float) -> None:
    """Of months within a market: 6 % is over three standard errors of an sd measured on 8 x 239 months."""
    assert np.mean([values.std(ddof=1) for values in of]) == pytest.approx(sd, rel=0.06)


@pytest.mark.parametrize("name", ["P1", "P2", "P3"])
def test_standing_premia_have_their_mean_and_sd(markets: list[Truths], name: str) -> None:
    found = [series(market, name) for market in markets]
    assert_mean(found, TRUTHS[name].ic, TRUTHS[name].sd)
    assert_sd(found, TRUTHS[name].sd)


@pytest.mark.parametrize("name", TRUTHS)
def test_persistence_of_ranks(markets: list[Truths], name: str) -> None:
    found = np.mean([np.nanmean(rank_autocorrelation(market.scores[name])) for market in markets])
    assert found == pytest.approx(TRUTHS[name].persistence, abs=0.005)


def test_p4_is_silent_for_three_months_then_speaks(markets: list[Truths]) -> None:
    for horizon in (21, 63):
        assert_mean([series(market, "P4", horizon) for market in markets], 0.0, CHANCE * np.sqrt(horizon / 21))
    assert_mean([series(market, "P4", 126) for market in markets], TRUTHS["P4"].ic, CHANCE * np.sqrt(6))
    tranches = [calendar_time_ic(market.scores["P4"], market.one_period, 6) for market in markets]
    assert_mean([x[np.isfinite(x)] for x in tranches], TRUTHS["P4"].ic, CHANCE)


def test_d_dies_at_half_time(markets: list[Truths]) -> None:
    found = [series(market, "D") for market in markets]
    first, second = ([np.array_split(x, [len(x) // 2])[half] for x in found] for half in (0, 1))
    assert_mean(first, TRUTHS["D"].ic, TRUTHS["D"].sd)
    assert_sd(first, TRUTHS["D"].sd)
    assert_mean(second, 0.0, CHANCE)
    assert_sd(second, CHANCE)


def test_r_pays_in_stress_only(markets: list[Truths]) -> None:
    stress, calm = [], []
    for market in markets:
        ic = series(market, "R")
        stress.append(ic[market.stress[: len(ic)]])
        calm.append(ic[~market.stress[: len(ic)]])
    assert_mean(stress, TRUTHS["R"].ic, TRUTHS["R"].sd)
    assert np.mean([x.std(ddof=1) for x in stress]) == pytest.approx(TRUTHS["R"].sd, rel=0.1)
    assert_mean(calm, 0.0, 0.15)
    assert 0.15 < np.mean([market.stress.mean() for market in markets]) < 0.3


def test_s_is_survivorship(markets: list[Truths]) -> None:
    assert_mean([series(market, "S") for market in markets], TRUTHS["S"].ic, CHANCE)
    alive = [rank_ic(m.scores["S"][:, m.survivor], m.forward[21][:, m.survivor])[:239] for m in markets]
    assert_mean(alive, 0.01, CHANCE * np.sqrt(500 / 360))


def test_b_is_risk_and_nothing_else(markets: list[Truths]) -> None:
    for market in markets:
        raw = rank_ic(market.scores["B"], market.forward[21])
        left = residualise(market.scores["B"], np.stack([market.beta, market.volatility], axis=2))
        assert np.nanstd(rank_ic(left, market.forward[21])) < 0.5 * np.nanstd(raw)
    assert_mean([series(market, "B") for market in markets], 0.0, 0.13)


@pytest.fixture(scope="module")
def growth(market: Market) -> Floats:
    bars = market.bars
    return wealth(total_return(bars.close, bars.split, bars.dividend), np.isfinite(bars.close))


def assert_same(found: Forward, expected: Floats, member: np.ndarray) -> None:
    found_of_members = np.where(member, found.returns, np.nan)
    np.testing.assert_allclose(found_of_members, expected, atol=1e-4)


@pytest.mark.parametrize("horizon", [21, 63, 126])
def test_labels_are_those_of_the_printed_prices(market: Market, growth: Floats, horizon: int) -> None:
    """Prices are rounded to four decimals and dividends too: hence the tolerance."""
    world, told = market.economy, market.truths
    assert_same(forward_return(growth, world.time.months, horizon, world.delisting), told.forward[horizon], told.member)


def test_one_period_labels_are_those_of_the_printed_prices(market: Market, growth: Floats) -> None:
    world, told = market.economy, market.truths
    assert_same(one_period_return(growth, world.time.months, world.delisting), told.one_period, told.member)


def test_truths_are_those_of_the_whole_market(market: Market) -> None:
    alone = truths(market.economy.seed)
    np.testing.assert_array_equal(alone.forward[63], market.truths.forward[63])
    for name in TRUTHS:
        np.testing.assert_array_equal(alone.scores[name], market.truths.scores[name])


def test_exposures_are_those_of_a_regression(market: Market) -> None:
    """The slow twin: one company, one month-end, simple arithmetic."""
    world, told = market.economy, market.truths
    month, company = 100, int(np.flatnonzero(np.isfinite(told.beta[100]))[7])
    rows = slice(world.time.months[month] - 251, world.time.months[month] + 1)
    slope, _ = np.polyfit(world.market[rows], world.log_return[rows, company], 1)
    assert told.beta[month, company] == pytest.approx(slope)
    assert told.volatility[month, company] == pytest.approx(world.log_return[rows, company].std() * np.sqrt(252))


def test_exposures_need_a_whole_window(market: Market) -> None:
    told, lives, months = market.truths, market.economy.lives, market.economy.time.months
    returns = months[:, None] - lives.first
    np.testing.assert_array_equal(np.isfinite(told.beta), told.member & (returns >= 252))
