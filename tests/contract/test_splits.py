"""Chunks keep their promise on real and on awkward calendars: no label of one part reaches into the next."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nexus.contract.splits import SINGLE_FIT, Chunk, Plan, chunks, days_of
from nexus.errors import InputError

SESSIONS = pd.bdate_range("2010-01-01", "2020-12-31").to_numpy().astype("datetime64[D]")
CALENDAR = pd.bdate_range("2009-01-01", "2021-06-30").to_numpy().astype("datetime64[D]")


def months(first: str = "2010-01-01", last: str = "2020-12-31") -> list[date]:
    return days_of(CALENDAR, date.fromisoformat(first), date.fromisoformat(last), "month")


def row(day: date) -> int:
    return int(np.searchsorted(SESSIONS, np.datetime64(day)))


def check(chunk: Chunk, days: list[date], horizon: int) -> None:
    """The promise, spelled out session by session."""
    seen: set[int] = set()
    for part in (chunk.train, chunk.validation):
        labels = {r for day in part for r in range(row(day), row(day) + horizon + 1)}
        following = chunk.validation if part is chunk.train else chunk.test
        assert max(labels) < row(following[0])
        seen |= labels
    assert chunk.trained_to == SESSIONS[max(seen)].astype(object)
    assert all(day > chunk.trained_to for day in chunk.test)
    assert chunk.companion == max(day for day in days if day < chunk.test[0])
    assert set(chunk.train).isdisjoint(chunk.validation) and set(chunk.test).isdisjoint(chunk.validation)
    # nothing known before the weights were made goes untold once they are the newest there are
    assert [day for day in days if chunk.trained_to < day <= chunk.test[-1]] == list(chunk.test)


def test_walk_forward_by_years_with_an_expanding_window() -> None:
    days = months()
    found = chunks(days, SESSIONS, 21, Plan())
    assert [chunk.number for chunk in found] == list(range(7))
    assert {chunk.train[0] for chunk in found} == {date(2010, 1, 29)}
    for number, chunk in enumerate(found):
        check(chunk, days, 21)
        assert (chunk.validation[0].year, chunk.validation[0].month) == (2013 + number, 1)
        assert chunk.test[-1].year == 2014 + number and chunk.test[-1].month == 12
    # from one refit to the next every day is tested
    tested = {day for chunk in found for day in chunk.test}
    assert tested == {day for day in days if day >= found[0].test[0]}


def test_the_embargo_is_of_the_horizon() -> None:
    days = months()
    near, far = (chunks(days, SESSIONS, horizon, Plan())[0] for horizon in (1, 63))
    assert near.train[-1] == date(2012, 12, 31) and near.validation[-1] == date(2013, 12, 31)
    assert far.train[-1] == date(2012, 10, 31) and far.validation[-1] == date(2013, 10, 31)
    assert far.trained_to > near.trained_to > date(2013, 12, 31)
    assert near.companion == far.companion == date(2013, 12, 31)
    assert far.split(date(2013, 11, 29)) == "none"
    assert far.split(date(2013, 10, 31)) == "validation" and far.split(date(2012, 10, 31)) == "train"
    assert far.split(date(2014, 1, 31)) == "test"
    assert far.predicted == (far.companion, *far.test)


@settings(max_examples=60, deadline=None)
@given(
    horizon=st.integers(0, 60),
    train=st.integers(6, 40),
    validation=st.integers(5, 18),
    test=st.integers(1, 18),
    every=st.sampled_from(["month", 5, 20, 37]),
    shift=st.integers(0, 400),
)
def test_every_chunk_keeps_the_promise(horizon: int, train: int, validation: int, test: int, every, shift: int) -> None:
    first = date(2010, 1, 1) + timedelta(shift)
    days = days_of(CALENDAR, first, date(2020, 12, 31), every)
    plan = Plan(first_train_months=train, validation_months=validation, test_months=test, days=every)
    for chunk in chunks(days, SESSIONS, horizon, plan):
        check(chunk, days, horizon)


def test_start_and_end_bound_the_days() -> None:
    plan = Plan(start=date(2012, 1, 1), end=date(2016, 6, 30))
    found = chunks(months(), SESSIONS, 21, plan)
    assert found[0].train[0] == date(2012, 1, 31)
    assert found[-1].test[-1] == date(2016, 6, 30)


def test_days_of_a_plan() -> None:
    assert months("2010-01-15", "2010-04-29") == [date(2010, 1, 29), date(2010, 2, 26), date(2010, 3, 31)]
    assert days_of(CALENDAR, date(2010, 1, 4), date(2010, 1, 20), 5) == [
        date(2010, 1, 4), date(2010, 1, 11), date(2010, 1, 18),
    ]  # fmt: skip


def test_a_single_fit_is_late_and_predicts_everything() -> None:
    days = months()
    (chunk,) = chunks(days, SESSIONS, 45, Plan(single_fit=True))
    check(chunk, days, 45)
    assert chunk.trained_to < chunk.test[0] == date(2020, 1, 31) and chunk.train[0] == days[0]
    assert chunk.test[-1] == days[-1] and chunk.number == SINGLE_FIT
    assert chunk.predicted == tuple(days)
    assert len(chunk.embargoed) == 4 and {chunk.split(day) for day in chunk.embargoed} == {"none"}


@pytest.mark.parametrize(
    ("plan", "horizon", "message"),
    [
        (Plan(first_train_months=200), 21, r"132 days from 2010-01-29 to 2020-12-31 make no chunk: 200 months of"),
        (Plan(validation_months=2), 63, r"make no chunk: .* with 63 sessions between them; start earlier"),
        (Plan(start=date(2020, 12, 1)), 21, r"1 days from 2020-12-31"),
        (Plan(start=date(2030, 1, 1)), 21, r"no day between 2030-01-01 and the last; widen"),
    ],
)
def test_too_few_days_say_what_is_needed(plan: Plan, horizon: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        chunks(months(), SESSIONS, horizon, plan)


def test_a_day_without_a_session_is_named() -> None:
    with pytest.raises(InputError, match=r"2015-08-01 is no session of the data, 2010-01-01 to 2020-12-31"):
        chunks([*months("2010-01-01", "2015-07-31"), date(2015, 8, 1)], SESSIONS, 21, Plan())


@pytest.mark.parametrize("wrong", [{"test_months": 0}, {"first_train_months": 0}, {"days": 0}])
def test_plans_that_are_none(wrong: dict[str, int]) -> None:
    with pytest.raises(InputError, match="at least"):
        Plan(**wrong)
