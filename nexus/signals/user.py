"""Where factors come from: the package's table, a user's file of them, a user's file of scores."""

from __future__ import annotations

import importlib
import traceback
from pathlib import Path
from types import ModuleType

from nexus.errors import InputError
from nexus.signals.factor import Factor
from nexus.signals.factors import TABLE
from nexus.signals.score_file import from_scores

__all__ = ["factors", "factors_in", "from_file", "from_scores", "line_in"]


def factors() -> dict[str, Factor]:
    """The built-in factors by name."""
    return {name: _built_in(where) for name, where in TABLE.items()}


def from_file(path: str | Path) -> dict[str, Factor]:
    """The factors of a user's file by name: every module-level Factor, and those in module-level lists and tuples.

    Raises
    ------
    InputError
        When the file cannot be read or run, holds no factor, two of one name, one of a built-in's name, or one whose
        code is in another file: the ledger knows a factor by the one file it is written in.
    """
    path = Path(path).resolve()
    found = factors_in(path)
    for name, factor in found.items():
        if name in TABLE:
            raise InputError(f"{path}: factor {name} has the name of a built-in one; give it another")
        if factor.file.resolve() != path:
            raise InputError(f"{path}: the code of factor {name} is in {factor.file}; move it into this file")
    return found


def factors_in(path: Path) -> dict[str, Factor]:
    """As `from_file`, for any file, built-in ones included."""
    found: dict[str, Factor] = {}
    for value in vars(_module(path)).values():
        for factor in value if isinstance(value, list | tuple) else [value]:
            if not isinstance(factor, Factor):
                continue
            if found.setdefault(factor.name, factor) is not factor:
                raise InputError(f"{path}: two factors are called {factor.name}; name them apart")
    if not found:
        raise InputError(f"{path}: no factor in it; assign Factor(...) to a name at the top level")
    return found


def line_in(path: Path, error: BaseException) -> str:
    """`FILE, line N` of the innermost frame of `error` in `path`, or the file alone."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f"{path}, line {error.lineno}"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return f"{path}, line {lines[-1]}" if lines else str(path)


def _built_in(where: str) -> Factor:
    module, attribute = where.split(":")
    factor = getattr(importlib.import_module(module), attribute)
    assert isinstance(factor, Factor)
    return factor


def _module(path: Path) -> ModuleType:
    """Run the file: compiled here, since a stale cached compilation would not be the code that is hashed."""
    module = ModuleType(f"nexus_user_{path.stem}")
    module.__file__ = str(path)
    try:
        exec(compile(path.read_bytes(), str(path), "exec"), vars(module))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; name a Python file with factors in it") from error
    except InputError as error:
        raise InputError(f"{line_in(path, error)}: {error}") from error
    except Exception as error:
        raise InputError(f"{line_in(path, error)}: {type(error).__name__}: {error}") from error
    return module
