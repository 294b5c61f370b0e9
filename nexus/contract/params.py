"""Hyper-parameters as plain values: the basics, the module's own, what HPO found, what was set by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from uuid import uuid4

from nexus.contract.checkpoint import replacing
from nexus.contract.module import Learned
from nexus.contract.splits import Chunk
from nexus.errors import InputError

BEST = "best_params.json"
COUNTS = ("epochs", "patience", "report_every", "accumulate")
"""Of the basics, those of which there is at least one."""


@dataclass(frozen=True)
class Best:
    """What a search left.

    trained_to : last day of any data that they were chosen on
    """

    params: dict[str, Any]
    trained_to: date

    @classmethod
    def of(cls, content: Any, path: object) -> Best:
        """From what the file at `path` holds; InputError where that is something else."""
        try:
            return cls(dict(content["params"]), date.fromisoformat(content["trained_to"]))
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path}: {error!r}; delete it, or run hpo again") from error


def settled(module: Learned[Any, Any], *given: Mapping[str, Any]) -> dict[str, Any]:
    """Every parameter of the module; the later mappings have the last word.

    Raises
    ------
    InputError
        For a parameter that the module does not have, or a value of another kind than the module's own.
    """
    own = {**module.basics, **module.defaults}
    settled = dict(own)
    for params in given:
        for name, value in plain(module.name, params).items():
            if name not in own:
                raise InputError(f"{module.name}: no parameter {name!r}; {_nearest(name, own)}")
            settled[name] = _like(f"{module.name}: {name}", own[name], value)
    for name in COUNTS:
        if settled.get(name, 1) < 1:
            raise InputError(f"{module.name}: {name} {settled[name]}: give 1 or more")
    return plain(module.name, settled)


def plain(name: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters as JSON gives them back, so that a checkpoint's are equal to a new run's."""
    try:
        found: dict[str, Any] = json.loads(json.dumps(dict(params), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{name}: parameters {dict(params)!r}: {error}; use plain numbers, strings and lists"
        ) from error
    return found


def module_home(home: Path, module: Learned[Any, Any]) -> Path:
    """Folder of a module's checkpoints and of what HPO found for it."""
    return home / "models" / module.name / module.version


def best_params(home: Path, module: Learned[Any, Any]) -> Best | None:
    """What HPO left; None where it left nothing."""
    path = module_home(home, module) / BEST
    if not path.exists():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: {error!r}; delete it, or run hpo again") from error
    return Best.of(content, path)


def write_best_params(
    home: Path, module: Learned[Any, Any], params: Mapping[str, Any], chunks: Sequence[Chunk], **about: Any
) -> Path:
    """Leave parameters for `train-best`.

    chunks : that they were chosen on
    about : where they come from, for people: the loss, the trials
    """
    seen = {"chunks": [chunk.number for chunk in chunks], "trained_to": max(chunk.trained_to for chunk in chunks)}
    path = module_home(home, module) / BEST
    write_json(path, {"params": plain(module.name, params), **seen, **about})
    return path


def write_json(path: Path, content: Any) -> None:
    """Replace a file in one step, whoever else is writing it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, f".{uuid4().hex[:8]}") as stream:
        stream.write(json.dumps(content, indent=2, default=str).encode())


def _like(what: str, own: Any, given: Any) -> Any:
    """The value given, which is of the kind of the module's own: a whole number may stand for any number."""
    if isinstance(own, float) and type(given) is int:
        return float(given)
    if type(given) is not type(own):
        raise InputError(f"{what} {given!r}: a {type(given).__name__}; give a {type(own).__name__}, as {own!r}")
    return given


def _nearest(name: str, known: Mapping[str, Any]) -> str:
    found = get_close_matches(name, list(known), n=1)
    return f"did you mean {found[0]!r}?" if found else f"there are {', '.join(known)}"
