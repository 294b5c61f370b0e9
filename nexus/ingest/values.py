"""Columns of a file into typed ones: what is no value of its type is said row by row, not guessed."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date

import numpy as np
import pandas as pd

from nexus.ingest.columns import Column, Kind
from nexus.ingest.reading import Raw, Unreadable
from nexus.ingest.sieve import Sieve

Read = tuple[pd.Series, pd.Series]
"""Typed values, and the rows whose value was there but is none of the type."""

OLDEST, NEWEST = pd.Timestamp("1800-01-01"), pd.Timestamp("2200-01-01")
LENGTH_OF_DATE = len("2024-03-08")
DTYPES = {
    "text": "str",
    "json": "str",
    "number": "float64",
    "integer": "float64",
    "date": "datetime64[us]",
    "instant": "datetime64[us, UTC]",
}
REMEDY = {
    "number": "write a finite decimal number with a point",
    "integer": "write a whole number",
    "date": "write YYYY-MM-DD",
    "instant": "write an ISO 8601 instant such as 2024-03-08T21:00:00Z",
    "json": "write a JSON object",
    "text": "write text without NUL",
}


def typed(kind: Kind, raw: Raw) -> tuple[pd.DataFrame, Sieve]:
    """All documented columns of `raw` in their types, and the rows that are still good.

    Returns a frame of the kind's columns (absent ones empty): text, datetime64[us] (instants in UTC), float64.
    Columns that are not documented are ignored.

    Raises
    ------
    Unreadable
        When a required column is not there, or any is there twice.
    """
    absent = [column.name for column in kind.columns if column.required and column.name not in raw.frame]
    if absent:
        there = ", ".join(map(str, raw.frame.columns)) or "none"
        raise Unreadable("missing column", f"no column {', '.join(absent)} for kind {kind.name}; the file has {there}")
    twice = raw.frame.columns[raw.frame.columns.duplicated()]
    if len(twice):
        raise Unreadable("repeated column", f"column {twice[0]} is there twice; name each column once")
    sieve = Sieve(raw)
    frame = pd.DataFrame({column.name: _column(column, raw.frame, sieve) for column in kind.columns})
    for column in kind.columns:
        if column.required:
            sieve.refuse(frame[column.name].isna(), "missing value", f"{column.name} is empty; every row needs one")
    for group in kind.either:
        nothing = frame[list(group)].isna().all(axis=1)
        sieve.refuse(nothing, "missing value", f"neither {' nor '.join(group)} is given; a row needs one of them")
    return frame, sieve


def _empty(type: str, index: pd.Index) -> pd.Series:
    return pd.Series(None, index=index, dtype=DTYPES[type])


def _column(column: Column, frame: pd.DataFrame, sieve: Sieve) -> pd.Series:
    if column.name not in frame:
        return _empty(column.type, frame.index)
    values, wrong = _READERS[column.type](frame[column.name].reset_index(drop=True))
    detail = f"{column.name} {{{column.name}}} is no {column.type}; {REMEDY[column.type]}"
    sieve.refuse(wrong, "wrong type", detail)
    return values.set_axis(frame.index)


def _text(given: pd.Series) -> Read:
    if isinstance(given.dtype, pd.CategoricalDtype):
        return given, given.isna() & False
    if given.dtype == object:
        is_text = given.map(lambda value: isinstance(value, str)).astype(bool)
        values = given.where(is_text).astype("str")
    elif pd.api.types.is_string_dtype(given.dtype):
        is_text, values = given.notna(), given.astype("str")
    else:
        return _empty("text", given.index), given.notna()
    usable = is_text & ~values.str.contains("\0", regex=False, na=False)
    return values.where(usable & (values != "")), given.notna() & ~usable


def _number(given: pd.Series) -> Read:
    if pd.api.types.is_bool_dtype(given.dtype) or pd.api.types.is_datetime64_any_dtype(given.dtype):
        return pd.Series(np.nan, index=given.index), given.notna()
    if pd.api.types.is_numeric_dtype(given.dtype):
        values = given.astype("float64").astype(float)
        return values, pd.Series(np.isinf(values), index=given.index)
    values = pd.to_numeric(given, errors="coerce").astype(float)
    values = values.where(np.isfinite(values))
    # the text NaN is what pandas writes for nothing
    return values, given.notna() & values.isna() & (given.astype("str").str.lower() != "nan")


def _integer(given: pd.Series) -> Read:
    values, wrong = _number(given)
    whole = values.isna() | (values == values.round())
    return values.where(whole), wrong | ~whole


def _date(given: pd.Series) -> Read:
    values, wrong = _instants(given, utc=False)
    whole = values.dt.normalize() == values
    return values.where(whole), wrong | (values.notna() & ~whole)


def _instant(given: pd.Series) -> Read:
    """A date without a time is 00:00 UTC of the next day; so is each midnight of a column without zones or hours."""
    values, wrong = _instants(given, utc=True)
    return values.mask(_days_alone(given) & values.notna(), values + pd.Timedelta(days=1)), wrong


def _days_alone(given: pd.Series) -> pd.Series:
    """Which values say a day and no time."""
    if pd.api.types.is_datetime64_any_dtype(given.dtype):
        there = given.dropna()
        alone = given.dt.tz is None and bool((there == there.dt.normalize()).all())
        return pd.Series(alone, index=given.index)
    return given.map(lambda value: type(value) is date or len(str(value)) <= LENGTH_OF_DATE).astype(bool)


def _instants(given: pd.Series, utc: bool) -> Read:
    if pd.api.types.is_numeric_dtype(given.dtype):
        return _empty("instant" if utc else "date", given.index), given.notna()
    if pd.api.types.is_datetime64_any_dtype(given.dtype):
        values = given
    else:
        values = pd.to_datetime(given.astype(object), format="ISO8601", errors="coerce", utc=utc or None)
        if not pd.api.types.is_datetime64_any_dtype(values.dtype):  # zones differ from row to row: these are no days
            values = _empty("date", given.index)
    if utc:
        values = values.dt.tz_localize("UTC") if values.dt.tz is None else values.dt.tz_convert("UTC")
    elif values.dt.tz is not None:
        return _empty("date", given.index), given.notna()
    naive = values.dt.tz_localize(None)
    values = values.where(naive.between(OLDEST, NEWEST))
    return values.dt.as_unit("us"), given.notna() & values.isna()


def _json(given: pd.Series) -> Read:
    values = [_object(value) for value in given]
    wrong = pd.Series([value is None for value in values], index=given.index) & given.notna()
    return pd.Series(values, index=given.index, dtype="str"), wrong


def _object(value: object) -> str | None:
    value = json.dumps(value, sort_keys=True) if isinstance(value, dict) else value
    try:
        known = isinstance(value, str) and isinstance(json.loads(value), dict) and "\\u0000" not in value
        return str(value) if known else None
    except ValueError:
        return None


_READERS: dict[str, Callable[[pd.Series], Read]] = {
    "text": _text,
    "number": _number,
    "integer": _integer,
    "date": _date,
    "instant": _instant,
    "json": _json,
}
