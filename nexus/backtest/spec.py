"""The spec of a backtest: small, frozen, stored with the run, and refused where it is not clear."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from datetime import date
from difflib import get_close_matches
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from nexus.backtest.account import Rules
from nexus.backtest.costs import Costs
from nexus.errors import InputError

Rule = Literal["daily", "weekly", "monthly", "quarterly"]
BASIS_POINT = 1e-4
RISK_AVERSION = 10.0


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Signal(_Part):
    """A signal by its name in the registry, and its share of the composite score; negative turns it round."""

    name: str = Field(min_length=1)
    weight: float = 1.0


class Portfolio(_Part):
    """How scores become target weights; limits that are left out do not bind.

    kind : long_short, the extreme quantiles; long_only, the top quantile; signal_weighted, all names by centred rank;
        mean_variance, the composite score against the covariance of past returns
    combine : how several signals become one score: rank, their ranks by their weights; ic, by the IC each had shown by
        then; ridge, by the slopes of past returns on all of them
    max_turnover : of one rebalance, one-way, as a fraction of equity
    max_volume_share : of the average dollar volume, in one order
    risk_aversion : of mean_variance only, where it is 10 if left out
    """

    kind: Literal["long_short", "long_only", "signal_weighted", "mean_variance"] = "long_short"
    combine: Literal["rank", "ic", "ridge"] = "rank"
    quantiles: int = Field(default=10, ge=2, le=100)
    gross: float = Field(default=1.0, gt=0, le=10)
    neutral: tuple[Literal["beta", "sector"], ...] = ()
    max_weight: float | None = Field(default=None, gt=0)
    max_turnover: float | None = Field(default=None, gt=0)
    max_volume_share: float | None = Field(default=None, gt=0, le=1)
    risk_aversion: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.kind == "long_only" and self.neutral:
            raise ValueError("neutral cannot hold for long_only, a book without shorts; neutralise the signal instead")
        if len(set(self.neutral)) < len(self.neutral):
            raise ValueError(f"neutral names something twice: {', '.join(self.neutral)}")
        if self.kind == "mean_variance":
            object.__setattr__(self, "risk_aversion", self.risk_aversion or RISK_AVERSION)
        elif self.risk_aversion is not None:
            raise ValueError(f"risk_aversion is for mean_variance, not for {self.kind}; leave it out")
        object.__setattr__(self, "neutral", tuple(sorted(self.neutral)))
        return self


class Rates(_Part):
    """Costs in basis points of the value traded; `borrow_bps` a year; `impact` as in `costs.Costs`."""

    commission_bps: float = Field(default=0.5, ge=0)
    half_spread_bps: float = Field(default=2.5, ge=0)
    impact: float = Field(default=0.7, ge=0)
    borrow_bps: float = Field(default=50.0, ge=0)


class Spec(_Part):
    """What to trade, on whom, when, how, at what cost, with how much.

    start, end : first and last day; decisions lie between them
    rebalance : a rule, whose decisions are the last sessions of its periods, or the days themselves, ascending
    """

    signals: tuple[Signal, ...]
    universe: str = Field(min_length=1)
    start: date
    end: date
    rebalance: Rule | tuple[date, ...] = "monthly"
    portfolio: Portfolio = Portfolio()
    costs: Rates = Rates()
    capital: float = Field(default=1e7, gt=0)
    shares: Literal["fractional", "whole"] = "fractional"

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.start >= self.end:
            raise ValueError(f"start {self.start} is not before end {self.end}")
        names = [signal.name for signal in self.signals]
        if not names:
            raise ValueError("signals: none; name one at least")
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"signals: {name} is there twice; give it one weight")
        if all(signal.weight == 0 for signal in self.signals):
            raise ValueError("signals: all weights are 0; give one at least another")
        if self.portfolio.combine != "rank" and any(signal.weight != 1 for signal in self.signals):
            raise ValueError(f"signals: combine = {self.portfolio.combine} learns the weights; leave them out")
        if not isinstance(self.rebalance, str):
            _check_days(self.rebalance, self.start, self.end)
        object.__setattr__(self, "signals", tuple(sorted(self.signals, key=lambda signal: signal.name)))
        return self

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Spec:
        """Parse and check a mapping; InputError says all that is wrong."""
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            raise InputError("spec: " + "; ".join(_sentence(found) for found in error.errors())) from None

    @classmethod
    def read(cls, path: Path) -> Spec:
        """From a .toml or .json file."""
        return cls.of(table(path))

    @property
    def canonical(self) -> str:
        """JSON with every default spelled out and keys in order: equal for specs that mean the same."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))

    @property
    def sha256(self) -> str:
        """Hash of `canonical`."""
        return hashlib.sha256(self.canonical.encode()).hexdigest()

    @property
    def rules(self) -> Rules:
        """What the engine needs beside the weights."""
        book, rates = self.portfolio, self.costs
        return Rules(
            Costs(
                commission=rates.commission_bps * BASIS_POINT,
                half_spread=rates.half_spread_bps * BASIS_POINT,
                impact=rates.impact,
                borrow=rates.borrow_bps * BASIS_POINT,
            ),
            whole=self.shares == "whole",
            max_turnover=book.max_turnover or float("inf"),
            max_volume_share=book.max_volume_share or float("inf"),
        )


def table(path: Path) -> dict[str, Any]:
    """The keys of a .toml or .json file."""
    try:
        text = path.read_text(encoding="utf-8")
        values = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except (OSError, ValueError) as error:
        raise InputError(f"spec: {path} cannot be read: {error}") from None
    if not isinstance(values, dict):
        raise InputError(f"spec: {path} holds a {type(values).__name__}; give a table of keys")
    return values


def _check_days(days: tuple[date, ...], start: date, end: date) -> None:
    if not days:
        raise ValueError("rebalance: no days; give a rule or one day at least")
    for one, two in pairwise(days):
        if two <= one:
            raise ValueError(f"rebalance: {two} comes after {one}; sort the days, each once")
    for day in (days[0], days[-1]):
        if not start <= day <= end:
            raise ValueError(f"rebalance: {day} is outside {start} to {end}")


KEYS: dict[str, type[_Part]] = {"": Spec, "portfolio": Portfolio, "costs": Rates, "signals": Signal}


def _sentence(error: Any) -> str:
    """One finding of pydantic as `where: what, and what instead`."""
    place = [str(part) for part in error["loc"] if "[" not in str(part)]  # which arm of a union is not news
    where = ".".join(place)
    if error["type"] == "extra_forbidden":
        known = list(KEYS[place[0] if len(place) > 1 else ""].model_fields)
        near = get_close_matches(place[-1], known, 1)
        return f"{where}: unknown key; " + (f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}")
    if error["type"] == "missing":
        return f"{where}: missing"
    what = error["msg"].removeprefix("Value error, ")
    if error["type"] == "value_error":
        return f"{where}: {what}" if where else what
    return f"{where} is {error['input']!r}: {what}"
