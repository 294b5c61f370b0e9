"""Whatever the returns: the pairs are right, in order, complete, and the same alone and in company."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from nexus.maths.correlation import TopPairs, top_correlations
from nexus.maths.types import Bools, Floats, Ints


@dataclass(frozen=True)
class Case:
    returns: Floats
    ends: Ints
    members: Bools
    window: int
    least: int
    k: int

    def run(self, ends: Ints, members: Bools) -> list[TopPairs]:
        terms = {"window": self.window, "least": self.least, "k": self.k}
        return list(top_correlations(self.returns, ends, members=members, **terms))


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Grids full of ties, or numbers of very different sizes; columns that begin, end, pause, stand still or repeat."""
    n_rows, n_columns = draw(st.integers(3, 70)), draw(st.integers(1, 14))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    grid = draw(st.sampled_from([1, 2, 50, 0]))
    returns = random.standard_normal((n_rows, n_columns)) + draw(st.sampled_from([0.0, 1.0])) * random.standard_normal(
        (n_rows, 1)
    )
    returns = np.round(returns * grid) if grid else returns * 10.0 ** random.integers(-6, 7, n_columns)
    for column in range(n_columns):
        kind = draw(st.sampled_from(["whole", "whole", "late", "early", "gaps", "still", "copy", "jump", "offset"]))
        row = draw(st.integers(0, n_rows - 1))
        if kind == "late":
            returns[:row, column] = np.nan
        elif kind == "early":
            returns[row:, column] = np.nan
        elif kind == "gaps":
            returns[random.random(n_rows) < 0.2, column] = np.nan
        elif kind == "still":
            returns[row:, column] = returns[row, column]
        elif kind == "copy":
            returns[:, column] = -2 * returns[:, draw(st.integers(0, n_columns - 1))]
        elif kind == "jump":
            returns[row, column] *= 1e9
        elif kind == "offset":
            returns[:, column] += 1e3
    window = draw(st.integers(2, 40))
    ends = np.unique(random.integers(0, n_rows, draw(st.integers(1, 40))))
    members = random.random((len(ends), n_columns)) < draw(st.sampled_from([1.0, 0.7]))
    return Case(returns, ends, members, window, draw(st.integers(2, window)), draw(st.integers(1, 6)))


@settings(max_examples=150, deadline=None)
@given(cases())
def test_right_in_order_complete_and_the_same_alone(case: Case) -> None:
    together = case.run(case.ends, case.members)
    for place, pairs in enumerate(together):
        check(case, pairs, case.members[place])
        (alone,) = case.run(case.ends[[place]], case.members[[place]])
        for name, values in vars(pairs).items():
            np.testing.assert_array_equal(getattr(alone, name), values)


def check(case: Case, pairs: TopPairs, members: Bools) -> None:
    part = case.returns[max(0, pairs.end + 1 - case.window) : pairs.end + 1]
    nodes = [c for c in range(part.shape[1]) if members[c] and np.isfinite(part[:, c]).sum() >= case.least]
    assert pairs.nodes.tolist() == nodes
    for src in nodes:
        own = pairs.src == src
        chosen = dict(zip(pairs.dst[own].tolist(), pairs.corr[own].tolist(), strict=True))
        known = {dst: corr(part[:, src], part[:, dst], case.least) for dst in nodes if dst != src}
        known = {dst: value for dst, value in known.items() if value is not None}
        assert len(chosen) == min(case.k, len(known)) and len(chosen) == own.sum()
        assert list(chosen) == sorted(chosen, key=lambda dst: (-abs(chosen[dst]), dst))
        assert all(abs(value - known[dst]) < 1.1e-9 for dst, value in chosen.items())
        last = min(map(abs, chosen.values()), default=0.0)
        assert all(abs(value) < last + 1.1e-9 for dst, value in known.items() if dst not in chosen)


def corr(x: Floats, y: Floats, least: int) -> float | None:
    """Pearson's, in extended precision; None where there is none."""
    both = np.isfinite(x) & np.isfinite(y)
    if both.sum() < least or np.ptp(x[both]) == 0 or np.ptp(y[both]) == 0:
        return None
    x_own, y_own = (values[both].astype(np.longdouble) for values in (x, y))
    x_own, y_own = x_own - x_own.mean(), y_own - y_own.mean()
    return float((x_own @ y_own) / np.sqrt((x_own @ x_own) * (y_own @ y_own)))
