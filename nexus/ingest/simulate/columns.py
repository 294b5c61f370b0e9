"""What the columns of every frame have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from nexus.ingest.simulate.names import Names
from nexus.maths.types import Dates, Ints

DAY = np.timedelta64(1, "D")


def days(dates: Dates) -> Dates:
    """Return days in the resolution that pandas and Parquet keep."""
    return dates.astype("datetime64[ms]")


def instants(values: Dates) -> pd.DatetimeIndex:
    """Return instants in UTC."""
    return pd.DatetimeIndex(values.astype("datetime64[ms]"), tz="UTC")


def repeated(values: Sequence[str], at: Ints) -> pd.Categorical:
    """Return `values[at]`; a million strings cost what their codes cost."""
    categories, codes = np.unique(values, return_inverse=True)
    dtype: Any = pd.CategoricalDtype(categories.tolist())
    return pd.Categorical.from_codes(codes[at], dtype=dtype)


def tickers(names: Names, company: Ints, session: Ints) -> pd.Categorical:
    """Return the ticker of each company in force at each session."""
    return repeated(names.ticker.tolist(), names.spell(company, session))


def office_hours(random: np.random.Generator, dates: Dates) -> Dates:
    """Return an instant after the close on each date, or on the business day before it."""
    business = np.busday_offset(dates.astype("datetime64[D]"), 0, roll="backward")
    evening = random.integers(21 * 3600, 22 * 3600, size=len(dates)).astype("timedelta64[s]")
    instant: Dates = np.asarray(business, "datetime64[s]") + evening
    return instant
