from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nexus.maths.returns import forward_return, holding_return, one_period_return, total_return, wealth
from nexus.maths.types import Floats, Ints

NAN = np.nan


def column(*values: float) -> Floats:
    return np.array(values, float)[:, None]


def test_total_return_with_split_and_dividend() -> None:
    close = column(100, 55, 66, 66)
    split, dividend = column(1, 2, 1, 1), column(0, 0, 1.1, NAN)
    np.testing.assert_allclose(total_return(close, split, dividend)[:, 0], [NAN, 0.10, 0.22, 0.0])


def test_dividend_is_for_shares_held_before_the_split() -> None:
    assert total_return(column(100, 50), column(1, 2), column(0, 10))[1, 0] == pytest.approx(0.10)


def test_the_session_that_resumes_has_the_return_of_the_halt() -> None:
    """A 2:1 split and then 1 a share while there was no bar: 100 becomes 2 x 60 + 2 x 1."""
    close, split, dividend = column(100, NAN, NAN, 60), column(1, 2, 1, 1), column(0, 0, 1, 0)
    np.testing.assert_allclose(total_return(close, split, dividend)[:, 0], [NAN, NAN, NAN, 0.22])


def test_an_action_before_the_first_bar_changes_nothing() -> None:
    np.testing.assert_allclose(
        total_return(column(NAN, 10, 11), column(3, 1, 1), column(2, 0, 0))[:, 0], [NAN, NAN, 0.1]
    )


def test_a_price_that_is_not_positive_is_refused() -> None:
    with pytest.raises(ValueError, match=r"close -1\.0 in row 1, column 0"):
        total_return(column(1, -1), column(1, 1), column(0, 0))


def test_wealth_compounds_from_the_first_bar() -> None:
    close = column(NAN, 10, NAN, 12, 15)
    ones = np.ones_like(close)
    value = wealth(total_return(close, ones, 0 * ones), np.isfinite(close))
    np.testing.assert_allclose(value[:, 0], [NAN, 1, NAN, 1.2, 1.5])


def market(n_sessions: int = 30) -> Floats:
    """Four companies of which three stop trading: delisted after row 10, halted 26 to the end, in row 8 only."""
    value = np.cumprod(np.full((n_sessions, 4), 1.01), axis=0)
    value[11:, 1] = NAN
    value[26:, 2] = NAN
    value[8, 3] = NAN
    return value


def test_forward_return_enters_one_session_later() -> None:
    forward = forward_return(market(), np.array([2, 3]), 5)
    np.testing.assert_allclose(forward.returns[:, 0], 1.01**5 - 1)
    np.testing.assert_allclose(forward_return(market(), np.array([2]), 5, entry_lag=0).returns[0, 0], 1.01**5 - 1)


def test_who_has_no_bar_at_the_entry_is_out_and_counted() -> None:
    forward = forward_return(market(), np.array([7]), 3)
    assert np.isnan(forward.returns[0, 3])
    assert forward.no_entry.tolist() == [1]
    assert forward_return(market(), np.array([8]), 3).no_entry.tolist() == [0]


def test_who_has_no_bar_at_the_exit_is_held_at_the_last_price() -> None:
    np.testing.assert_allclose(forward_return(market(), np.array([4]), 3).returns[0, 3], 1.01**2 - 1)


def test_who_is_delisted_earns_the_delisting_return_then_cash() -> None:
    value = market()
    to_last = 1.01**4
    rows = np.array([5])
    unknown = forward_return(value, rows, 20)
    assert unknown.returns[0, 1] == pytest.approx(to_last - 1)
    assert unknown.pessimistic[0, 1] == pytest.approx(to_last * 0.7 - 1)
    known = forward_return(value, rows, 20, delisting=np.array([NAN, -0.5, NAN, NAN]))
    assert known.returns[0, 1] == known.pessimistic[0, 1] == pytest.approx(to_last * 0.5 - 1)
    assert unknown.leavers.tolist() == known.leavers.tolist() == [1]


def test_who_leaves_outside_the_window_is_no_leaver() -> None:
    ends_on_last_bar = forward_return(market(), np.array([4]), 5)
    assert ends_on_last_bar.leavers.tolist() == [0]
    assert ends_on_last_bar.pessimistic[0, 1] == pytest.approx(1.01**5 - 1)
    assert forward_return(market(), np.array([9]), 3).leavers.tolist() == [1]
    after = forward_return(market(), np.array([10]), 3)
    assert after.leavers.tolist() == [0]
    assert np.isnan(after.returns[0, 1])


@pytest.mark.parametrize(("n_sessions", "delisted"), [(31, False), (32, True)])
def test_who_stopped_five_sessions_ago_is_halted_and_six_delisted(n_sessions: int, delisted: bool) -> None:
    forward = forward_return(market(n_sessions), np.array([20]), 9)
    assert forward.leavers.tolist() == [int(delisted)]
    assert forward.returns[0, 2] == pytest.approx(1.01**4 - 1)
    assert forward.pessimistic[0, 2] == pytest.approx(1.01**4 * (0.7 if delisted else 1.0) - 1)


def test_a_window_must_be_over_by_the_last_session() -> None:
    forward = forward_return(market(), np.array([22, 23, 24, 28, 29]), 6)
    assert forward.complete.tolist() == [True, False, False, False, False]
    assert np.isnan(forward.returns[1:]).all()
    assert forward.no_entry.tolist()[1:] == forward.leavers.tolist()[1:] == [0, 0, 0, 0]


def test_one_period_return_goes_from_entry_to_entry() -> None:
    forward = one_period_return(market(), np.array([2, 5, 12]))
    np.testing.assert_allclose(forward.returns[:, 0], [1.01**3 - 1, 1.01**7 - 1, NAN])
    assert forward.complete.tolist() == [True, True, False]
    assert forward.leavers.tolist() == [0, 1, 0]


def test_one_period_return_of_the_last_session_is_not_complete() -> None:
    forward = one_period_return(market(), np.array([20, 29]))
    assert forward.complete.tolist() == [False, False]
    assert one_period_return(market(), np.array([20, 28])).complete.tolist() == [True, False]
    assert one_period_return(market(), np.array([], np.int64)).returns.shape == (0, 4)


def test_periods_compound_to_the_window() -> None:
    value = market()
    periods = one_period_return(value, np.array([2, 5, 12, 20])).returns[:3, 0]
    whole = holding_return(value, np.array([3]), np.array([21])).returns[0, 0]
    assert np.prod(1 + periods) - 1 == pytest.approx(whole)


def test_only_members_are_counted() -> None:
    members = np.array([[True, False, True, False]])
    forward = forward_return(market(), np.array([7]), 20, members=members)
    assert forward.no_entry.tolist() == forward.leavers.tolist() == [0]
    assert np.isfinite(forward.returns[0, 1])


def test_windows_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="sort the dates"):
        forward_return(market(), np.array([5, 5]), 3)
    with pytest.raises(ValueError, match="from row 6 to 6"):
        forward_return(market(), np.array([5]), 0)


def slow_holding_return(value: Floats, entry: Ints, exit: Ints, delisting: Floats) -> tuple[Floats, Ints]:
    n_sessions, n_companies = value.shape
    out, leavers = np.full((len(entry), n_companies), NAN), np.zeros(len(entry), int)
    for d, (start, stop) in enumerate(zip(entry, exit, strict=True)):
        for i in range(n_companies):
            if stop >= n_sessions or np.isnan(value[start, i]):
                continue
            bars = [row for row in range(n_sessions) if np.isfinite(value[row, i])]
            held = [row for row in bars if start <= row <= stop]
            out[d, i] = value[held[-1], i] / value[start, i] - 1
            if n_sessions - 1 - bars[-1] > 5 and start <= bars[-1] < stop:
                leavers[d] += 1
                if np.isfinite(delisting[i]):
                    out[d, i] = (1 + out[d, i]) * (1 + delisting[i]) - 1
    return out, leavers


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(1, 15))
def test_holding_return_is_its_definition(seed: int, horizon: int) -> None:
    random = np.random.default_rng(seed)
    value = np.exp(np.cumsum(random.normal(0, 0.05, (40, 8)), axis=0))
    value[random.random(value.shape) < 0.1] = NAN
    for i, last in enumerate(random.integers(10, 60, 8)):
        value[last:, i] = NAN
    delisting = np.where(random.random(8) < 0.5, NAN, -random.random(8))
    rows = np.sort(random.choice(38, 6, replace=False))
    expected, leavers = slow_holding_return(value, rows + 1, rows + 1 + horizon, delisting)
    forward = forward_return(value, rows, horizon, delisting)
    np.testing.assert_allclose(forward.returns, expected, atol=1e-14)
    np.testing.assert_array_equal(forward.leavers, leavers)


def test_labels_of_a_window_ignore_what_comes_after() -> None:
    """Prices after the exit change nothing, as long as the company goes on."""
    value, other = market(), market()
    other[16:, 0] *= 3
    rows = np.array([3, 8])
    np.testing.assert_array_equal(forward_return(value, rows, 6).returns, forward_return(other, rows, 6).returns)
