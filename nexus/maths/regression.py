"""Least squares: many small regressions at once, one per row of a matrix, and one of a series on a few others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nexus.maths.types import Bools, Floats, Ints

COLLINEAR = 1e-12
"""Share of a sum of squares below which what is left of it is rounding."""


def row_residuals(regressand: Floats, regressors: Sequence[Floats], groups: Ints, known: Bools) -> Floats:
    """Residuals of one regression per row, with an intercept for each group.

    regressand, groups, known, each of regressors : (n_rows, n_columns); values and groups are read where `known`
    Returns (n_rows, n_columns); NaN where not known, and in rows with too few values for a residual or without
    anything left but rounding. A regressor that the ones before it explain is passed over.
    Frisch & Waugh (1933): the intercepts go by centring within groups, then one regressor after another.
    """
    cells, used = _cells(groups, known)
    left, *columns = (_within_cells(values, known, cells) for values in [regressand, *regressors])
    total = (left**2).sum(axis=1)
    left = _orthogonal(left, columns)
    enough = known.sum(axis=1) > used + len(columns)
    told = enough & ((left**2).sum(axis=1) > COLLINEAR * total)
    return np.where(known & told[:, None], left, np.nan)


def _cells(groups: Ints, known: Bools) -> tuple[Ints, Ints]:
    """Number of the (row, group) cell of each known value, and how many groups each row has."""
    n_rows, width = len(groups), int(groups.max(initial=0)) + 1
    cells = (groups + width * np.arange(n_rows)[:, None])[known]
    filled = np.bincount(cells, minlength=width * n_rows) > 0
    return cells, filled.reshape(n_rows, width).sum(axis=1)


def _within_cells(values: Floats, known: Bools, cells: Ints) -> Floats:
    """Values less the mean of their cell; zero where not known."""
    inside = values[known]
    means = np.bincount(cells, inside) / np.maximum(np.bincount(cells), 1)
    out = np.zeros(values.shape)
    out[known] = inside - means[cells]
    return out


def _orthogonal(values: Floats, columns: list[Floats]) -> Floats:
    """`values` less their projection on the columns, row by row; each is projected twice, for rounding."""
    basis: list[tuple[Floats, Floats]] = []
    for column in columns:
        before = (column**2).sum(axis=1)
        column = _less(_less(column, basis), basis)
        square = (column**2).sum(axis=1)
        basis.append((column, np.where(square > COLLINEAR * before, square, np.inf)))
    return _less(_less(values, basis), basis)


def _less(values: Floats, basis: list[tuple[Floats, Floats]]) -> Floats:
    for column, square in basis:
        values = values - column * ((values * column).sum(axis=1) / square)[:, None]
    return values
