"""Scores computed elsewhere, as a file of company, date and score: judged like any other, never above tier C."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from nexus.contract.code import params_hash
from nexus.db.panel import Observations
from nexus.errors import InputError
from nexus.maths.types import Floats
from nexus.signals.factor import NEUTRALISATIONS

COMPANY = ("company_id", "ticker")


@dataclass(frozen=True)
class ScoreFactor:
    """A file's scores, to be asked like a Factor. Nobody saw them being made: they cannot be put through the canary.

    table : day -> the companies' scores, indexed by company_id or ticker
    """

    name: str
    file: Path
    code_hash: str
    neutralise: str
    by_ticker: bool
    table: Mapping[Any, pd.Series[float]] = field(repr=False, compare=False)

    version: ClassVar[str] = "1"
    type: ClassVar[str] = "scores"
    params: ClassVar[Mapping[str, Any]] = {}
    params_hash: ClassVar[str] = params_hash({})
    condition: ClassVar[None] = None
    condition_name: ClassVar[None] = None

    @property
    def inputs(self) -> tuple[str, ...]:
        """What of the database it reads: the tickers, where the file names companies so."""
        return ("symbols.ticker",) if self.by_ticker else ()

    def scores(self, data: Observations, day: date) -> Floats:
        """Scores of that very day; NaN for companies that the file does not score. (n_companies,)."""
        view = data.at(day)
        companies = view.tickers() if self.by_ticker else view.companies
        if day not in self.table:
            return np.full(len(view.companies), np.nan)
        return np.asarray(self.table[day].reindex(companies), np.float64)


def from_scores(path: str | Path, neutralise: str = "none") -> ScoreFactor:
    """Read a Parquet or CSV file with columns company_id or ticker, date and score; its name is the factor's.

    Raises
    ------
    InputError
        For a file that cannot be read, lacks a column, scores a company twice on a day, or has no finite score.
    """
    path = Path(path).resolve()
    if neutralise not in NEUTRALISATIONS:
        raise InputError(f"{path}: neutralise {neutralise!r} is unknown; one of {', '.join(NEUTRALISATIONS)}")
    frame = _read(path)
    company = next((column for column in COMPANY if column in frame), None)
    missing = [column for column in ("date", "score") if column not in frame]
    if company is None or missing:
        raise InputError(
            f"{path}: columns are {', '.join(map(str, frame.columns))}; needs date, score and company_id or ticker"
        )
    frame = _clean(path, frame, company)
    table: dict[Any, pd.Series[float]] = {day: rows.set_index(company)["score"] for day, rows in frame.groupby("date")}
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return ScoreFactor(path.stem, path, digest, neutralise, company == "ticker", table)


def _read(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: {error}; pass a Parquet file, or a CSV file called .csv") from error


def _clean(path: Path, frame: pd.DataFrame, company: str) -> pd.DataFrame:
    """Company, date and finite score of each row."""
    try:
        frame = frame.assign(
            date=pd.to_datetime(frame["date"]).dt.date,
            score=pd.to_numeric(frame["score"]).astype(np.float64),
            **{company: frame[company].astype(str if company == "ticker" else np.int64)},
        )
    except (ValueError, TypeError) as error:
        raise InputError(f"{path}: {error}; dates are ISO, scores numbers, company_id integers") from error
    frame = frame[np.isfinite(frame["score"])][[company, "date", "score"]]
    twice = frame[frame.duplicated([company, "date"])]
    if len(twice):
        raise InputError(
            f"{path}: {company} {twice.iloc[0][company]} has two scores on {twice.iloc[0]['date']}; keep one"
        )
    if frame.empty:
        raise InputError(f"{path}: no finite score in {path.name}; nothing to judge")
    return frame
