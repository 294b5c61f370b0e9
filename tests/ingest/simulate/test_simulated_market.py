from __future__ import annotations

from dataclasses import fields
from datetime import date

import numpy as np
import pytest
from scipy.stats import binom, kurtosis

from nexus.ingest.simulate import Market, Truths, simulate
from nexus.ingest.simulate.lives import LEAVERS, Fate, lives
from nexus.ingest.simulate.risk import BETA, OWN, market_path, own_returns, stress
from nexus.ingest.simulate.timeline import timeline
from nexus.maths.ic import rank_ic
from nexus.maths.returns import total_return


def test_the_same_seed_is_the_same_market_and_another_is_not() -> None:
    first, again, other = (simulate(seed, sessions=600, listed=40) for seed in (5, 5, 6))
    for field in fields(first.bars):
        np.testing.assert_array_equal(getattr(first.bars, field.name), getattr(again.bars, field.name))
    assert not np.array_equal(first.bars.close[:, :40], other.bars.close[:, :40])


def test_months_are_the_last_sessions_of_complete_calendar_months() -> None:
    time = timeline(date(2020, 1, 2), 60)
    assert time.dates[time.months].astype(str).tolist() == ["2020-01-31", "2020-02-28"]
    assert time.dates[-1] == np.datetime64("2020-03-27")
    assert len(timeline(date(2020, 1, 2), 62).months) == 3  # ends on 31 March: complete


def test_closes_are_instants() -> None:
    time = timeline(date(2020, 1, 2), 252)
    closes = dict(zip(time.dates.astype(str).tolist(), time.closes.astype(str).tolist(), strict=True))
    assert closes["2020-01-02"] == "2020-01-02T21:00:00"
    assert closes["2020-07-01"] == "2020-07-01T20:00:00"
    assert closes["2020-11-27"] == "2020-11-27T18:00:00"  # the day after Thanksgiving


def test_a_score_acts_from_its_entry_to_the_next() -> None:
    time = timeline(date(2020, 1, 2), 100)
    acting = time.acting()
    january, february = time.months[:2]
    assert np.flatnonzero(acting == 0).tolist() == list(range(january + 2, february + 2))


def test_the_number_listed_never_changes_and_leavers_keep_their_rate() -> None:
    who = [lives(seed, 5040, 500) for seed in range(10)]
    for each in who:
        assert set(each.listed(np.arange(5040)).sum(axis=1)) == {500}
    left = sum(int((~each.stays()).sum()) for each in who)
    exposed = sum(int((each.last - each.first + 1 - 63).clip(0).sum()) for each in who)
    assert binom.cdf(left, exposed, LEAVERS / 252) == pytest.approx(0.5, abs=0.499)
    merged = sum(int((each.fate == Fate.MERGES).sum()) for each in who)
    assert binom.cdf(merged, left, 0.6) == pytest.approx(0.5, abs=0.499)


def test_failures_lose_45_per_cent_in_all_and_mergers_jump(market: Market) -> None:
    """In the mean, against what the company would have earned: its luck has mean 0, and hundreds average it away."""
    world = market.economy
    who = world.lives
    failed, merged = (np.flatnonzero(who.fate == fate) for fate in (Fate.FAILS, Fate.MERGES))
    fall = [world.log_return[who.last[c] - 20 : who.last[c] + 1, c].sum() for c in failed]
    in_all = np.mean(fall) + np.log1p(-0.30)
    assert np.log(0.55) == pytest.approx(in_all, abs=4 * np.std(fall) / np.sqrt(len(failed)))
    jump = world.log_return[who.last[merged], merged]
    assert np.log(1.15) == pytest.approx(jump.mean(), abs=4 * jump.std() / np.sqrt(len(merged)))
    np.testing.assert_array_equal(world.delisting[failed], -0.30)
    np.testing.assert_array_equal(world.delisting[merged], 0.0)
    assert np.isnan(world.delisting[who.stays()]).all()


def test_market_volatility() -> None:
    paths = [market_path(seed, 5040) for seed in range(20)]
    yearly = np.mean([market.var() * 252 for market, _ in paths]) ** 0.5
    assert yearly == pytest.approx(0.16, rel=0.06)
    logs = [np.log(vix) for _, vix in paths]
    assert np.mean([np.corrcoef(x[1:], x[:-1])[0, 1] for x in logs]) == pytest.approx(0.97, abs=0.005)
    scaled = np.concatenate([market[1:] / vix[:-1] for market, vix in paths])
    assert scaled.std() * 100 * np.sqrt(252) == pytest.approx(1, rel=0.01)  # the VIX foretells the next session


def test_the_stress_state_uses_no_later_vix() -> None:
    _, vix = market_path(1, 2000)
    months = np.arange(20, 2000, 21)
    whole = stress(vix, months)
    for upto in (30, 60, 90):
        np.testing.assert_array_equal(stress(vix[: months[upto - 1] + 1], months[:upto]), whole[:upto])
    assert whole.any() and not whole[months < 251].any()


def test_own_returns_are_student_and_dispersed(market: Market) -> None:
    volatility = market.economy.exposures.volatility
    assert np.sqrt(np.mean(volatility**2)) == pytest.approx(OWN, rel=0.08)
    assert market.economy.exposures.beta.std() == pytest.approx(BETA, rel=0.1)
    drawn = own_returns(9, np.ones((5040, 200), dtype=bool), np.full(200, OWN))
    assert drawn.std() * np.sqrt(252) == pytest.approx(OWN, rel=0.01)
    assert kurtosis(drawn, axis=None) > 3  # Student's t(5): 6, and slow to show; the normal's is 0


def test_prices_print_the_returns(market: Market) -> None:
    bars, world = market.bars, market.economy
    found = total_return(bars.close, bars.split, bars.dividend)
    rows = np.isfinite(found)
    np.testing.assert_array_equal(rows.sum(axis=0), world.lives.last - world.lives.first)
    np.testing.assert_allclose(found[rows], np.expm1(world.log_return[rows]), atol=1e-4)


def test_bars_are_possible(market: Market) -> None:
    bars = market.bars
    listed = np.isfinite(bars.close)
    assert (bars.high[listed] >= np.maximum(bars.open, bars.close)[listed]).all()
    assert (bars.low[listed] <= np.minimum(bars.open, bars.close)[listed]).all()
    assert bars.low[listed].min() > 0
    assert (bars.volume[listed] >= 1).all() and (bars.volume[listed] % 1 == 0).all()
    splits, paid = bars.split[listed] != 1, bars.dividend[listed] > 0
    assert set(bars.split[listed][splits]) == {2.0, 0.1} and splits.sum() > 100
    assert paid.sum() > 10_000 and not (splits & paid).any()


def test_risk_is_not_paid(markets: list[Truths]) -> None:
    """The rank correlation of beta and of volatility with the return has mean zero."""
    for exposure in ("beta", "volatility"):
        ic = np.concatenate([rank_ic(getattr(m, exposure), m.forward[21]) for m in markets])
        ic = ic[np.isfinite(ic)]
        assert abs(ic.mean()) < 4 * ic.std() / np.sqrt(len(ic))
