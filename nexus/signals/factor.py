"""A factor: what it reads, how it is neutralised, and the function from a day to one score per company."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from types import CodeType
from typing import Any, TypeAlias

from nexus.contract.code import file_hash, params_hash
from nexus.db.inputs import check_inputs
from nexus.db.panel import Observations
from nexus.errors import InputError
from nexus.maths.types import Floats

NEUTRALISATIONS = ("none", "beta", "beta+volatility", "beta+volatility+sector")
TYPES = ("price", "fundamental", "event", "graph", "model")
WORD = re.compile(r"[A-Za-z0-9_.+-]+")

Compute: TypeAlias = Callable[[Observations, date, Mapping[str, Any]], Floats]
Condition: TypeAlias = Callable[[Observations, date], bool]


@dataclass(frozen=True)
class Factor:
    """One way of scoring companies; whatever is in it is part of the hypothesis.

    name : its signal's name in the registry
    version : bumped by hand when the scores change meaning
    inputs : "table.column" or "table.name" of everything `compute` reads; reading anything else raises
    neutralise : one of NEUTRALISATIONS
    compute : (data, day, params) -> (n_companies,) in the order of `data.at(day).companies`, higher for what is to earn
        more, NaN where there is no opinion
    params : plain values, handed to `compute`
    condition : (data, day) -> whether the factor claims anything on that day, by what was known then

    Raises InputError where the factor could not be judged: a misspelt input or neutralisation, parameters that are not
    JSON, a function that is not written in a file.
    """

    name: str
    version: str
    inputs: tuple[str, ...]
    neutralise: str
    compute: Compute
    params: Mapping[str, Any] = field(default_factory=dict, hash=False)
    condition: Condition | None = None
    type: str = "price"
    code_hash: str = field(init=False)
    """Digest of the code of the whole file, when the factor was made: comments, layout and docstrings do not count."""

    def __post_init__(self) -> None:
        for word in (self.name, self.version):
            if not WORD.fullmatch(word):
                raise InputError(f"factor {self.name!r} version {self.version!r}: use letters, digits and _ . + - only")
        _choice(self.name, "neutralise", self.neutralise, NEUTRALISATIONS)
        _choice(self.name, "type", self.type, TYPES)
        object.__setattr__(self, "inputs", _inputs(self.name, self.inputs))
        object.__setattr__(self, "params", _plain(self.name, self.params))
        files = {_code(self.name, f).co_filename for f in (self.compute, self.condition) if f is not None}
        if len(files) > 1:
            raise InputError(f"factor {self.name}: its code is in {' and '.join(sorted(files))}; write it in one file")
        object.__setattr__(self, "code_hash", file_hash(self.file))

    @property
    def file(self) -> Path:
        """The file whose code is the factor's."""
        return Path(_code(self.name, self.compute).co_filename)

    @property
    def params_hash(self) -> str:
        """Digest of the parameters."""
        return params_hash(self.params)

    @property
    def condition_name(self) -> str | None:
        """The condition as the ledger declares it; its code is in `code_hash`."""
        return self.condition.__name__ if self.condition else None

    def scores(self, data: Observations, day: date) -> Floats:
        """Scores of `day`, as `compute` gives them; no code of the factor can change `params`."""
        return self.compute(data, day, deepcopy(dict(self.params)))


def _choice(name: str, what: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise InputError(f"factor {name}: {what} {value!r} is unknown; one of {', '.join(allowed)}")


def _inputs(name: str, inputs: Any) -> tuple[str, ...]:
    if isinstance(inputs, str):
        raise InputError(f"factor {name}: inputs is the string {inputs!r}; write a tuple, ({inputs!r},)")
    try:
        check_inputs(tuple(inputs))
    except InputError as error:
        raise InputError(f"factor {name}: {error}") from error
    return tuple(inputs)


def _plain(name: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters as JSON gives them back, so that what is hashed is what `compute` sees."""
    try:
        plain: dict[str, Any] = json.loads(json.dumps(dict(params), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise InputError(f"factor {name}: params {params!r}: {error}; use plain numbers, strings and lists") from error
    return plain


def _code(name: str, function: Callable[..., object]) -> CodeType:
    code = getattr(function, "__code__", None)
    if not isinstance(code, CodeType):
        raise InputError(f"factor {name}: {function!r} is no plain function; write it with def in the factor's file")
    return code
