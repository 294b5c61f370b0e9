"""Mean and variance traded against one another within limits: a quadratic programme, solved by Clarabel.

Goulart & Chen (2024), Clarabel: an interior-point solver for conic programs with quadratic objectives.
"""

from __future__ import annotations

import numpy as np

from nexus.errors import InputError
from nexus.maths.types import Floats


def mean_variance(
    expected: Floats,
    covariance: Floats,
    risk_aversion: float,
    gross: float,
    cap: float = np.inf,
    neutral_to: Floats | None = None,
) -> Floats:
    """Weights that maximise expected return less risk_aversion / 2 times the variance, dollar-neutral.

    expected : (n,), return over a period, without NaN
    covariance : (n, n), of returns over the same period, positive semi-definite
    gross : most that the absolutes sum to
    cap : largest absolute weight
    neutral_to : (k, n), exposures that sum to zero over the weights, beside the dollars
    Returns (n,); weights below a millionth of the gross are 0.
    """
    import clarabel  # here, because most backtests do without
    from scipy import sparse

    n = len(expected)
    none, one = sparse.csc_array((n, n)), sparse.eye_array(n, format="csc")
    quadratic = sparse.block_diag([np.triu(risk_aversion * covariance), none], format="csc")
    linear = np.concatenate([-expected, np.zeros(n)])
    zero = np.vstack([np.ones(n), np.empty((0, n)) if neutral_to is None else neutral_to])
    zero = zero / np.maximum(np.abs(zero).max(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    size = np.concatenate([np.zeros(n), np.ones(n)])  # variables: weights, then bounds of their absolutes
    blocks = [
        np.hstack([zero, np.zeros_like(zero)]),
        sparse.hstack([one, -one]),
        sparse.hstack([-one, -one]),
        size[None, :],
    ]
    bounds: list[Floats] = [np.zeros(len(zero)), np.zeros(2 * n), np.array([gross])]
    if np.isfinite(cap):
        blocks.append(sparse.hstack([none, one]))
        bounds.append(np.full(n, cap))
    constraints = sparse.vstack([sparse.csc_array(block) for block in blocks], format="csc")
    bound = np.concatenate(bounds)
    cones = [clarabel.ZeroConeT(len(zero)), clarabel.NonnegativeConeT(len(bound) - len(zero))]
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.max_threads = 1
    solved = clarabel.DefaultSolver(quadratic, linear, constraints, bound, cones, settings).solve()
    if solved.status not in (clarabel.SolverStatus.Solved, clarabel.SolverStatus.AlmostSolved):
        raise InputError(
            f"mean_variance: {n} names have no solution ({solved.status}); look for a covariance or scores out of scale"
        )
    weights = np.asarray(solved.x)[:n]
    return np.where(np.abs(weights) > 1e-6 * gross, weights, 0.0)
