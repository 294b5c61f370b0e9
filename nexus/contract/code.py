"""Digests of code and parameters: comments, layout, docstrings and order do not count."""

from __future__ import annotations

import ast
import hashlib
import json
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import nexus
from nexus.errors import InputError

DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
PACKAGE = Path(nexus.__file__).parent
BELOW = ("db", "contract", "cli", "errors", "log", "modules", "settings")
"""What every module stands on alike: it is of the package's version, not of a module's code."""


def file_hash(path: Path) -> str:
    """Digest of a Python file's code, without comments, layout and docstrings.

    Raises
    ------
    InputError
        When there is no such file, as for a function typed at a prompt.
    """
    try:
        return _file_hash(path, path.stat().st_mtime_ns)
    except OSError as error:
        raise InputError(f"code of {path}: {error.strerror}; a factor is written in a file") from error


def params_hash(params: Mapping[str, Any]) -> str:
    """Digest of plain parameters, whatever their order."""
    return hashlib.sha256(json.dumps(dict(params), sort_keys=True).encode()).hexdigest()


def class_hash(kind: type, root: type) -> str:
    """Digest of the files of a class and of its bases below `root`, and of what of nexus they import, except BELOW."""
    bases = [base for base in kind.__mro__ if issubclass(base, root) and base.__module__ != root.__module__]
    waiting = [Path(str(sys.modules[base.__module__].__file__)) for base in bases]
    seen: set[Path] = set()
    while waiting:
        path = waiting.pop().resolve()
        if path not in seen:
            seen.add(path)
            waiting += _imported(path, path.stat().st_mtime_ns)
    return hashlib.sha256("".join(sorted(file_hash(path) for path in seen)).encode()).hexdigest()


@cache
def _file_hash(path: Path, _mtime: int) -> str:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    # the text that the tree unparses to, not the tree's dump, which changes with the version of Python
    return hashlib.sha256(ast.unparse(tree).encode()).hexdigest()


@cache
def _imported(path: Path, _mtime: int) -> tuple[Path, ...]:
    """Files of nexus that a file imports anywhere in it."""
    found = (_place(name) for name in _names(ast.parse(path.read_text(encoding="utf-8"))))
    return tuple(place for place in found if place is not None)


def _names(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield from (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))


def _place(name: str) -> Path | None:
    """The file of a module of nexus; None for any other name."""
    package, *parts = name.split(".")
    if package != "nexus" or not parts or parts[0] in BELOW:
        return None
    path = PACKAGE.joinpath(*parts)
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)
