"""Total returns of sessions and of holding windows, with splits, dividends, halts and delistings.

Matrices are (n_sessions, n_companies), rows ascending, the last row the market's last session.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nexus.maths.types import Bools, Floats, Ints

GRACE = 5
"""Sessions before the market's last within which a company without bars may still come back."""
UNKNOWN_DELISTING = -0.30


@dataclass(frozen=True)
class Forward:
    """What each company returned over one holding window per date.

    returns : (n_dates, n_companies), simple; unknown delisting returns as 0; NaN without a bar at the entry
    pessimistic : the same, with unknown delisting returns as -0.30
    complete : (n_dates,), whether the window was over by the market's last session; if not, the row is NaN
    leavers : (n_dates,), names that entered and were delisted within the window
    no_entry : (n_dates,), names out of that date because they had no bar at the entry
    Names are counted among the members only; rows that are not complete count none.
    """

    returns: Floats
    pessimistic: Floats
    complete: Bools
    leavers: Ints
    no_entry: Ints


def total_return(close: Floats, split: Floats, dividend: Floats) -> Floats:
    """Simple total return of each session since the company's bar before it.

    close : (n_sessions, n_companies), NaN where there is no bar
    split : the same shape, new shares for one old; 1 or NaN: none
    dividend : the same shape, cash for each share held before that session's split; 0 or NaN: none
    Returns the same shape: (close x split + dividend) / previous close - 1; NaN without a bar and at the first bar.
    After a halt the resuming session has the whole return, with the splits and dividends of the days between.
    """
    if (close <= 0).any():
        row, column = np.argwhere(close <= 0)[0]
        raise ValueError(f"total_return: close {close[row, column]} in row {row}, column {column}; it must be positive")
    out = np.full(close.shape, np.nan)
    n_companies = close.shape[1]
    last, shares, cash = np.full(n_companies, np.nan), np.ones(n_companies), np.zeros(n_companies)
    for row, (price, new, paid) in enumerate(zip(close, split, dividend, strict=True)):
        cash += np.where(np.isnan(paid), 0.0, paid) * shares
        shares *= np.where(np.isnan(new), 1.0, new)
        out[row] = (price * shares + cash) / last - 1
        bar = np.isfinite(price)
        last[bar], shares[bar], cash[bar] = price[bar], 1.0, 0.0
    return out


def wealth(returns: Floats, bars: Bools) -> Floats:
    """Value of one unit put into each company at its first bar, dividends reinvested; NaN without a bar.

    returns : (n_sessions, n_companies), as of `total_return`
    bars : the same shape, whether the company has a bar
    """
    growth = np.cumprod(np.where(np.isfinite(returns), 1 + returns, 1.0), axis=0)
    return np.where(bars, growth, np.nan)


def forward_return(
    wealth: Floats,
    rows: Ints,
    horizon: int,
    delisting: Floats | None = None,
    members: Bools | None = None,
    entry_lag: int = 1,
) -> Forward:
    """Return from the close `entry_lag` sessions after each date to the close `horizon` sessions later.

    rows : (n_dates,), the dates' rows of `wealth`; the rest as `holding_return`
    """
    entry = np.asarray(rows) + entry_lag
    return holding_return(wealth, entry, entry + horizon, delisting, members)


def one_period_return(
    wealth: Floats, rows: Ints, delisting: Floats | None = None, members: Bools | None = None, entry_lag: int = 1
) -> Forward:
    """Return from the entry after each date to the entry after the next one; the last date's is not complete.

    rows : (n_dates,), the dates' rows of `wealth`; the rest as `holding_return`
    """
    entry = np.asarray(rows) + entry_lag
    never = max(len(wealth), int(entry.max(initial=0)) + 1)
    return holding_return(wealth, entry, np.append(entry[1:], never)[: len(entry)], delisting, members)


def holding_return(
    wealth: Floats, entry: Ints, exit: Ints, delisting: Floats | None = None, members: Bools | None = None
) -> Forward:
    """Return of each company from the close of each entry row to the close of the exit row.

    wealth : (n_sessions, n_companies), NaN without a bar
    entry, exit : (n_dates,), rows of `wealth`, entry ascending; an exit beyond the last row is not complete
    delisting : (n_companies,), return after the last price, NaN unknown; None: all unknown
    members : (n_dates, n_companies), whom to count; None: everyone
    A name is delisted when its last bar is more than 5 sessions before the market's last and inside the window: it
    earns to that bar, then its delisting return, then cash. Any other name without a bar at the exit is held at the
    last price before.
    """
    _check_windows(entry, exit)
    n_sessions, n_companies = wealth.shape
    complete = exit < n_sessions
    entry, exit = np.minimum(entry, n_sessions - 1), np.minimum(exit, n_sessions - 1)
    start = np.where(complete[:, None], wealth[entry], np.nan)
    latest = _latest_bar(wealth)
    returns = wealth[np.maximum(latest[exit], 0), np.arange(n_companies)] / start - 1
    entered = np.isfinite(start)
    last = latest[-1]
    gone = last < n_sessions - 1 - GRACE
    left = entered & gone & (last >= entry[:, None]) & (last < exit[:, None])
    paid = np.full(n_companies, np.nan) if delisting is None else delisting
    counted = complete[:, None] if members is None else members & complete[:, None]
    return Forward(
        returns=_paid_out(returns, left, paid, 0.0),
        pessimistic=_paid_out(returns, left, paid, UNKNOWN_DELISTING),
        complete=complete,
        leavers=(left & counted).sum(axis=1),
        no_entry=(~entered & counted).sum(axis=1),
    )


def _check_windows(entry: Ints, exit: Ints) -> None:
    if (np.diff(entry) <= 0).any():
        raise ValueError("holding_return: entries do not ascend; sort the dates, each once")
    if (entry < 0).any() or (exit <= entry).any():
        wrong = int(np.flatnonzero((entry < 0) | (exit <= entry))[0])
        raise ValueError(f"holding_return: window {wrong} goes from row {entry[wrong]} to {exit[wrong]}; it must go on")


def _latest_bar(wealth: Floats) -> Ints:
    """Row of the latest bar up to each row; -1 where there is none yet."""
    rows = np.arange(len(wealth))[:, None]
    return np.maximum.accumulate(np.where(np.isfinite(wealth), rows, -1), axis=0)


def _paid_out(returns: Floats, left: Bools, delisting: Floats, unknown: float) -> Floats:
    paid = np.where(np.isnan(delisting), unknown, delisting)
    return np.where(left, (1 + returns) * (1 + paid) - 1, returns)
