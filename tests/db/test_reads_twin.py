"""Point-in-time reads against the slow twin: late, restated, out-of-order and duplicate vintages, several sources."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from twin import Twin
from world import CALENDAR, CLOSES, DAYS, Row, World

from nexus.db.asof import asof
from nexus.db.engine import Database
from nexus.db.panel import Panel

BASES = st.sampled_from([(None, None), (DAYS[5], None), (None, DAYS[3]), (DAYS[-1], DAYS[-1])])
MICROSECOND = timedelta(microseconds=1)

place = st.integers(0, 1)
company = st.integers(0, 2)
day = st.sampled_from(DAYS)
any_day = st.dates(date(2019, 12, 30), date(2020, 1, 23))
known_at = st.builds(
    lambda close, shift: close + shift,
    st.sampled_from(CLOSES),
    st.sampled_from([timedelta(0), timedelta(0), -MICROSECOND, MICROSECOND, timedelta(hours=5), timedelta(days=30)]),
)
price = st.sampled_from([10.0, 11.0, 12.5, 20.0])
quick = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def rows(limit: int, *key: str, **columns: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Row]]:
    """Rows of which no two have the same key: the same fact at the same moment, from one source."""
    unique = (*key, "source", "known_at")
    row = st.fixed_dictionaries({"source": place, "known_at": known_at, **columns})
    return st.lists(row, max_size=limit, unique_by=lambda row: tuple(row[name] for name in unique))


prompt_bars = st.lists(
    st.fixed_dictionaries({"company_id": company, "session": st.integers(0, 11), "source": place, "close": price}),
    max_size=30,
    unique_by=lambda row: (row["company_id"], row["session"], row["source"]),
)
late_bars = rows(20, "company_id", "session", company_id=st.integers(0, 1), session=st.integers(2, 4), close=price)
volume = st.sampled_from([None, 100.0, 300.0])
actions = rows(
    12,
    "company_id",
    "ex_date",
    "kind",
    company_id=st.integers(0, 1),
    ex_date=any_day,
    kind=st.sampled_from(["split", "dividend", "dividend", "delisting"]),
    value=st.sampled_from([0.5, 2.0, 3.0]),
)
fundamentals = rows(
    30,
    "company_id",
    "unit",
    "period_start",
    "period_end",
    company_id=company,
    field=st.just("sales"),
    unit=st.sampled_from(["USD", "EUR", "CAD"]),
    period_start=st.sampled_from([date(2019, 7, 1), date(2019, 6, 30), date(2019, 9, 30), date(2019, 1, 1)]),
    period_end=st.sampled_from([date(2019, 9, 30), date(2019, 12, 31), date(2019, 10, 1)]),
    value=st.floats(-100, 100),
)
valid_to = st.none() | any_day
spells = {
    "universe_members": rows(
        12, "universe", "company_id", "valid_from",
        universe=st.sampled_from(["U", "V"]), company_id=company, valid_from=any_day, valid_to=valid_to,
    ),
    "classifications": rows(
        12, "company_id", "valid_from",
        company_id=company, scheme=st.just("S"), valid_from=any_day, valid_to=valid_to,
        code=st.sampled_from(["Energy", "Health", "Utilities"]),
    ),
    "symbols": rows(
        12, "company_id", "ticker", "valid_from",
        company_id=company, ticker=st.sampled_from(["AA", "BBB"]), valid_from=any_day, valid_to=valid_to,
    ),
    "benchmarks": rows(
        20, "session", series=st.just("M"), session=day | any_day, value=st.floats(1, 9),
    ),
    "events": rows(
        15, "event_id",
        event_id=st.sampled_from(["1", "2", "3", "4"]), company_id=company, event_date=any_day,
        event_type=st.sampled_from(["earnings", "earnings", "other"]),
    ),
}  # fmt: skip


def bound(world: World, table: str, drawn: list[Row]) -> list[Row]:
    """The rows with the world's companies and sources instead of places."""
    made = []
    for row in drawn:
        row = {**row, "source": world.sources[row["source"]]}
        if "company_id" in row:
            row["company_id"] = world.companies[row["company_id"]]
        if table == "events":
            row["event_id"] = f"{row['source']} {row['event_id']}"
        made.append(row)
    return made


def bars(prompt: list[Row], late: list[Row]) -> list[Row]:
    """Bars known at their close, and late vintages of them, on sessions."""
    made = {}
    for row in [*prompt, *late]:
        at = {**row, "known_at": row.get("known_at", CLOSES[row["session"]]), "session": DAYS[row["session"]]}
        at |= {"open": row["close"] - 1, "volume": None if row["close"] == 20 else 10 * row["close"]}
        made[at["company_id"], at["session"], at["source"], at["known_at"]] = at
    return list(made.values())


def opened(world: World, load_id: int, *inputs: str, **more: Any) -> Panel:
    return Panel.open(
        world.database, start=DAYS[0], end=DAYS[-1], companies=world.companies, inputs=inputs, sources=world.sources,
        load_id=load_id, calendar=CALENDAR, **more,
    )  # fmt: skip


def matrix(world: World, days: list[date], cell: Callable[[int, date], Any]) -> np.ndarray:
    return np.array([[cell(company, day) for company in world.companies] for day in days])


@pytest.mark.usefixtures("configured")
class TestAgainstTwin:
    """Each example is a world of its own in the module's database."""

    @quick
    @given(
        bases=BASES,
        prompt=prompt_bars,
        late=late_bars,
        actions=actions,
        cut=st.integers(0, 2),
        back=st.integers(0, 2),
        order=st.permutations(DAYS),
        window=st.integers(1, 14),
    )
    def test_prices_and_returns(
        self,
        database: Database,
        bases: Any,
        prompt: Any,
        late: Any,
        actions: Any,
        cut: int,
        back: int,
        order: list[date],
        window: int,
    ) -> None:
        world = World(database, bases)
        every = bound(world, "prices", bars(prompt, late))
        half = len(every) * cut // 2
        world.load("prices", every[:half])
        world.load("corporate_actions", bound(world, "corporate_actions", actions))
        last = world.load("prices", every[half:])
        load_id = max(0, last - back)
        panel = opened(world, load_id, "prices.close", "prices.open", "prices.volume")
        for today in order:
            view, twin = panel.at(today), Twin(world, CLOSES[DAYS.index(today)], load_id, today)
            n = DAYS.index(today) + 1
            shown = DAYS[max(0, n - window) : n]
            missing = np.full((window - len(shown), 3), np.nan)
            for name in ("open", "close", "volume"):
                wanted = matrix(world, shown, partial(twin.price, field=name))
                assert_allclose(view.prices(name, window), np.vstack([missing, wanted]), rtol=1e-12)
                wanted = matrix(world, shown, partial(twin.raw, field=name))
                assert_array_equal(view.raw(name, window), np.vstack([missing, wanted]))
            wanted = matrix(world, shown, twin.total_return)
            assert_allclose(view.returns(window), np.vstack([missing, wanted]), rtol=1e-9, atol=1e-12)

    @quick
    @given(bases=BASES, prompt=prompt_bars, late=late_bars, actions=actions, as_of=st.none() | st.sampled_from(CLOSES))
    def test_labels_are_the_newest_vintages_at_as_of(
        self, database: Database, bases: Any, prompt: Any, late: Any, actions: Any, as_of: Any
    ) -> None:
        world = World(database, bases)
        world.load("corporate_actions", bound(world, "corporate_actions", actions))
        load_id = world.load("prices", bound(world, "prices", bars(prompt, late)))
        panel = opened(world, load_id, "prices.close", as_of=as_of)
        days = [day for day in DAYS if as_of is None or CLOSES[DAYS.index(day)] <= as_of]
        twin = Twin(world, panel.as_of, load_id, days[-1])
        assert panel.sessions.tolist() == days
        assert_allclose(panel.ahead.close, matrix(world, days, lambda c, d: twin.price(c, d, "close")), rtol=1e-12)
        assert_allclose(panel.ahead.total_return, matrix(world, days, twin.total_return), rtol=1e-9, atol=1e-12)
        known = [[d for d in days if d in twin.bars(c)[1]] for c in world.companies]
        assert panel.ahead.last_bar.tolist() == [days.index(own[-1]) if own else -1 for own in known]

    @quick
    @given(bases=BASES, prompt=prompt_bars, late=late_bars, actions=actions, today=st.sampled_from(range(len(DAYS))))
    def test_labels_as_of_a_day_are_those_of_a_panel_opened_then(
        self, database: Database, bases: Any, prompt: Any, late: Any, actions: Any, today: int
    ) -> None:
        world = World(database, bases)
        world.load("corporate_actions", bound(world, "corporate_actions", actions))
        load_id = world.load("prices", bound(world, "prices", bars(prompt, late)))
        inputs = "prices.close", "prices.volume"
        found = opened(world, load_id, *inputs).ahead_as_of(DAYS[today])
        wanted = opened(world, load_id, *inputs, as_of=CLOSES[today]).ahead
        for name in ("close", "total_return", "has_bar", "last_bar", "market_last", "delisting"):
            assert_array_equal(getattr(found, name), getattr(wanted, name))
        assert_array_equal(found.bars("volume"), wanted.bars("volume"))
        for name in ("row", "column", "kind", "source", "value", "known_at"):
            assert_array_equal(getattr(found.actions, name), getattr(wanted.actions, name))

    @quick
    @given(bases=BASES, drawn=fundamentals, n=st.integers(1, 4), max_age=st.none() | st.integers(0, 120))
    def test_fundamentals(self, database: Database, bases: Any, drawn: Any, n: int, max_age: int | None) -> None:
        world = World(database, bases)
        drawn = [row for row in drawn if row["period_start"] <= row["period_end"]]
        load_id = world.load("fundamentals", bound(world, "fundamentals", drawn))
        panel = opened(world, load_id, "fundamentals.sales")
        newest = np.full((len(DAYS), 3), np.nan)
        for row, (today, close) in enumerate(zip(DAYS, CLOSES, strict=True)):
            view, twin = panel.at(today), Twin(world, close, load_id, today)
            values, ends = np.full((n, 3), np.nan), np.full((n, 3), np.datetime64("NaT", "D"))
            aged = np.full(3, np.nan)
            for column, company_id in enumerate(world.companies):
                periods = twin.periods(company_id, "sales")
                for period, (end, value) in enumerate(periods[:n]):
                    values[period, column], ends[period, column] = value, end
                if periods:
                    newest[row, column] = periods[0][1]
                    if max_age is None or (today - periods[0][0]).days <= max_age:
                        aged[column] = periods[0][1]
            assert_array_equal(view.quarters("sales", n), values)
            assert_array_equal(view.period_ends("sales", n), ends)
            assert_array_equal(view.fundamental("sales", max_age), aged)
        found = asof(
            database, ["sales"], world.companies[::-1], DAYS, sources=world.sources, load_id=load_id, calendar=CALENDAR
        )
        assert_array_equal(found[:, ::-1, 0], newest)

    @quick
    @given(drawn=st.fixed_dictionaries(spells))
    def test_spells_events_and_benchmarks(self, database: Database, drawn: dict[str, list[Row]]) -> None:
        world = World(database, (None, None))
        load_id = max(world.load(table, bound(world, table, listed)) for table, listed in drawn.items())
        panel = opened(
            world, load_id,
            "universe_members.U", "universe_members.V", "classifications.S", "symbols.ticker", "benchmarks.M",
            "events.earnings",
        )  # fmt: skip
        for today, close in zip(DAYS, CLOSES, strict=True):
            view, twin = panel.at(today), Twin(world, close, load_id, today)
            for universe in ("U", "V"):
                wanted = [twin.is_member(company_id, universe) for company_id in world.companies]
                assert view.members(universe).tolist() == wanted
            codes = [
                twin.coded("classifications", c, lambda row: row["code"], "company_id", "scheme", "valid_from")
                for c in world.companies
            ]
            assert view.sector_names("S") == tuple(sorted(set(codes) - {""}))
            assert [("", *view.sector_names("S"))[number + 1] for number in view.sector("S")] == codes
            tickers = [
                twin.coded("symbols", c, lambda row: row["ticker"], "company_id", "ticker", "valid_from")
                for c in world.companies
            ]
            assert view.tickers().tolist() == tickers
            n = DAYS.index(today) + 1
            assert_array_equal(view.benchmark("M", n), [twin.benchmark("M", day) for day in DAYS[:n]])
            events = view.events("earnings")
            assert sorted(
                (int(i), d, k.replace(tzinfo=close.tzinfo))
                for i, d, k in zip(
                    events["company_index"], events["event_date"].tolist(), events["known_at"].tolist(), strict=True
                )
            ) == twin.events("earnings")
