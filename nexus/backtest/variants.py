"""Variants of a spec, from the table `variants` of its file: dotted keys, each with the values to try."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from itertools import product
from pathlib import Path
from typing import Any

from nexus.backtest.spec import Spec, table
from nexus.errors import InputError

KEY = "variants"


def read(path: Path) -> tuple[Spec, list[Spec]]:
    """The spec of a file, and its variants: all combinations of the values, each once, without the spec's own.

    The table reads `"portfolio.quantiles" = [5, 10]`.
    """
    values = table(path)
    grid = values.pop(KEY, {})
    if not isinstance(grid, Mapping) or not all(isinstance(tried, list) and tried for tried in grid.values()):
        raise InputError(f'{path}: {KEY} is a table of lists, such as "portfolio.quantiles" = [5, 10]')
    own = Spec.of(values)
    found = {own.sha256: own}
    for tried in product(*grid.values()):
        made = deepcopy(values)
        for key, value in zip(grid, tried, strict=True):
            _put(made, key.split("."), value)
        spec = Spec.of(made)
        found.setdefault(spec.sha256, spec)
    return own, list(found.values())[1:]


def check(spec: Spec, variants: Sequence[Spec]) -> None:
    """Refuse variants that do not stand on the data that was read for the spec."""
    for variant in variants:
        for key in ("universe", "start", "end", "rebalance"):
            if getattr(variant, key) != getattr(spec, key):
                raise InputError(f"variants: {key} is the run's, {getattr(spec, key)}; vary the rest of the spec")
        if {one.name for one in variant.signals} != {one.name for one in spec.signals}:
            raise InputError("variants: the signals are the run's; vary their weights and the rest of the spec")
        if variant.portfolio.combine != spec.portfolio.combine and "rank" in (
            variant.portfolio.combine,
            spec.portfolio.combine,
        ):
            raise InputError("variants: rank needs other data than ic and ridge; run it by itself")
        if not set(variant.portfolio.neutral) <= set(spec.portfolio.neutral):
            raise InputError("variants: a variant is neutral to more than the run; make the run neutral to all of it")


def _put(values: dict[str, Any], keys: Sequence[str], value: Any) -> None:
    for key in keys[:-1]:
        values = values.setdefault(key, {})
        if not isinstance(values, dict):
            raise InputError(f"{KEY}: {'.'.join(keys)} leads through {key}, which is no table; name a key of the spec")
    values[keys[-1]] = value
