"""Rows on their way in: each falls out for the first reason found, and keeps its number and its text."""

from __future__ import annotations

import csv
import io
from datetime import date, datetime
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nexus.db.load import Reject
from nexus.ingest.reading import Raw

Flags = NDArray[np.bool_]


class Sieve:
    """The rows of one file, and which of them are still in.

    good : (n,) True while nothing was found against the row
    """

    def __init__(self, raw: Raw) -> None:
        self.raw = raw
        self.good: Flags = np.ones(len(raw.frame), bool)
        self.rejects: list[Reject] = list(raw.rejects)
        self.out_of_scope = raw.out_of_scope

    def refuse(self, bad: Any, reason: str, detail: str) -> None:
        """Quarantine the rows of mask `bad` that are still in.

        detail : a sentence in which {column} stands for the row's value in that column
        """
        falls = self._fallen(bad)
        if not len(falls):
            return
        names = list(self.raw.frame.columns)
        for number, row in zip(self.raw.numbers[falls], self._values(falls), strict=True):
            told = detail.format_map(_Row(zip(names, row, strict=True)))
            self.rejects.append(Reject(int(number), reason, told, _line(row)))

    def leave(self, bad: Any) -> None:
        """Set the rows of mask `bad` aside as out of scope: counted, not kept."""
        self.out_of_scope += len(self._fallen(bad))

    def _fallen(self, bad: Any) -> NDArray[np.intp]:
        falls = np.flatnonzero(np.asarray(bad, bool) & self.good)
        self.good[falls] = False
        return falls

    def _values(self, rows: NDArray[np.intp]) -> list[list[str]]:
        part = self.raw.frame.iloc[rows]
        return [[_text(value) for value in row] for row in part.itertuples(index=False, name=None)]


class _Row(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return "missing"


def _text(value: object) -> str:
    if value is None or value is pd.NaT or value is pd.NA or (isinstance(value, float) and np.isnan(value)):
        return ""
    if isinstance(value, datetime):
        return value.isoformat() if value.time() != datetime.min.time() or value.tzinfo else value.date().isoformat()
    return value.isoformat() if isinstance(value, date) else str(value)


def _line(values: list[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(values)
    return text.getvalue()
