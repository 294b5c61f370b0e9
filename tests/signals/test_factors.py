"""Each built-in factor against its definition, spelled out company by company in pandas."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from functools import cached_property

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from small_market import GAPS_OF, LEAVER, NEWCOMER, NO_FUNDAMENTALS, SPLIT_OF, Market

from nexus.db.engine import Database
from nexus.db.panel import Panel
from nexus.maths.types import Floats
from nexus.signals.factor import Factor
from nexus.signals.scores import compute_scores, inputs_of
from nexus.signals.user import factors

PLACES = (300, 470, 610, 880)


class Company:
    """One company's known facts at the close of a day, as pandas series."""

    def __init__(self, market: Market, company: int, day: date) -> None:
        self.day = day
        self.sessions = [d.date() for d in market.days if d.date() <= day]
        self.bars = self._of(market, "prices", company, day).set_index("session").sort_index()
        actions = self._of(market, "corporate_actions", company, day)
        self.actions = actions[actions["ex_date"] <= day]
        index = market.known("benchmarks", day).set_index("session")["value"].sort_index()
        self.market = index.pct_change()
        self.events = self._of(market, "events", company, day)
        self.facts = self._of(market, "fundamentals", company, day)

    def _of(self, market: Market, table: str, company: int, day: date) -> pd.DataFrame:
        known = market.known(table, day)
        return known[known["company_id"] == company]

    def returns(self, window: int) -> pd.Series:
        """Total returns by session, NaN where there is no bar; what falls between two bars counts at the later one."""
        return self.all_returns.reindex(self.sessions[-window:])

    @cached_property
    def all_returns(self) -> pd.Series:
        close = self.bars["close"]
        split, dividend = pd.Series(1.0, close.index), pd.Series(0.0, close.index)
        for _, action in self.actions.iterrows():
            later = close.index[close.index >= action["ex_date"]]
            if len(later) and action["kind"] == "split":
                split[later[0]] *= action["value"]
            elif len(later):
                dividend[later[0]] += action["value"]
        return (close * split + dividend) / close.shift() - 1

    def adjusted(self, field: str, window: int) -> pd.Series:
        """Prices or volumes in today's shares."""
        bars = self.bars[field].copy()
        for _, split in self.actions[self.actions["kind"] == "split"].iterrows():
            before = bars.index < split["ex_date"]
            bars[before] = bars[before] * split["value"] if field == "volume" else bars[before] / split["value"]
        return bars.reindex(self.sessions[-window:])

    def quarters(self, field: str) -> pd.Series:
        """Newest known vintage by period end."""
        facts = self.facts[self.facts["field"] == field].sort_values(["period_end", "known_at"])
        return facts.groupby("period_end")["value"].last()

    def newest_event(self, kind: str) -> date | None:
        dates = self.events[self.events["event_type"] == kind]["event_date"]
        dates = dates[dates <= self.day]
        return max(dates) if len(dates) else None


def enough(series: pd.Series) -> bool:
    return bool(series.notna().mean() >= 0.75)


def growth(returns: pd.Series) -> float:
    return float((1 + returns.dropna()).prod() - 1) if enough(returns) else np.nan


def market_model(c: Company, window: int, least: int) -> tuple[float, float]:
    """Slope and residual deviation (ddof 1) of a regression by statsmodels."""
    both = pd.concat([c.returns(window), c.market.reindex(c.sessions[-window:])], axis=1).dropna()
    if len(both) < least:
        return np.nan, np.nan
    fit = sm.OLS(both.iloc[:, 0].to_numpy(), sm.add_constant(both.iloc[:, 1].to_numpy())).fit()
    return float(fit.params[1]), float(np.std(fit.resid, ddof=1))


def momentum_12_1(c: Company) -> float:
    return growth(c.returns(252).iloc[:-21])


def high_52w(c: Company) -> float:
    high, last = c.adjusted("high", 252), c.adjusted("close", 1).iloc[-1]
    return float(last / high.max()) if enough(high) else np.nan


def volatility(c: Company) -> float:
    returns = c.returns(252)
    return float(-returns.std()) if enough(returns) else np.nan


def amihud(c: Company) -> float:
    dollars = (c.bars["close"] * c.bars["volume"]).reindex(c.sessions[-252:])
    impact = c.returns(252).abs() / dollars
    return float(impact.mean()) if enough(impact) else np.nan


def max_return(c: Company) -> float:
    returns = c.returns(21)
    return float(-returns.max()) if enough(returns) else np.nan


def abnormal_volume(c: Company) -> float:
    volume = c.adjusted("volume", 63)
    known = enough(volume) and enough(volume.iloc[-5:])
    return float(volume.iloc[-5:].mean() / volume.mean()) if known else np.nan


def fresh(c: Company, end: date, days: int = 200) -> bool:
    return (c.day - end).days <= days


def before(quarters: pd.Series, end: date, days: int) -> date | None:
    """The latest of the last twelve quarters that ended so many days before, give or take 20."""
    found = [other for other in quarters.index[-12:] if abs((end - other).days - days) <= 20]
    return found[-1] if found else None


def margin_compression(c: Company) -> float:
    revenue, income = c.quarters("revenue"), c.quarters("net_income")
    if revenue.empty or not fresh(c, revenue.index[-1]):
        return np.nan
    now = revenue.index[-1]
    then = before(revenue, now, 365)
    return float(income.get(now, np.nan) / revenue[now] - income.get(then, np.nan) / revenue.get(then, np.nan))


def asset_growth(c: Company) -> float:
    assets = c.quarters("total_assets")
    if assets.empty or not fresh(c, assets.index[-1]):
        return np.nan
    return float(1 - assets.iloc[-1] / assets.get(before(assets, assets.index[-1], 365), np.nan))


def return_on_equity(c: Company) -> float:
    income, equity = c.quarters("net_income"), c.quarters("equity")
    if income.empty or not fresh(c, income.index[-1]):
        return np.nan
    return float(income.iloc[-1] / equity.get(before(equity, income.index[-1], 91), np.nan))


def accruals(c: Company) -> float:
    flow, income, assets = (c.quarters(field) for field in ("operating_cf", "net_income", "total_assets"))
    for end in flow.index[::-1]:
        if end in income and end in assets and fresh(c, end, 400):
            return float((flow[end] - income[end]) / assets[end])
    return np.nan


def filing_lateness(c: Company) -> float:
    lag = c.quarters("lag_days")
    return float(-lag.iloc[-1]) if len(lag) and fresh(c, lag.index[-1]) else np.nan


def earnings_drift(c: Company) -> float:
    newest = c.newest_event("earnings")
    if newest is None or newest not in c.sessions:
        return np.nan
    at = c.sessions.index(newest)
    if at + 1 >= len(c.sessions) or len(c.sessions) - at > 62:
        return np.nan
    excess = c.returns(len(c.sessions)) - c.market.reindex(c.sessions)
    return float(excess.iloc[at - 1 : at + 2].sum(skipna=False))


def days_since_8k(c: Company) -> float:
    newest = c.newest_event("8-K:5.02")
    return float((c.day - newest) / timedelta(1)) if newest else np.nan


DEFINITIONS: dict[str, Callable[[Company], float]] = {
    "momentum_12_1": momentum_12_1,
    "reversal_5": lambda c: -growth(c.returns(5)),
    "reversal_21": lambda c: -growth(c.returns(21)),
    "high_52w": high_52w,
    "volatility": volatility,
    "idiosyncratic_volatility": lambda c: -market_model(c, 21, 15)[1],
    "beta": lambda c: -market_model(c, 252, 189)[0],
    "amihud": amihud,
    "max_return": max_return,
    "abnormal_volume": abnormal_volume,
    "fundamental_margin_compression": margin_compression,
    "asset_growth": asset_growth,
    "return_on_equity": return_on_equity,
    "accruals": accruals,
    "filing_lateness": filing_lateness,
    "earnings_drift": earnings_drift,
    "days_since_8k": days_since_8k,
}


@pytest.fixture(scope="module")
def panel(database: Database, market: Market) -> Panel:
    inputs = inputs_of(factors().values(), "SP500")
    return Panel.open(database, start=market.day(0), end=market.day(-1), companies=market.companies, inputs=inputs)


@pytest.fixture(scope="module")
def known(market: Market) -> dict[date, list[Company]]:
    return {market.day(p): [Company(market, c, market.day(p)) for c in market.companies] for p in PLACES}


def scored(factor: Factor, panel: Panel, days: list[date]) -> Floats:
    return compute_scores(factor, panel, days, np.ones((len(days), len(panel.companies)), bool)).values


@pytest.mark.parametrize("name", DEFINITIONS)
def test_definition(name: str, panel: Panel, known: dict[date, list[Company]]) -> None:
    expected = np.array([[DEFINITIONS[name](company) for company in companies] for companies in known.values()])
    found = scored(factors()[name], panel, list(known))
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
    assert np.isfinite(found).sum(axis=1).min() >= 20


def test_who_has_no_opinion(panel: Panel, market: Market) -> None:
    """A leaver and a newcomer have no momentum, a firm that never filed no margin; a split moves nothing."""
    built_in = factors()
    momentum, margin, high = (
        scored(built_in[name], panel, [market.day(p) for p in PLACES])
        for name in ("momentum_12_1", "fundamental_margin_compression", "high_52w")
    )
    assert np.isnan(momentum[3, LEAVER])
    assert np.isnan(momentum[2, NEWCOMER])
    assert np.isfinite(momentum[3, NEWCOMER])
    assert np.isfinite(momentum[:, GAPS_OF]).any()
    assert np.isnan(margin[:, NO_FUNDAMENTALS]).all()
    assert high[1, SPLIT_OF] > 0.45  # and half of that without the split


def test_every_factor_but_the_graph_s_is_defined_here() -> None:
    assert set(DEFINITIONS) == {name for name, factor in factors().items() if factor.type != "graph"}


def test_every_factor_is_documented() -> None:
    for factor in factors().values():
        assert factor.compute.__doc__
        assert factor.version == "1"
