"""From a panel's actions to a market's events, and who can be traded."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from nexus.backtest.market import Events, Market
from nexus.backtest.tape import market_of, tradable
from nexus.db.actions import DELISTING, DIVIDEND, SPLIT, Actions
from nexus.errors import InputError

COMPANIES = np.array([11, 12, 13, 14])
COLUMNS = np.array([0, 2, 3])
NOBODY = np.full(4, np.nan)


def ahead(close: Any, rows: list[tuple[int, int, int, float]], delisting: Any = NOBODY) -> Any:
    """As `panel.ahead`, of (row, column, kind, value)."""
    row, column, kind, value = (np.array(part) for part in zip(*rows, strict=True)) if rows else [np.empty(0, int)] * 4
    n = len(row)
    nothing = np.zeros(n, np.int64)
    actions = Actions(row, column, nothing.view("M8[D]"), kind, nothing, np.asarray(value, float), nothing, nothing)
    return SimpleNamespace(bars=lambda name: close.copy(), actions=actions, delisting=delisting)


def test_actions_of_one_session_are_one_and_others_fall_away() -> None:
    close = np.full((12, 4), 10.0)
    told = [(3, 2, DIVIDEND, 0.5), (3, 2, DIVIDEND, 0.25), (3, 2, SPLIT, 2.0), (3, 2, SPLIT, 3.0), (4, 1, SPLIT, 7.0),
            (-1, 0, SPLIT, 9.0), (10, 0, DIVIDEND, 1.0)]  # fmt: skip
    events = market_of(ahead(close, told), 10, COLUMNS, COMPANIES).events
    found = list(zip(*(part.tolist() for part in events), strict=True))
    assert found == [(3, 1, DIVIDEND, 0.75), (3, 1, SPLIT, 6.0)]  # column 1 is left out, -1 and 10 are outside


def test_a_delisting_that_was_told_happens_then_and_one_that_was_not_when_it_is_plain() -> None:
    close = np.full((30, 4), 10.0)
    close[12:, 2] = np.nan
    close[20:, 3] = np.nan
    delisting = np.array([-0.9, np.nan, -0.3, np.nan])
    told = [(14, 2, DELISTING, -0.3), (5, 0, DELISTING, -0.9)]  # the second trades on: it did not happen
    events = market_of(ahead(close, told, delisting), 30, COLUMNS, COMPANIES).events
    found = list(zip(*(part.tolist() for part in events), strict=True))
    assert found == [(14, 1, DELISTING, -0.3), (20, 2, DELISTING, 0.0)]


def test_a_price_that_is_none_names_its_company() -> None:
    close = np.full((5, 4), 10.0)
    close[2, 3] = 0.0
    with pytest.raises(InputError, match=r"company 14: open 0.0 in session 2"):
        market_of(ahead(close, []), 5, COLUMNS, COMPANIES)


def test_who_has_no_recent_bar_or_never_traded_cannot_be_decided_on() -> None:
    random = np.random.default_rng(2)
    close = 10 * np.exp(0.01 * random.standard_normal((80, 4)).cumsum(axis=0))
    volume = np.full(close.shape, 100.0)
    close[60:66, 1] = np.nan  # six sessions without a bar
    volume[:, 2] = 0.0
    close[:70, 3] = np.nan
    volume[np.isnan(close)] = np.nan
    found = tradable(Market(close, close, volume, Events.none()), np.array([64, 65, 66, 75]))
    assert found.tolist() == [
        [True, True, False, False],  # five sessions ago it had one
        [True, False, False, False],
        [True, True, False, False],
        [True, True, False, True],
    ]
