"""What a panel promises beside the right numbers: it ends at the day, names what it used, and refuses the rest."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from world import CALENDAR, CLOSES, DAYS, Row, World

from nexus.db.asof import asof
from nexus.db.engine import Database
from nexus.db.inputs import check_inputs
from nexus.db.panel import Panel, View
from nexus.errors import InputError

pytestmark = pytest.mark.usefixtures("configured")


def bar(world: World, company: int, day: int, close: float, source: int = 0, known: int | None = None) -> Row:
    return {
        "company_id": world.companies[company],
        "session": DAYS[day],
        "source": world.sources[source],
        "known_at": CLOSES[day if known is None else known],
        "close": close,
        "volume": 100.0,
    }


def member(world: World, company: int, source: int = 0) -> Row:
    return {
        "universe": "U",
        "company_id": world.companies[company],
        "valid_from": DAYS[0],
        "source": world.sources[source],
        "known_at": CLOSES[0],
        "valid_to": None,
    }


@pytest.fixture
def world(database: Database) -> World:
    """Two priced companies and a member without a price; the second source knows one bar more."""
    made = World(database, (None, None), ("assumed", "backdated"))
    prices = [bar(made, company, day, 10.0 + company + day) for company in (0, 1) for day in range(len(DAYS))]
    made.load("prices", [row for row in prices if (row["company_id"], row["session"]) != (made.companies[1], DAYS[4])])
    made.load("universe_members", [member(made, 0), member(made, 2)])
    return made


def open_panel(world: World, *inputs: str, **more: object) -> Panel:
    terms = {"start": DAYS[0], "end": DAYS[-1], "sources": world.sources, "calendar": CALENDAR, **more}
    return Panel.open(world.database, inputs=inputs or ("prices.close",), **terms)  # type: ignore[arg-type]


def test_a_declared_input_must_be_a_column_or_a_table_that_can_be_read() -> None:
    with pytest.raises(InputError, match='prices has no "clsoe"; did you mean "close"'):
        check_inputs(["prices.clsoe"])
    with pytest.raises(InputError, match='no readable table "fundamental"; did you mean "fundamentals"'):
        check_inputs(["fundamental.sales"])
    with pytest.raises(InputError, match="name what is read of it"):
        check_inputs(["benchmarks"])
    assert check_inputs(["events.8-K 2.02", "prices.close", "prices.close"]).names == (
        "events.8-K 2.02",
        "prices.close",
    )


def test_the_axis_is_who_has_a_bar_or_belongs(world: World) -> None:
    panel = open_panel(world, "prices.close", "universe_members.U")
    assert panel.companies.tolist() == world.companies
    assert panel.at(DAYS[3]).members("U").tolist() == [True, False, True]
    assert open_panel(world).companies.tolist() == world.companies[:2]
    assert open_panel(world, companies=[world.companies[2], world.companies[0]]).companies.tolist() == [
        world.companies[0],
        world.companies[2],
    ]
    assert open_panel(world, "universe_members.U").companies.tolist() == [world.companies[0], world.companies[2]]


def test_a_day_that_is_no_session_is_refused(world: World) -> None:
    panel = open_panel(world)
    with pytest.raises(InputError, match="2020-01-04 is no session of the panel"):
        panel.at(date(2020, 1, 4))
    with pytest.raises(InputError, match="2020-01-22 is no session"):
        panel.at(np.datetime64("2020-01-22"))
    with pytest.raises(InputError, match="no session of TEST between"):
        open_panel(world, start=date(2019, 1, 1), end=date(2019, 2, 1))


def test_what_was_not_declared_cannot_be_read(world: World) -> None:
    view = open_panel(world, "prices.close", "universe_members.U").at(DAYS[3])
    for read in (
        lambda: view.prices("volume"),
        lambda: view.fundamental("sales"),
        lambda: view.members("V"),
        lambda: view.benchmark("M", 2),
        lambda: view.sector("GICS"),
        lambda: view.tickers(),
        lambda: view.events("earnings"),
    ):
        with pytest.raises(InputError, match="not among the declared inputs"):
            read()
    with pytest.raises(InputError, match='price field "adj_close"'):
        view.prices("adj_close")
    with pytest.raises(InputError, match="window 0"):
        view.prices("close", 0)


def test_the_blind_reader_has_the_days_but_not_the_labels(world: World) -> None:
    panel = open_panel(world, "prices.close", "prices.volume")
    blind = panel.blind(["prices.close"])
    assert not hasattr(blind, "ahead")
    assert_array_equal(blind.at(DAYS[5]).prices("close", 3), panel.at(DAYS[5]).prices("close", 3))
    with pytest.raises(InputError, match=r'"prices.volume" is not among'):
        blind.at(DAYS[5]).prices("volume", 3)
    with pytest.raises(InputError, match=r'"prices.open" is not among'):
        panel.blind(["prices.open"])


def test_arrays_are_read_only_and_lead_nowhere(world: World) -> None:
    view = open_panel(world, "prices.close", "prices.volume", "universe_members.U").at(DAYS[6])
    handed_out = [
        view.prices("close", 3), view.prices("close"), view.raw("close", 20), view.returns(4), view.dollar_volume(3),
        view.members("U"), view.sessions, view.companies,
    ]  # fmt: skip
    for array in handed_out:
        assert array.base is None
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
    assert view.sessions[-1] == view.day == np.datetime64(DAYS[6])
    assert len(view.prices("close")) == 7


def test_arrays_never_change_while_other_days_are_visited(world: World) -> None:
    world.load("prices", [bar(world, 0, 2, 99.0, known=6)])
    panel = open_panel(world)
    before = panel.at(DAYS[4]).prices("close")
    copy = before.copy()
    assert panel.at(DAYS[8]).prices("close")[2, 0] == 99.0
    assert_array_equal(before, copy)
    assert panel.at(DAYS[4]).prices("close")[2, 0] == 12.0


def test_a_later_load_is_seen_only_by_who_asks_for_it(world: World) -> None:
    first = open_panel(world)
    world.load("prices", [bar(world, 0, 2, 99.0, known=2) | {"known_at": CLOSES[2] - timedelta(hours=1)}])
    world.load("prices", [bar(world, 0, 3, 77.0, known=4)])
    again = open_panel(world, load_id=first.load_id)
    assert again.fingerprint == first.fingerprint
    assert_array_equal(again.ahead.close, first.ahead.close)
    newest = open_panel(world)
    assert newest.load_id == first.load_id + 2
    assert newest.fingerprint != first.fingerprint
    assert newest.ahead.close[3, 0] == 77.0
    with pytest.raises(InputError, match="the highest load of the database is"):
        open_panel(world, load_id=newest.load_id + 1)


def test_as_of_ends_the_panel(world: World) -> None:
    world.load("prices", [bar(world, 0, 2, 99.0, known=7)])
    early = open_panel(world, as_of=CLOSES[6])
    assert early.sessions[-1] == np.datetime64(DAYS[6])
    assert early.ahead.close[2, 0] == 12.0
    assert open_panel(world, as_of=CLOSES[7]).ahead.close[2, 0] == 99.0
    assert early.fingerprint != open_panel(world).fingerprint


def test_sources_and_tier_are_those_used(world: World) -> None:
    panel = open_panel(world, "prices.close", "universe_members.U")
    assert (panel.sources, panel.tier) == ((world.sources[0],), "B")
    world.load("universe_members", [member(world, 1, source=1)])
    panel = open_panel(world, "prices.close", "universe_members.U", "benchmarks.M")
    assert (panel.sources, panel.tier) == (tuple(world.sources), "C")
    assert panel.tier_of(["prices.close"]) == "B"
    assert panel.tier_of(["benchmarks.M"]) == "A"
    assert panel.missing == ("benchmarks.M",)
    assert panel.at(DAYS[3]).members("U").tolist() == [True, False, True]  # not a mix of two


def test_an_action_that_counts_for_nothing_does_not_lower_the_tier(world: World) -> None:
    row = {"company_id": world.companies[0], "ex_date": DAYS[6], "kind": "split", "value": 2.0, "known_at": CLOSES[5]}
    world.load("corporate_actions", [row | {"source": source} for source in world.sources])
    assert (open_panel(world).sources, open_panel(world).tier) == ((world.sources[0],), "B")
    world.load("corporate_actions", [row | {"source": world.sources[1], "kind": "dividend"}])
    assert open_panel(world).tier == "C"


def test_sources_default_to_their_preference(world: World, database: Database) -> None:
    other = World(database, (None,))
    everything = Panel.open(database, start=DAYS[0], end=DAYS[-1], inputs=["prices.close"], calendar=CALENDAR)
    world.load("prices", [bar(world, 2, day, 5.0, source=1) for day in range(4)])
    with pytest.raises(InputError, match='source "nobody" is unknown'):
        open_panel(world, sources=["nobody"])
    assert set(world.companies[:2]) <= set(everything.companies.tolist())
    assert open_panel(world, sources=other.sources).companies.tolist() == []


def test_a_better_source_that_comes_later_changes_nothing_before(world: World) -> None:
    world.load("prices", [bar(world, 2, day, 50.0 + day, source=1) for day in range(6)])
    world.load("prices", [bar(world, 2, day, 20.0 + day, known=max(day, 4)) for day in range(8)])
    panel = open_panel(world)
    assert panel.at(DAYS[3]).prices("close", 2)[:, 2].tolist() == [52.0, 53.0]
    assert panel.at(DAYS[4]).prices("close", 2)[:, 2].tolist() == [23.0, 24.0]
    assert panel.ahead.close[:6, 2].tolist() == [20.0, 21.0, 22.0, 23.0, 24.0, 25.0]
    assert panel.sources == tuple(world.sources)


def test_a_return_crosses_a_session_without_a_bar(world: World) -> None:
    ahead = open_panel(world).ahead
    assert np.isnan(ahead.total_return[4, 1])
    assert ahead.total_return[5, 1] == pytest.approx(16.0 / 14.0 - 1)
    assert ahead.last_bar.tolist() == [len(DAYS) - 1] * 2
    assert ahead.market_last == len(DAYS) - 1
    assert not ahead.has_bar[4, 1]


def test_delisting_returns_are_labels(world: World) -> None:
    row = {"company_id": world.companies[0], "kind": "delisting", "source": world.sources[0], "value": -0.3}
    world.load("corporate_actions", [{**row, "ex_date": date(2020, 2, 3), "known_at": CLOSES[5]}])
    assert_array_equal(open_panel(world).ahead.delisting, [-0.3, np.nan])


def test_a_memo_is_computed_once_a_day(world: World) -> None:
    panel = open_panel(world)
    calls: list[np.datetime64] = []

    def compute(view: View) -> np.ndarray:
        calls.append(view.day)
        return view.prices("close", 1)[0]

    for _ in range(2):
        for observations in (panel.blind(), panel.blind(["prices.close"]), panel):
            made = [observations.at(day).memo("last", compute) for day in DAYS[:2]]
            assert [array[0] for array in made] == [10.0, 11.0]
    assert len(calls) == 2


def test_asof_wants_sessions_in_order(world: World) -> None:
    terms = {"sources": world.sources, "calendar": CALENDAR}
    with pytest.raises(InputError, match="2020-01-04 is no closed session of TEST"):
        asof(world.database, ["sales"], world.companies, [DAYS[0], date(2020, 1, 4), DAYS[3]], **terms)
    with pytest.raises(InputError, match="days must ascend"):
        asof(world.database, ["sales"], world.companies, [DAYS[1], DAYS[0]], **terms)
    nothing = asof(world.database, ["sales", "assets"], world.companies, DAYS[:2], **terms)
    assert nothing.shape == (2, 3, 2)
    assert np.isnan(nothing).all()
